//! Uniform words from ChaCha20 (RFC 8439).

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

/// Independent uniform bits, as a sampler takes them.
pub(super) trait Words {
    /// 64 fresh bits.
    fn word(&mut self) -> u64;
    /// One fresh bit.
    fn bit(&mut self) -> bool;
}

/// The keystream of one key and nonce, in little-endian words. Cipher and buffers are wiped when dropped.
pub(super) struct Keystream {
    cipher: ChaCha20,
    buffer: Zeroizing<[u8; BUFFER]>,
    position: usize,
    /// Bits not yet handed out, above a one that marks their end.
    bits: Zeroizing<u64>,
}

impl Keystream {
    /// Stream number `nonce` of a key.
    pub fn new(key: &[u8; 32], nonce: u64) -> Self {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&nonce.to_le_bytes());
        let cipher = ChaCha20::new(key.into(), &bytes.into());
        Self { cipher, buffer: Zeroizing::new([0; BUFFER]), position: BUFFER, bits: 1.into() }
    }
}

impl Words for Keystream {
    fn word(&mut self) -> u64 {
        if self.position == BUFFER {
            self.cipher.write_keystream(&mut *self.buffer);
            self.position = 0;
        }
        let (words, _) = self.buffer.as_chunks::<8>();
        let word = u64::from_le_bytes(words[self.position / 8]);
        self.position += 8;
        word
    }

    fn bit(&mut self) -> bool {
        if *self.bits == 1 {
            let word = self.word();
            // 63 of the bits of this word are kept, the marker is the 64th.
            *self.bits = word | (1 << 63);
        }
        let bit = *self.bits & 1 == 1;
        *self.bits >>= 1;
        bit
    }
}

/// 64 blocks of ChaCha20: enough for the widest implementation of the cipher.
const BUFFER: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439 appendix A.1, test vectors 1 and 2.
    #[test]
    fn words_are_the_keystream() {
        let mut words = Keystream::new(&[0; 32], 0);
        assert_eq!(words.word().to_le_bytes(), [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
        let second_block = (1..9).map(|_| words.word()).last().unwrap();
        assert_eq!(second_block.to_le_bytes(), [0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a]);
    }

    #[test]
    fn every_word_is_given_once_and_nonces_differ() {
        let all = |nonce| {
            let mut words = Keystream::new(&[1; 32], nonce);
            (0..2000).map(|_| words.word()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(all(0).len(), 2000);
        assert!(all(0).is_disjoint(&all(1)));
    }

    #[test]
    fn bits_are_the_low_63_of_a_word() {
        let (mut words, mut bits) = (Keystream::new(&[2; 32], 0), Keystream::new(&[2; 32], 0));
        for _ in 0..3 {
            let word = words.word();
            for place in 0..63 {
                assert_eq!(bits.bit(), word >> place & 1 == 1, "bit {place}");
            }
        }
    }
}
