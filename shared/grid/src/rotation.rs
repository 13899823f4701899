//! The shared random rotation: seeded signs, then Walsh–Hadamard.
//!
//! It flattens a vector, so that no coordinate is much larger than `norm/√d'`: less wrap-around and
//! less rounding error for the same bits (KLS21, section 4). The seed is public and stands in the
//! plan; privacy does not depend on it.
//!
//! # Layout of the signs
//! The ChaCha20 key stream with the seed as key, a zero nonce and a block counter from zero.
//! Coordinate `i` changes sign exactly when bit `i mod 8` (bit 0 the lowest) of key-stream byte
//! `i div 8` is set.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::lanes::kernel;
use crate::{Butterfly, GridError, hadamard_transform};

/// The smallest padded dimension.
pub const MINIMUM_DIMENSION: usize = 4;

/// The largest dimension, padded or not.
pub const MAXIMUM_DIMENSION: usize = 1 << 30;

/// The largest absolute value of a coordinate of a published sum: lifted from at most 32 bits.
///
/// The exact inverse adds at most [`MAXIMUM_DIMENSION`] of these: 2^30 · 2^31 = 2^61 < 2^63.
pub const MAXIMUM_SUM: i64 = 1 << 31;

/// The public seed of a round's rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationSeed(pub [u8; 32]);

/// The next power of two, at least [`MINIMUM_DIMENSION`]: what Walsh–Hadamard needs.
///
/// # Errors
/// [`GridError::Dimension`] for zero and beyond [`MAXIMUM_DIMENSION`].
pub fn padded_dimension(dimension: usize) -> Result<usize, GridError> {
    if dimension == 0 || dimension > MAXIMUM_DIMENSION {
        return Err(GridError::Dimension { dimension });
    }
    Ok(dimension.next_power_of_two().max(MINIMUM_DIMENSION))
}

/// One rotation of `dimension` coordinates, padded with zeros to a power of two.
#[derive(Debug, Clone)]
pub struct Rotation {
    seed: RotationSeed,
    dimension: usize,
    padded: usize,
}

impl Rotation {
    /// The rotation that everybody with this seed and dimension uses.
    ///
    /// # Errors
    /// [`GridError::Dimension`].
    pub fn new(seed: RotationSeed, dimension: usize) -> Result<Self, GridError> {
        let padded = padded_dimension(dimension)?;
        Ok(Self { seed, dimension, padded })
    }

    /// Coordinates before padding.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Coordinates after padding: a power of two.
    pub fn padded(&self) -> usize {
        self.padded
    }

    /// `H·D·x/√d'`: `dimension` values in, `padded` values of the same norm out.
    ///
    /// # Errors
    /// [`GridError::Length`].
    pub fn forward(&self, values: &[f32]) -> Result<Vec<f64>, GridError> {
        self.forward_scaled(values, 1.0)
    }

    /// The same, each result then multiplied by `scale`, with a rounding of its own.
    ///
    /// # Errors
    /// [`GridError::Length`].
    pub fn forward_scaled(&self, values: &[f32], scale: f64) -> Result<Vec<f64>, GridError> {
        let mut rotated = vec![0.0_f64; self.padded];
        self.forward_into(values, &mut rotated)?;
        let factor = self.factor();
        rotated.iter_mut().for_each(|value| *value = *value * factor * scale);
        Ok(rotated)
    }

    /// Writes `H·D·x` over `rotated`, which [`Rotation::forward`] multiplies by [`Rotation::factor`].
    ///
    /// # Errors
    /// [`GridError::Length`] where there are not `dimension` values or not `padded` rotated ones.
    pub fn forward_into(&self, values: &[f32], rotated: &mut [f64]) -> Result<(), GridError> {
        self.expect_length(values.len(), self.dimension)?;
        self.expect_length(rotated.len(), self.padded)?;
        let mut signs = Signs::new(self.seed);
        let mut left = values;
        // Block by block, while a block is in the cache.
        for block in rotated.chunks_mut(8 * SIGN_BYTES) {
            let (now, after) = left.split_at(left.len().min(block.len()));
            let (filled, padding) = block.split_at_mut(now.len());
            filled.iter_mut().zip(now).for_each(|(to, &from)| *to = f64::from(from));
            padding.fill(0.0);
            flip_f64(block, signs.next());
            left = after;
        }
        hadamard_transform(rotated);
        Ok(())
    }

