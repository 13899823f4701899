//! Keystreams added to vectors: the inner loop of masking and unmasking.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use zeroize::Zeroize;

use crate::Secret32;

/// One ChaCha20 keystream (RFC 8439, nonce 0: a key makes one stream), read as little-endian
/// 32-bit words, one a coordinate, to be added or subtracted.
pub struct Stream {
    pub key: Secret32,
    pub sign: Sign,
}

/// Whether a stream is added or subtracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Add,
    Subtract,
}

/// Coordinates that are worked on at once: 8 KiB of values and 8 KiB of keystream stay in the
/// first-level cache while every stream passes over them.
pub const BLOCK: usize = 2048;

/// Adds all streams to all values, mod 2^32, block by block.
pub fn apply(streams: &[Stream], values: &mut [u32]) {
    let mut keystream = Keystream::default();
    for (block, values) in values.chunks_mut(BLOCK).enumerate() {
        apply_block(streams, block, values, &mut keystream);
    }
}

/// Adds all streams to the block of that number, mod 2^32.
pub fn apply_block(
    streams: &[Stream],
    block: usize,
    values: &mut [u32],
    keystream: &mut Keystream,
) {
    for stream in streams {
        let words = keystream.fill(&stream.key, block, values.len());
        match stream.sign {
            Sign::Add => values.iter_mut().zip(words).for_each(|(v, w)| *v = v.wrapping_add(w)),
            Sign::Subtract => {
                values.iter_mut().zip(words).for_each(|(v, w)| *v = v.wrapping_sub(w))
            }
        }
    }
}

/// Room for one block of keystream, wiped when dropped.
pub struct Keystream(Box<[u8; BLOCK * 4]>);

impl Keystream {
    /// The words of a block of a stream.
    fn fill(&mut self, key: &Secret32, block: usize, length: usize) -> impl Iterator<Item = u32> {
        let mut cipher = ChaCha20::new(key.as_bytes().into(), &[0; 12].into());
        cipher.seek(block as u64 * (BLOCK as u64 * 4));
        let bytes = &mut self.0[..length * 4];
        cipher.write_keystream(bytes);
        let (words, _) = bytes.as_chunks::<4>();
        words.iter().map(|word| u32::from_le_bytes(*word))
    }
}

impl Default for Keystream {
    fn default() -> Self {
        Self(Box::new([0; BLOCK * 4]))
    }
}

impl Drop for Keystream {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(key: [u8; 32], sign: Sign, length: usize) -> Vec<u32> {
        let mut values = vec![0; length];
        apply(&[Stream { key: Secret32::new(&key), sign }], &mut values);
        values
    }

    /// RFC 8439 appendix A.1, test vectors 1 and 2 (key 0, nonce 0, counters 0 and 1).
    #[test]
    fn the_keystream_is_chacha20() {
        let bytes: Vec<u8> =
            words([0; 32], Sign::Add, 32).iter().flat_map(|word| word.to_le_bytes()).collect();
        let expected = "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7\
            da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586\
            9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed\
            29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f";
        assert_eq!(data_encoding::HEXLOWER.encode(&bytes), expected);
    }

    /// A fault of the incumbent (flower#7522): it folds seeds to 32 bits by XOR, so that there are only so many masks
    /// to try. Here two seeds with the same fold have nothing in common, and each of 256 bits counts.
    #[test]
    fn masks_depend_on_every_bit_of_the_seed() {
        let masks = |key| words(key, Sign::Add, 64);
        let original = masks([0; 32]);
        for bit in 0..256 {
            let mut key = [0; 32];
            key[bit / 8] ^= 1 << (bit % 8);
            let mut same_fold = key;
            same_fold[(bit / 8 + 4) % 32] ^= 1 << (bit % 8);
            for other in [masks(key), masks(same_fold)] {
                let equal = original.iter().zip(&other).filter(|(a, b)| a == b).count();
                assert!(equal <= 2, "{equal} of 64 words are the same without bit {bit}");
            }
        }
    }

    /// A fault of the incumbent: its range leaves the largest value out, which biases every sum. Here the masks of 10
    /// bits reach each of the 1,024 values.
    #[test]
    fn masks_reach_every_residue() {
        let mut seen = [false; 1024];
        words([3; 32], Sign::Add, 1 << 16).iter().for_each(|w| seen[*w as usize % 1024] = true);
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn what_is_added_is_subtracted_again() {
        for length in [1, 15, 16, 17, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
            let added = words([9; 32], Sign::Add, length);
            let subtracted = words([9; 32], Sign::Subtract, length);
            assert!(added.iter().zip(&subtracted).all(|(a, s)| a.wrapping_add(*s) == 0));
        }
    }

    #[test]
    fn blocks_continue_one_stream() {
        let mut cipher = ChaCha20::new(&[5; 32].into(), &[0; 12].into());
        let mut bytes = vec![0; 4 * (2 * BLOCK + 100)];
        cipher.write_keystream(&mut bytes);
        let whole: Vec<u32> =
            bytes.chunks(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())).collect();
        assert_eq!(words([5; 32], Sign::Add, 2 * BLOCK + 100), whole);
    }
}
