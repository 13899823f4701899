//! Signed messages: exact bytes with a signature, verified before they are parsed.
//!
//! The signature (Ed25519, RFC 8032, strict verification) covers BLAKE3 in key-derivation mode
//! over the bytes, with the message's own domain string as context: a signature under one domain
//! is worthless under any other.

use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc};

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{
    codec::{DecodeError, decode, decode_canonical, encode_shared},
    verified,
};

/// A message that somebody signs.
pub trait Signable: Serialize + DeserializeOwned {
    /// Separates this message's signatures from all others.
    const DOMAIN: &'static str;
    /// The most bytes a reader accepts.
    const LIMIT: usize;
    /// Whose key signs it: a [`crate::NodeId`] or a [`crate::CoordinatorId`].
    type Signer: From<[u8; 32]> + Into<[u8; 32]> + Copy + PartialEq + fmt::Debug;
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature([u8; 32], [u8; 32]);

impl Signature {
    fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.0);
        bytes[32..].copy_from_slice(&self.1);
        bytes
    }

    fn from_bytes(bytes: [u8; 64]) -> Self {
        let (mut first, mut second) = ([0; 32], [0; 32]);
        first.copy_from_slice(&bytes[..32]);
        second.copy_from_slice(&bytes[32..]);
        Self(first, second)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// Why a signed message was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignedError {
    /// Signed by another key than the one that must sign.
    #[error("signed by a key that is not the expected one")]
    WrongSigner,
    /// The signature does not belong to these bytes, this key and this domain.
    #[error("the signature does not verify")]
    BadSignature,
    /// Signed, but not a message.
    #[error("the signed bytes do not decode")]
    Decode(#[from] DecodeError),
}

/// A message's exact bytes with its signer and signature; nothing is known of it until
/// [`Signed::check`].
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Signed<T> {
    signer: [u8; 32],
    /// Held by everybody who has the message: a coordinator sends one to 64 members.
    #[serde(with = "crate::bytes::shared")]
    bytes: Arc<[u8]>,
    signature: Signature,
    #[serde(skip)]
    message: PhantomData<fn() -> T>,
}

impl<T: Signable> Signed<T> {
    /// Who says that they signed it: a claim until [`Signed::check`].
    pub fn claimed_signer(&self) -> T::Signer {
        self.signer.into()
    }

    /// Verifies that `expected` signed exactly these bytes, then parses them.
    pub fn check(&self, expected: T::Signer) -> Result<Checked<T>, SignedError> {
        if self.claimed_signer() != expected {
            return Err(SignedError::WrongSigner);
        }
        if self.bytes.len() > T::LIMIT {
            let (length, limit) = (self.bytes.len(), T::LIMIT);
            return Err(DecodeError::Oversized { length, limit }.into());
        }
        let hash = domain_hash::<T>(&self.bytes);
        let known = verified::triple(&hash, &self.signer, &self.signature.to_bytes());
        let value = if verified::is_known(&known) {
            decode_canonical(&self.bytes)?
        } else {
            compute(&self.signer, &hash, &self.signature.to_bytes())?;
            let value = decode(&self.bytes, T::LIMIT)?;
            verified::remember(known);
            value
        };
        Ok(Checked { value, hash, signed: self.clone() })
    }

    /// The hash that names this message: BLAKE3 over its bytes, keyed by the domain.
    pub fn hash<H: From<[u8; 32]>>(&self) -> H {
        domain_hash::<T>(&self.bytes).into()
    }

    /// The signature: with signer and hash, what tells this message from any other without its bytes.
    pub fn signature(&self) -> Signature {
        self.signature
    }
}

impl<T> Clone for Signed<T> {
    fn clone(&self) -> Self {
        Self {
            signer: self.signer,
            bytes: self.bytes.clone(),
            signature: self.signature,
            message: PhantomData,
        }
    }
}

impl<T> PartialEq for Signed<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.signer, &self.bytes, self.signature) == (other.signer, &other.bytes, other.signature)
    }
}

impl<T> Eq for Signed<T> {}

impl<T> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = std::any::type_name::<T>().rsplit("::").next().unwrap_or("?");
        write!(f, "Signed<{name}>({} bytes)", self.bytes.len())
    }
}

/// A message whose signature and form were checked: made only by [`Signed::check`] and
/// [`Checked::sign`].
pub struct Checked<T> {
    value: T,
    hash: [u8; 32],
    signed: Signed<T>,
}