    /// 1/√d', rounded.
    pub fn factor(&self) -> f64 {
        1.0 / (self.padded as f64).sqrt()
    }

    /// Replaces a sum of rotated integer vectors by `D·H·sum`, exactly.
    ///
    /// The result is `√d'` times the sum that went into [`Rotation::forward`], in grid units: the
    /// caller multiplies once by `1/(scale·√d'·nodes)`, and drops what lies beyond `dimension`.
    ///
    /// # Errors
    /// [`GridError::Length`] or [`GridError::SumTooLarge`]; `sum` is then unchanged.
    pub fn invert_exact(&self, sum: &mut [i64]) -> Result<(), GridError> {
        self.expect_length(sum.len(), self.padded)?;
        let too_large = |value: &i64| value.unsigned_abs() > MAXIMUM_SUM.unsigned_abs();
        if let Some(index) = sum.iter().position(too_large) {
            let value = sum[index];
            return Err(GridError::SumTooLarge { index, value });
        }
        hadamard_transform(sum);
        self.each_with_signs(sum, flip_i64);
        Ok(())
    }

    fn expect_length(&self, found: usize, expected: usize) -> Result<(), GridError> {
        if found == expected { Ok(()) } else { Err(GridError::Length { expected, found }) }
    }

    /// Gives every block of values its signs.
    fn each_with_signs<T>(&self, values: &mut [T], flip: impl Fn(&mut [T], &[u8; SIGN_BYTES])) {
        let mut signs = Signs::new(self.seed);
        for block in values.chunks_mut(8 * SIGN_BYTES) {
            flip(block, signs.next());
        }
    }
}

/// The signs of one block after the other: of coordinate `i` of a block bit `i mod 8` of byte `i div 8`.
struct Signs {
    stream: ChaCha20Rng,
    bytes: [u8; SIGN_BYTES],
}

impl Signs {
    fn new(seed: RotationSeed) -> Self {
        Self { stream: ChaCha20Rng::from_seed(seed.0), bytes: [0; SIGN_BYTES] }
    }

    fn next(&mut self) -> &[u8; SIGN_BYTES] {
        self.stream.fill_bytes(&mut self.bytes);
        &self.bytes
    }
}

kernel! {
    fn flip_f64(values: &mut [f64], signs: &[u8; SIGN_BYTES]) {
        flip(values, signs);
    }
}

kernel! {
    fn flip_i64(values: &mut [i64], signs: &[u8; SIGN_BYTES]) {
        flip(values, signs);
    }
}

/// Signs change without a branch: half of them would be guessed wrong.
#[inline(always)]
fn flip<T: Butterfly>(values: &mut [T], signs: &[u8; SIGN_BYTES]) {
    let (eights, rest) = values.as_chunks_mut::<8>();
    let whole = eights.len();
    for (eight, &byte) in eights.iter_mut().zip(signs) {
        *eight = std::array::from_fn(|bit| eight[bit].flip(byte >> bit & 1));
    }
    for (bit, value) in rest.iter_mut().enumerate() {
        *value = value.flip(signs[whole] >> bit & 1);
    }
}

