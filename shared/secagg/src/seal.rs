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
use crate::{PublicKey, SecaggError, Secret32, derive};

/// A sealed share pair: 2 × 32 bytes and the 16 bytes of the tag.
pub const SEALED_BYTES: usize = PAIR_BYTES + TAG_BYTES;

const PAIR_BYTES: usize = 64;
const TAG_BYTES: usize = 16;

/// Who seals for whom, under what.
pub struct Route<'a> {
    pub context: &'a SealContext,
    pub source: (MemberIndex, &'a PublicKey),
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
    fn associated_data(&self) -> [u8; 66] {
        let mut data = [0; 66];
        data[..32].copy_from_slice(self.context.plan.as_bytes());
        data[32..64].copy_from_slice(self.context.roster.as_bytes());
        data[64] = self.source.0.0;
        data[65] = self.target.0.0;
        data
    }
}

/// Seals the shares of the source's mask key and of its seed.
pub fn seal(
    route: &Route<'_>,
    agreed: &[u8; 32],
    mask_key: &Secret32,
    seed: &Secret32,
) -> [u8; SEALED_BYTES] {
    // what is written first is overwritten by the cipher before it is returned
    let mut sealed = [0; SEALED_BYTES];
    let (pair, tag) = sealed.split_at_mut(PAIR_BYTES);
    pair[..32].copy_from_slice(mask_key.as_bytes());
    pair[32..].copy_from_slice(seed.as_bytes());
    let computed = route
        .cipher(agreed)
        .encrypt_inout_detached(&Nonce::default(), &route.associated_data(), pair.into())
        .expect("64 bytes are fewer than ChaCha20-Poly1305 can seal");
    tag.copy_from_slice(&computed);
    sealed
}

/// Opens what [`seal`] made: the shares of the source's mask key and of its seed.
pub fn open(
    route: &Route<'_>,
    agreed: &[u8; 32],
    sealed: &[u8],
) -> Result<(Secret32, Secret32), SecaggError> {
    let source_member = route.source.0;
    let Ok(sealed) = <&[u8; SEALED_BYTES]>::try_from(sealed) else {
        return Err(SecaggError::SealedLength { source_member, length: sealed.len() });
    };
    let mut pair = Zeroizing::new([0; PAIR_BYTES]);
    pair.copy_from_slice(&sealed[..PAIR_BYTES]);
    let tag = Tag::try_from(&sealed[PAIR_BYTES..]).expect("16 bytes follow the pair");
    route
        .cipher(agreed)
        .decrypt_inout_detached(
            &Nonce::default(),
            &route.associated_data(),
            pair.as_mut_slice().into(),
            &tag,
        )
        .map_err(|_| SecaggError::SealBroken { source_member })?;
    let (mut mask_key, mut seed) = (Secret32::zero(), Secret32::zero());
    mask_key.as_bytes_mut().copy_from_slice(&pair[..32]);
    seed.as_bytes_mut().copy_from_slice(&pair[32..]);
    Ok((mask_key, seed))
}
