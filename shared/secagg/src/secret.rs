//! Thirty-two bytes that nobody else may see.

use std::fmt;

use rand::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret of 32 bytes, wiped when dropped.
///
/// It lives on the heap, so that moving it (into a job, out of a phase) copies a pointer and
/// leaves no second copy of the bytes behind. It has no `Clone`, and `Debug` prints its name.
pub struct Secret32(Box<[u8; 32]>);

impl Secret32 {
    /// Takes the bytes; the caller wipes its own copy.
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut secret = Self::zero();
        secret.0.copy_from_slice(bytes);
        secret
    }

    /// Draws uniform bytes.
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut secret = Self::zero();
        rng.fill_bytes(&mut *secret.0);
        secret
    }

    /// The bytes, for sealing, hashing or sending a revealed share.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both hold the same bytes, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0[..].ct_eq(&other.0[..]).into()
    }

    pub(crate) fn zero() -> Self {
        Self(Box::new([0; 32]))
    }

    pub(crate) fn as_bytes_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }
}

impl Drop for Secret32 {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Secret32 {}

impl fmt::Debug for Secret32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret32")
    }
}
