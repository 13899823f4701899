//! A share pair on its way to a neighbour, through a coordinator that must not read it.
//!
//! ChaCha20-Poly1305 (RFC 8439) under a key from X25519 and HKDF-SHA256. A key is bound to plan,
//! roster, source, target and both public keys, and [`crate::EphemeralSecrets::deal`], which
//! consumes the secrets, is the only one to seal: no key seals twice, so the nonce is zero.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, Tag};
use wire::MemberIndex;
use zeroize::Zeroizing;

use crate::deal::SealContext;
use crate::{PublicKey, SecaggError, Secret32, agree, derive};

/// A sealed share pair: 2 × 32 bytes and the 16 bytes of the tag.
pub const SEALED_BYTES: usize = PAIR_BYTES + TAG_BYTES;

pub(crate) const PAIR_BYTES: usize = 64;
const TAG_BYTES: usize = 16;

/// Who seals for whom, under what.
pub struct Route<'a> {
    /// In which round, for which roster.
    pub context: &'a SealContext,
    /// Who seals, with its sealing key.
    pub source: (MemberIndex, &'a PublicKey),
    /// Who opens, with its sealing key.
    pub target: (MemberIndex, &'a PublicKey),
}

impl Route<'_> {
    fn cipher(&self, agreed: &[u8; 32]) -> ChaCha20Poly1305 {
        let places = [self.source.0.0, self.target.0.0];
        let parts: [&[u8]; 5] = [
            self.context.plan.as_bytes(),
            self.context.roster.as_bytes(),
            &places,
            self.source.1.as_bytes(),
            self.target.1.as_bytes(),
        ];
        let key = derive::key(agreed, derive::SEAL_KEY, &parts);
        ChaCha20Poly1305::new(key.as_bytes().into())
    }

    /// plan ‖ roster ‖ source ‖ target.
    pub(crate) fn associated_data(&self) -> [u8; 66] {
        let mut data = [0; 66];
        data[..32].copy_from_slice(self.context.plan.as_bytes());
        data[32..64].copy_from_slice(self.context.roster.as_bytes());
        data[64] = self.source.0.0;
        data[65] = self.target.0.0;
        data
    }
}

/// How members seal shares for each other: [`X25519Seals`], or [`crate::DummySeals`] in a made world. A
/// type parameter of dealing, so that no configuration can choose the dummy.
pub trait Seals: 'static {
    /// What the owner of `secret` shares with the owner of each of `others`.
    ///
    /// # Errors
    /// [`SecaggError::LowOrderKey`].
    fn agree(secret: &Secret32, others: &[PublicKey]) -> Result<Vec<Secret32>, SecaggError>;

    /// Seals the shares of the source's mask key and of its seed.
    fn seal(
        route: &Route<'_>,
        agreed: &Secret32,
        mask_key: &Secret32,
        seed: &Secret32,
    ) -> [u8; SEALED_BYTES];

    /// Opens what [`Seals::seal`] made: the shares of the source's mask key and of its seed; none if it
    /// is anything else.
    fn open(
        route: &Route<'_>,
        agreed: &Secret32,
        sealed: &[u8; SEALED_BYTES],
    ) -> Option<(Secret32, Secret32)>;
}

/// The real seals.
#[derive(Clone, Copy, Debug)]
pub struct X25519Seals;

impl Seals for X25519Seals {
    fn agree(secret: &Secret32, others: &[PublicKey]) -> Result<Vec<Secret32>, SecaggError> {
        agree::agree(secret, others)
    }

    fn seal(
        route: &Route<'_>,
        agreed: &Secret32,
        mask_key: &Secret32,
        seed: &Secret32,
    ) -> [u8; SEALED_BYTES] {
        // what is written first is overwritten by the cipher before it is returned
        let mut sealed = [0; SEALED_BYTES];
        let (pair, tag) = sealed.split_at_mut(PAIR_BYTES);
        pair[..32].copy_from_slice(mask_key.as_bytes());
        pair[32..].copy_from_slice(seed.as_bytes());
        let computed = route
            .cipher(agreed.as_bytes())
            .encrypt_inout_detached(&Nonce::default(), &route.associated_data(), pair.into())
            .expect("64 bytes are fewer than ChaCha20-Poly1305 can seal");
        tag.copy_from_slice(&computed);
        sealed
    }

    fn open(
        route: &Route<'_>,
        agreed: &Secret32,
        sealed: &[u8; SEALED_BYTES],
    ) -> Option<(Secret32, Secret32)> {
        let mut pair = Zeroizing::new([0; PAIR_BYTES]);
        pair.copy_from_slice(&sealed[..PAIR_BYTES]);
        let tag = Tag::try_from(&sealed[PAIR_BYTES..]).expect("16 bytes follow the pair");
        route
            .cipher(agreed.as_bytes())
            .decrypt_inout_detached(
                &Nonce::default(),
                &route.associated_data(),
                pair.as_mut_slice().into(),
                &tag,
            )
            .ok()?;
        Some(parts(&pair))
    }
}

/// The shares of the mask key and of the seed.
pub(crate) fn parts(pair: &[u8; PAIR_BYTES]) -> (Secret32, Secret32) {
    let (mut mask_key, mut seed) = (Secret32::zero(), Secret32::zero());
    mask_key.as_bytes_mut().copy_from_slice(&pair[..32]);
    seed.as_bytes_mut().copy_from_slice(&pair[32..]);
    (mask_key, seed)
}