/// Key-stream bytes drawn at a time: whole ChaCha blocks, so that no byte is skipped.
const SIGN_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// First bytes of the ChaCha20 key stream for a zero key and nonce (draft-agl-tls-chacha20poly1305,
    /// section 7, first vector).
    const ZERO_KEY_STREAM: [u8; 8] = [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90];

    fn sample(length: usize) -> Vec<f32> {
        (0..length).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect()
    }

    #[test]
    fn signs_follow_the_published_key_stream() {
        let rotation = Rotation::new(RotationSeed([0; 32]), 64).unwrap();
        let mut ones = [1_i64; 64];
        rotation.each_with_signs(&mut ones, flip_i64);
        for (index, &value) in ones.iter().enumerate() {
            let bit = ZERO_KEY_STREAM[index / 8] >> (index % 8) & 1;
            assert_eq!(value, 1 - 2 * i64::from(bit), "coordinate {index}");
        }
    }

    #[test]
    fn golden_signs_beyond_one_block_of_key_stream() {
        let rotation = Rotation::new(RotationSeed([7; 32]), 32_768).unwrap();
        let mut ones = vec![1_i64; 32_768];
        rotation.each_with_signs(&mut ones, flip_i64);
        let digest = |range: std::ops::Range<usize>| {
            ones[range].iter().fold(0_u64, |bits, &v| bits << 1 | u64::from(v < 0))
        };
        assert_eq!(digest(0..64), GOLDEN_FIRST);
        assert_eq!(digest(8 * SIGN_BYTES..8 * SIGN_BYTES + 64), GOLDEN_SECOND_BLOCK);
        assert_eq!(digest(32_704..32_768), GOLDEN_LAST);
    }
    // From an independent ChaCha20 in Python.
    const GOLDEN_FIRST: u64 = 0x2f00_491e_ea55_6f82;
    const GOLDEN_SECOND_BLOCK: u64 = 0x8880_a42d_2e33_45cb;
    const GOLDEN_LAST: u64 = 0x328d_579d_aac5_d601;

    #[test]
    fn golden_rotation() {
        let rotation = Rotation::new(RotationSeed([0; 32]), 3).unwrap();
        // Byte 0x76 = 0b0111_0110: coordinates 1 and 2 flip; H·(1, -2, -3, 0) / 2.
        assert_eq!(rotation.forward(&[1.0, 2.0, 3.0]).unwrap(), [-2.0, 0.0, 1.0, 3.0]);
    }

    #[test]
    fn dimensions() {
        assert_eq!(padded_dimension(1), Ok(4));
        assert_eq!(padded_dimension(4), Ok(4));
        assert_eq!(padded_dimension(5), Ok(8));
        assert_eq!(padded_dimension(21_000), Ok(32_768));
        assert!(padded_dimension(0).is_err());
        assert!(padded_dimension(MAXIMUM_DIMENSION + 1).is_err());
    }

    #[test]
    fn refuses_lengths_and_sums_that_do_not_fit() {
        let rotation = Rotation::new(RotationSeed([1; 32]), 5).unwrap();
        assert_eq!(rotation.forward(&[0.0; 8]), Err(GridError::Length { expected: 5, found: 8 }));
        let mut sum = [0, 0, MAXIMUM_SUM + 1, 0, 0, 0, 0, 0];
        assert_eq!(
            rotation.invert_exact(&mut sum),
            Err(GridError::SumTooLarge { index: 2, value: MAXIMUM_SUM + 1 })
        );
        assert_eq!(sum[2], MAXIMUM_SUM + 1);
        assert!(rotation.invert_exact(&mut [0; 5]).is_err());
        assert!(rotation.invert_exact(&mut [i64::MIN; 8]).is_err());
    }

    #[test]
    fn the_largest_sum_is_inverted_without_overflow() {
        let rotation = Rotation::new(RotationSeed([1; 32]), 1 << 16).unwrap();
        let mut sum = vec![MAXIMUM_SUM; 1 << 16];
        rotation.invert_exact(&mut sum).unwrap();
        assert_eq!(sum[0].abs(), MAXIMUM_SUM << 16);
    }

    proptest! {
        #[test]
        fn inverse_undoes_forward_and_norm_is_kept(length in 1_usize..700, seed: [u8; 32]) {
            let rotation = Rotation::new(RotationSeed(seed), length).unwrap();
            let values = sample(length);
            let rotated = rotation.forward(&values).unwrap();
            let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>();
            let before = norm(&mut values.iter().map(|&v| f64::from(v)));
            let after = norm(&mut rotated.iter().copied());
            prop_assert!((before - after).abs() <= 1e-12 * before.max(1.0));

            let scale = 2_f64.powi(20);
            let mut sum: Vec<i64> = rotated.iter().map(|v| (v * scale).round() as i64).collect();
            rotation.invert_exact(&mut sum).unwrap();
            let factor = 1.0 / (scale * (rotation.padded() as f64).sqrt());
            for (found, &value) in sum.iter().zip(&values) {
                prop_assert!((*found as f64 * factor - f64::from(value)).abs() < 1e-4);
            }
        }
    }
}
