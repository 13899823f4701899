//! Bytes as an attacker makes them: signed by whatever key it has, in whatever form.

use ed25519_dalek::{Signer, SigningKey};
use serde::{Serialize, de::DeserializeOwned};
use swarm::scenario::{coordinator_key, node_key};
use wire::{Checked, Signable, Signed, decode, encode};

/// What a [`Signed`] looks like on the wire.
#[derive(Clone, Serialize, serde::Deserialize)]
pub struct Raw {
    pub signer: [u8; 32],
    pub bytes: Vec<u8>,
    pub signature: ([u8; 32], [u8; 32]),
}

/// Takes a signed message apart.
pub fn open<T>(signed: &Signed<T>) -> Raw {
    decode(&encode(signed), 1 << 24).expect("the same bytes")
}

/// Puts one together again, whatever is in it.
pub fn close<T>(raw: &Raw) -> Signed<T> {
    decode(&encode(raw), 1 << 24).expect("the same bytes")
}

/// Signs any bytes as a message.
pub fn sign_bytes<T: Signable>(bytes: Vec<u8>, key: &SigningKey) -> Signed<T> {
    let signature = key.sign(&blake3::derive_key(T::DOMAIN, &bytes)).to_bytes();
    let (first, second) = signature.split_at(32);
    let halves = (first.try_into().expect("32"), second.try_into().expect("32"));
    close(&Raw { signer: key.verifying_key().to_bytes(), bytes, signature: halves })
}

/// The same message with a bit of its bytes flipped, and the old signature.
pub fn flip<T>(signed: &Signed<T>) -> Signed<T> {
    let mut raw = open(signed);
    *raw.bytes.last_mut().expect("a message has bytes") ^= 1;
    close(&raw)
}

/// The same message, changed, and signed by the key that must sign it.
pub fn change<T>(signed: &Signed<T>, key: &SigningKey, how: impl FnOnce(&mut T)) -> Signed<T>
where
    T: Signable + DeserializeOwned,
{
    let mut value = signed.check(signed.claimed_signer()).expect("an honest message").into_value();
    how(&mut value);
    Checked::sign(value, key).signed().clone()
}

/// Changes what the coordinator signed.
pub fn by_coordinator<T: Signable>(signed: &Signed<T>, how: impl FnOnce(&mut T)) -> Signed<T> {
    change(signed, &coordinator_key(), how)
}

/// Changes what a node signed.
pub fn by_node<T: Signable>(
    node: usize,
    signed: &Signed<T>,
    how: impl FnOnce(&mut T),
) -> Signed<T> {
    change(signed, &node_key(node), how)
}
