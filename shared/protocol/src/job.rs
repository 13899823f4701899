//! Costly or random work as values: a machine orders it, the program runs it where it likes, and
//! hands the output back.

mod contribute;
mod deal;
mod keys;
mod unmask;

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

    /// A generator that is wiped when dropped, since whoever finds that of keys in memory can draw every key and share
    /// once more.
    fn into_wiped_rng(self) -> secagg::Generator {
        secagg::Generator::new(&self.0)
    }
}

impl Drop for Entropy {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use zeroize::ZeroizeOnDrop;

    use super::*;

    #[test]
    fn what_is_drawn_is_chacha20_and_the_generator_is_wiped() {
        fn is_wiped(_: &impl ZeroizeOnDrop) {}
        let (mut plain, mut wiped) =
            (rand_chacha::ChaCha20Rng::from_seed([7; 32]), Entropy::new([7; 32]).into_wiped_rng());
        is_wiped(&wiped);
        for _ in 0..100 {
            let (mut one, mut other) = ([0; 32], [0; 32]);
            plain.fill_bytes(&mut one);
            wiped.fill_bytes(&mut other);
            assert_eq!((one, plain.next_u32()), (other, wiped.next_u32()));
        }
    }
}
