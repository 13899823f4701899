//! The keys of one member in one round: made when it advertises, gone when it has masked.

use rand::CryptoRng;
use x25519_dalek::StaticSecret;

use crate::{SecaggError, Secret32, derive};

/// A member's secrets of one round: an X25519 key for masks, another one for sealing, and the
/// seed of its self mask.
///
/// They are drawn anew in every round, never written, and wiped when dropped. Nothing prints,
/// copies or serializes them:
///
/// ```compile_fail
/// fn prints<T: std::fmt::Debug>() {}
/// prints::<secagg::EphemeralSecrets>();
/// ```
/// ```compile_fail
/// fn copies<T: Clone>() {}
/// copies::<secagg::EphemeralSecrets>();
/// ```
pub struct EphemeralSecrets {
    pub(crate) mask_key: Secret32,
    pub(crate) seal_key: Secret32,
    pub(crate) seed: Secret32,
    pub(crate) public: EphemeralPublic,
}

impl EphemeralSecrets {
    /// Draws new secrets; `rng` must be the operating system's or seeded by it.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mask_key = Secret32::random(rng);
        let seal_key = Secret32::random(rng);
        let seed = Secret32::random(rng);
        let public = EphemeralPublic {
            mask_key: public_key(&mask_key),
            seal_key: public_key(&seal_key),
            seed_commitment: seed_commitment(&seed),
        };
        Self { mask_key, seal_key, seed, public }
    }

    /// What the others may see, to be signed and advertised.
    pub fn public(&self) -> EphemeralPublic {
        self.public
    }
}

/// What a member advertises: two public keys, and a commitment that fixes its self-mask seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EphemeralPublic {
    /// Agrees on pairwise masks.
    pub mask_key: PublicKey,
    /// Agrees on the keys that seal shares.
    pub seal_key: PublicKey,
    /// BLAKE3 of the self-mask seed under its own context; hiding because the seed is uniform.
    pub seed_commitment: [u8; 32],
}

impl EphemeralPublic {
    /// Checks what came over the network.
    ///
    /// # Errors
    /// [`SecaggError::NonCanonicalKey`], [`SecaggError::LowOrderKey`].
    pub fn new(
        mask_key: [u8; 32],
        seal_key: [u8; 32],
        seed_commitment: [u8; 32],
    ) -> Result<Self, SecaggError> {
        let (mask_key, seal_key) = (PublicKey::new(mask_key)?, PublicKey::new(seal_key)?);
        Ok(Self { mask_key, seal_key, seed_commitment })
    }
}

/// An X25519 public key in canonical form and not of low order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Checks the bytes of a key.
    ///
    /// # Errors
    /// [`SecaggError::NonCanonicalKey`] for a number of 2^255 − 19 or more,
    /// [`SecaggError::LowOrderKey`] for the five points that make every agreement zero.
    pub fn new(bytes: [u8; 32]) -> Result<Self, SecaggError> {
        if !is_canonical(&bytes) {
            return Err(SecaggError::NonCanonicalKey);
        }
        if LOW_ORDER.contains(&bytes) {
            return Err(SecaggError::LowOrderKey);
        }
        Ok(Self(bytes))
    }

    /// The 32 bytes, little-endian.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn unchecked(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// The public key of a secret one.
pub(crate) fn public_key(secret: &Secret32) -> PublicKey {
    let secret = StaticSecret::from(*secret.as_bytes());
    PublicKey(x25519_dalek::PublicKey::from(&secret).to_bytes())
}

/// The commitment that fixes a self-mask seed before the round.
pub(crate) fn seed_commitment(seed: &Secret32) -> [u8; 32] {
    blake3::derive_key(derive::SEED_COMMITMENT, seed.as_bytes())
}

/// Whether the little-endian number is smaller than p = 2^255 − 19.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    bytes.iter().rev().lt(PRIME.iter().rev())
}

const PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};

/// The canonical points of order 1, 2, 4 and 8 on the curve and its twist
/// (<https://cr.yp.to/ecdh.html#validate>): 0, 1, two points of order 8, and −1.
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    {
        let mut minus_one = PRIME;
        minus_one[0] -= 1;
        minus_one
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agree::agree;

    fn secret(byte: u8) -> Secret32 {
        Secret32::new(&[byte; 32])
    }

    #[test]
    fn points_of_low_order_are_refused_and_would_have_given_zero() {
        for point in LOW_ORDER {
            assert_eq!(PublicKey::new(point), Err(SecaggError::LowOrderKey));
            let shared = agree(&secret(7), &[PublicKey(point)]);
            assert!(matches!(shared, Err(SecaggError::LowOrderKey)), "{point:02x?}");
        }
    }

    #[test]
    fn only_the_smallest_encoding_of_a_point_is_taken() {
        let mut above = PRIME;
        above[0] += 9; // the base point, written as p + 9
        for bytes in [PRIME, above, [0xff; 32]] {
            assert_eq!(PublicKey::new(bytes), Err(SecaggError::NonCanonicalKey));
        }
        let mut base = [0; 32];
        base[0] = 9;
        assert!(PublicKey::new(base).is_ok());
        let mut high_bit = base;
        high_bit[31] = 0x80; // X25519 would ignore it
        assert_eq!(PublicKey::new(high_bit), Err(SecaggError::NonCanonicalKey));
    }

    #[test]
    fn own_public_keys_pass_their_own_check() {
        for byte in 0..=255 {
            let key = public_key(&secret(byte));
            assert_eq!(PublicKey::new(*key.as_bytes()), Ok(key));
        }
    }

    /// RFC 7748 section 6.1.
    #[test]
    fn agreement_is_x25519() {
        let alice = secret_of("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = secret_of("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let (alice_public, bob_public) = (public_key(&alice), public_key(&bob));
        assert_eq!(
            hex(alice_public.as_bytes()),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
        );
        assert_eq!(
            hex(bob_public.as_bytes()),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
        );
        for shared in [agree(&alice, &[bob_public]), agree(&bob, &[alice_public])] {
            assert_eq!(
                hex(shared.unwrap()[0].as_bytes()),
                "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
            );
        }
    }

    fn hex(bytes: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(bytes)
    }

    fn secret_of(text: &str) -> Secret32 {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        Secret32::new(&bytes.try_into().unwrap())
    }
}
