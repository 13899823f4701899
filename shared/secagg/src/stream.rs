//! Keystreams added to vectors: the inner loop of masking and unmasking.
//!
//! A mask is one ChaCha20 keystream (RFC 8439, nonce 0: a key makes one stream), of which b bits are used for
//! each coordinate. Eight *lanes* read it side by side: lane ℓ takes the 64-byte blocks ℓ, ℓ + 8, ℓ + 16, … as one
//! string of bits (little-endian, bit 0 of byte 0 first), and coordinate k is field k div 8 of lane k mod 8, b bits
//! each. So that eight blocks computed at once fall into place as they are, word beside word, without being
//! sorted into bytes first, and no bit of the keystream is thrown away.
//!
//! [`words`] fills a block's words by the crate `chacha20` on any machine, [`wide`] by AVX2 where there is
//! any, at about twice the rate; both give the same (`both_ways_give_the_same_words`).

#[cfg(target_arch = "x86_64")]
mod rounds;
#[cfg(target_arch = "x86_64")]
mod wide;
mod words;

use grid::Modulus;
use zeroize::{Zeroize, Zeroizing};

use crate::Secret32;

/// One keystream, to be added or subtracted.
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

/// Lanes that read a stream side by side.
const LANES: usize = 8;
/// Words of one ChaCha20 block.
const WORDS: usize = 16;
/// One word of every lane.
type Row = [u32; LANES];
/// Words of the key.
type Key = Zeroizing<[u32; 8]>;

/// Coordinates that are worked on at once: 16 KiB of values and at most as much of keystream stay near the
/// core while every stream passes over them. Whatever b is, they take b strides of eight ChaCha20
/// blocks and no bit more.
pub const BLOCK: usize = LANES * WORDS * u32::BITS as usize;

/// Adds all streams to all values, block by block, and reduces them.
pub fn apply(streams: &[Stream], modulus: Modulus, values: &mut [u32]) {
    let mut keystream = Keystream::default();
    for (block, values) in values.chunks_mut(BLOCK).enumerate() {
        apply_block(streams, modulus, block, values, &mut keystream);
    }
}

/// Adds all streams to the block of that number, and reduces it while it is near the core.
///
/// # Panics
/// If the vector is longer than the 256 GiB of one keystream.
pub fn apply_block(
    streams: &[Stream],
    modulus: Modulus,
    block: usize,
    values: &mut [u32],
    keystream: &mut Keystream,
) {
    let bits = modulus.bits();
    // Eight ChaCha20 blocks a stride, b strides a block.
    let first = u32::try_from(block * bits as usize * LANES).expect("shorter than a keystream");
    for stream in streams {
        keystream.fill(&stream.key, first, rows(values.len(), bits));
        keystream.combine(bits, stream.sign, values);
    }
    let mask = modulus.mask();
    values.iter_mut().for_each(|value| *value &= mask);
}

/// Rows of words that so many coordinates take.
fn rows(coordinates: usize, bits: u32) -> usize {
    (coordinates.div_ceil(LANES) * bits as usize).div_ceil(u32::BITS as usize)
}

/// Room for one block of keystream and one row of zeros behind it, wiped when dropped.
pub struct Keystream {
    rows: Box<[Row; ROWS + 1]>,
    is_wide: bool,
}

/// The most rows of a block: b = 32.
const ROWS: usize = WORDS * u32::BITS as usize;

impl Keystream {
    /// Fills whole strides, at least `rows` rows, beginning with the ChaCha20 block `first`.
    fn fill(&mut self, key: &Secret32, first: u32, rows: usize) {
        let strides = rows.div_ceil(WORDS);
        let (rows, _) = self.rows[..strides * WORDS].as_chunks_mut::<WORDS>();
        fill(self.is_wide, key, first, rows);
    }

    /// Adds or subtracts the fields of the rows.
    fn combine(&self, bits: u32, sign: Sign, values: &mut [u32]) {
        #[cfg(target_arch = "x86_64")]
        if self.is_wide {
            return wide::combine(&self.rows[..], bits, sign, values);
        }
        words::combine(&self.rows[..], bits, sign, values);
    }

    #[cfg(test)]
    fn narrow() -> Self {
        let mut keystream = Self::default();
        keystream.is_wide = false;
        keystream
    }
}

impl Default for Keystream {
    fn default() -> Self {
        Self { rows: Box::new([[0; LANES]; ROWS + 1]), is_wide: has_wide() }
    }
}

impl Drop for Keystream {
    fn drop(&mut self) {
        self.rows.as_flattened_mut().zeroize();
    }
}

/// Words of eight blocks.
pub const BLOCKS_WORDS: usize = LANES * WORDS;

/// Eight blocks of a keystream in the order of their bytes, on the heap and wiped when dropped.
#[derive(Default)]
pub struct Blocks {
    rows: Box<Zeroizing<[[Row; WORDS]; 1]>>,
    blocks: Box<Zeroizing<[[u32; WORDS]; LANES]>>,
}

impl Blocks {
    /// The blocks `first` to `first` + 7.
    pub fn fill(&mut self, key: &Secret32, first: u32) {
        fill(has_wide(), key, first, &mut **self.rows);
        for (lane, block) in self.blocks.iter_mut().enumerate() {
            block.iter_mut().zip(&self.rows[0]).for_each(|(word, row)| *word = row[lane]);
        }
    }

    /// Their words, [`BLOCKS_WORDS`].
    pub fn words(&self) -> &[u32] {
        self.blocks.as_flattened()
    }
}

/// Whether this processor has the instructions of [`wide`].
fn has_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Fills strides of eight blocks, beginning with the block `first`: row i of a stride holds word i of each.
fn fill(is_wide: bool, key: &Secret32, first: u32, strides: &mut [[Row; WORDS]]) {
    #[cfg(target_arch = "x86_64")]
    if is_wide {
        return wide::fill(&key_words(key), first, strides);
    }
    let _ = is_wide;
    words::fill(key, first, strides);
}

#[cfg(target_arch = "x86_64")]
fn key_words(key: &Secret32) -> Key {
    let (words, _) = key.as_bytes().as_chunks::<4>();
    Key::new(std::array::from_fn(|place| u32::from_le_bytes(words[place])))
}

#[cfg(test)]
mod tests;
