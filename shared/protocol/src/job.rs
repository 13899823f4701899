//! Costly or random work as values: a machine orders it, the program runs it where it likes, and
//! hands the output back.

mod contribute;
mod deal;
mod keys;
mod unmask;

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use zeroize::Zeroize;

pub use contribute::{ContributeError, ContributeJob, Prepared, Shape};
pub use deal::{DealJob, DealtOutput};
pub use keys::{KeysJob, KeysOutput};
pub use unmask::{Fault, UnmaskJob, Unmasked};

/// 32 bytes from the operating system (from the seed, in a simulation), for one job.
pub struct Entropy([u8; 32]);

impl Entropy {
    /// Takes the bytes; they must not be used for anything else.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn into_rng(self) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.0)
    }
}

impl Drop for Entropy {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