impl<T: Signable> Checked<T> {
    /// Signs a message of our own.
    pub fn sign(value: T, key: &SigningKey) -> Self {
        let bytes = encode_shared(&value);
        let hash = domain_hash::<T>(&bytes);
        let signature = Signature::from_bytes(sign_hash(key, &hash));
        let signer = key.verifying_key().to_bytes();
        Self { value, hash, signed: Signed { signer, bytes, signature, message: PhantomData } }
    }

    /// The hash that names this message.
    pub fn hash<H: From<[u8; 32]>>(&self) -> H {
        self.hash.into()
    }

    /// Who signed it.
    pub fn signer(&self) -> T::Signer {
        self.signed.claimed_signer()
    }

    /// The bytes and signature, to send or keep.
    pub fn signed(&self) -> &Signed<T> {
        &self.signed
    }

    /// The message alone.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> Deref for Checked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Clone> Clone for Checked<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), hash: self.hash, signed: self.signed.clone() }
    }
}

impl<T> fmt::Debug for Checked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checked({:?})", self.signed)
    }
}

/// Signs a hash that was made under a domain of its own, which no message of this crate has.
pub fn sign_hash(key: &SigningKey, hash: &[u8; 32]) -> [u8; 64] {
    let signature = key.sign(hash).to_bytes();
    verified::remember(verified::triple(hash, &key.verifying_key().to_bytes(), &signature));
    signature
}

/// Verifies what [`sign_hash`] made. What was found good before on this thread is not computed again.
///
/// # Errors
/// [`SignedError::BadSignature`].
pub fn verify_hash(
    signer: &[u8; 32],
    hash: &[u8; 32],
    signature: &[u8; 64],
) -> Result<(), SignedError> {
    let known = verified::triple(hash, signer, signature);
    if !verified::is_known(&known) {
        compute(signer, hash, signature)?;
        verified::remember(known);
    }
    Ok(())
}

fn compute(signer: &[u8; 32], hash: &[u8; 32], signature: &[u8; 64]) -> Result<(), SignedError> {
    verified::count();
    let key = VerifyingKey::from_bytes(signer).map_err(|_| SignedError::BadSignature)?;
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    key.verify_strict(hash, &signature).map_err(|_| SignedError::BadSignature)
}

fn domain_hash<T: Signable>(bytes: &[u8]) -> [u8; 32] {
    blake3::derive_key(T::DOMAIN, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Agreement, Consistency, NodeId, Round, SurvivorsHash, TaskId};

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn agreement() -> Agreement {
        Agreement { task: TaskId([1; 32]), round: Round(3), survivors: SurvivorsHash([2; 32]) }
    }

    #[test]
    fn what_was_signed_is_read_back() {
        let made = Checked::sign(agreement(), &key(1));
        let read = made.signed().check(made.signer()).unwrap();
        assert_eq!(*read, agreement());
        assert_eq!(read.hash::<[u8; 32]>(), made.hash::<[u8; 32]>());
    }

    #[test]
    fn another_key_or_any_flipped_bit_is_refused() {
        let made = Checked::sign(agreement(), &key(1));
        let other = NodeId(key(2).verifying_key().to_bytes());
        assert_eq!(made.signed().check(other).unwrap_err(), SignedError::WrongSigner);
        for bit in 0..made.signed().bytes.len() * 8 {
            let mut forged = made.signed().clone();
            Arc::make_mut(&mut forged.bytes)[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(forged.check(made.signer()).unwrap_err(), SignedError::BadSignature);
        }
    }

    /// The table of known signatures is each thread's own, so another thread computes.
    #[test]
    fn a_signature_verifies_where_it_was_not_made() {
        let made = Checked::sign(agreement(), &key(1)).signed().clone();
        let mut forged = made.clone();
        forged.signature.1[0] ^= 1;
        let elsewhere = std::thread::spawn(move || {
            let check = |signed: &Signed<Agreement>| signed.check(signed.claimed_signer());
            (check(&forged).is_err(), check(&made).is_ok(), check(&forged).is_err())
        });
        assert_eq!(elsewhere.join().unwrap(), (true, true, true));
    }

    #[test]
    fn a_signature_of_one_domain_is_worthless_in_another() {
        let made = Checked::sign(agreement(), &key(1));
        let moved: Signed<Consistency> = Signed {
            signer: made.signed().signer,
            bytes: made.signed().bytes.clone(),
            signature: made.signed().signature,
            message: PhantomData,
        };
        assert_eq!(moved.check(made.signer()).unwrap_err(), SignedError::BadSignature);
    }
}
