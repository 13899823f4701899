//! Random numbers for one job, from 32 bytes of the operating system.

use std::convert::Infallible;

use rand::{TryCryptoRng, TryRng};
use zeroize::ZeroizeOnDrop;

use crate::Secret32;
use crate::stream::{BLOCKS_WORDS, Blocks};

/// The keystream of ChaCha20 (RFC 8439, nonce 0) in little-endian words, as `rand_chacha::ChaCha20Rng` gives them: wiped
/// when dropped, since whoever finds that of keys in memory can draw every key and share once more, and made eight
/// blocks at a time where there is AVX2, since stochastic rounding takes 8 bytes for each coordinate.
pub struct Generator {
    key: Secret32,
    /// The first of the blocks that come next.
    next: u32,
    blocks: Blocks,
    /// Words of `blocks` that were given.
    given: usize,
}

impl Generator {
    /// Begins the stream of a seed, which nobody else may use; the caller wipes its own copy.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self { key: Secret32::new(seed), next: 0, blocks: Blocks::default(), given: BLOCKS_WORDS }
    }

    /// The words that are left of these blocks, at least one.
    ///
    /// # Panics
    /// After the 256 GiB of one keystream.
    fn words(&mut self) -> &[u32] {
        if self.given == BLOCKS_WORDS {
            self.blocks.fill(&self.key, self.next);
            self.next = self.next.checked_add(8).expect("no job takes a whole keystream");
            self.given = 0;
        }
        &self.blocks.words()[self.given..]
    }
}

impl TryRng for Generator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let word = self.words()[0];
        self.given += 1;
        Ok(word)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = self.try_next_u32()?;
        Ok(u64::from(self.try_next_u32()?) << 32 | u64::from(low))
    }

    /// What is left of a word is not given again.
    fn try_fill_bytes(&mut self, mut bytes: &mut [u8]) -> Result<(), Infallible> {
        while !bytes.is_empty() {
            let words = self.words();
            let length = bytes.len().min(4 * words.len());
            let (now, after) = bytes.split_at_mut(length);
            let (whole, rest) = now.as_chunks_mut::<4>();
            if !rest.is_empty() {
                rest.copy_from_slice(&words[whole.len()].to_le_bytes()[..rest.len()]);
            }
            whole.iter_mut().zip(words).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
            self.given += length.div_ceil(4);
            bytes = after;
        }
        Ok(())
    }
}

impl TryCryptoRng for Generator {}

impl ZeroizeOnDrop for Generator {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha20Rng;

    use super::*;

    /// What somebody draws next.
    #[derive(Clone, Debug)]
    enum Draw {
        Word,
        TwoWords,
        Bytes(usize),
    }

    fn draws() -> impl Strategy<Value = Vec<Draw>> {
        let lengths = prop_oneof![0..9_usize, 500..530_usize, Just(8192)];
        let draw =
            prop_oneof![Just(Draw::Word), Just(Draw::TwoWords), lengths.prop_map(Draw::Bytes)];
        prop::collection::vec(draw, 0..60)
    }

    proptest! {
        #[test]
        fn every_draw_is_that_of_rand_chacha(seed: [u8; 32], draws in draws()) {
            let (mut ours, mut theirs) = (Generator::new(&seed), ChaCha20Rng::from_seed(seed));
            for draw in draws {
                match draw {
                    Draw::Word => prop_assert_eq!(ours.next_u32(), theirs.next_u32()),
                    Draw::TwoWords => prop_assert_eq!(ours.next_u64(), theirs.next_u64()),
                    Draw::Bytes(length) => {
                        let (mut one, mut other) = (vec![1; length], vec![2; length]);
                        ours.fill_bytes(&mut one);
                        theirs.fill_bytes(&mut other);
                        prop_assert_eq!(one, other);
                    }
                }
            }
        }
    }
}
