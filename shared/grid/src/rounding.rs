//! Stochastic rounding: from a real number to one of the two integers beside it, by random words that the caller draws.
//!
//! A number goes up with probability value − ⌊value⌋, so that the mean is right (KLS21, Algorithm 1). One word of 64
//! bits decides: its upper 53 bits, as a fraction, are compared with what is above the floor.

use crate::lanes::kernel;

/// Rounds each value (grid units) by the word at its place, read in little-endian order.
///
/// Values beyond the range of an `i64` become its ends, and what is no number becomes 0.
///
/// # Panics
/// If the three lengths differ.
pub fn round_at_random(exact: &[f64], words: &[[u8; 8]], rounded: &mut [i64]) {
    assert!(
        exact.len() == words.len() && exact.len() == rounded.len(),
        "{} values, {} words, room for {}",
        exact.len(),
        words.len(),
        rounded.len()
    );
    if are_small(exact) {
        return round_small(exact, words, rounded);
    }
    for ((to, &value), &word) in rounded.iter_mut().zip(exact).zip(words) {
        let floor = value.floor();
        *to = (floor as i64).saturating_add(i64::from(fraction(word) < value - floor));
    }
}

/// The same memory for floats, which are then rounded to the integers of their places: a vector of a million
/// coordinates is in memory once. What the integers were as floats, or will be as integers, means nothing.
#[allow(unsafe_code, reason = "the same bytes as another number")]
pub fn as_floats(values: &mut [i64]) -> &mut [f64] {
    const { assert!(size_of::<i64>() == size_of::<f64>() && align_of::<i64>() >= align_of::<f64>()) };
    // SAFETY: both have the same size and an alignment that fits, every string of bits is a number of either, and the
    // slice stays borrowed.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
}

/// The sum of all squares; exact for 2^30 values of 2^48 and less.
///
/// # Panics
/// If the sum overflows.
pub fn squared_norm(values: &[i64]) -> u128 {
    values.chunks(CHUNK).map(chunk_norm).sum()
}

fn chunk_norm(values: &[i64]) -> u128 {
    if largest_bits(values) < 1 << 26 {
        return u128::from(small_norm(values));
    }
    let square = |&value: &i64| u128::from(value.unsigned_abs()) * u128::from(value.unsigned_abs());
    values.iter().map(square).sum()
}

kernel! {
    fn are_small(values: &[f64]) -> bool {
        values.iter().fold(true, |all, value| all & (value.abs() < SMALL))
    }
}

kernel! {
    /// Values below [`SMALL`], where an integer can be read off the bits of a float.
    fn round_small(exact: &[f64], words: &[[u8; 8]], rounded: &mut [i64]) {
        for ((to, &value), &word) in rounded.iter_mut().zip(exact).zip(words) {
            let floor = value.floor();
            let up = if fraction(word) < value - floor { 1.0 } else { 0.0 };
            let shifted = floor + up + SHIFT;
            *to = (shifted.to_bits() as i64).wrapping_sub(SHIFT.to_bits() as i64);
        }
    }
}

kernel! {
    fn largest_bits(values: &[i64]) -> u64 {
        values.iter().fold(0, |all, value| all | value.unsigned_abs())
    }
}

kernel! {
    /// Of [`CHUNK`] values below 2^26 at most: 2^12 · 2^52.
    fn small_norm(values: &[i64]) -> u64 {
        let square = |value: &i64| {
            let size = u64::from(value.unsigned_abs() as u32);
            size.wrapping_mul(size)
        };
        values.iter().fold(0_u64, |sum, value| sum.wrapping_add(square(value)))
    }
}

/// The upper 53 bits, from 0 up to but not including 1 in steps of 2^-53.
///
/// Each half is put below the exponent of a float whose last bit counts what the half counts, and the exponents are
/// taken off again, all of it exact: on x86 there is no conversion of four integers at once before AVX-512.
#[inline(always)]
fn fraction(word: [u8; 8]) -> f64 {
    const LOW: u64 = (1023 + 52) << 52;
    const HIGH: u64 = (1023 + 52 + 32) << 52;
    const BOTH: f64 = f64::from_bits(HIGH) + f64::from_bits(LOW);
    let bits = u64::from_le_bytes(word) >> 11;
    let (low, high) = (f64::from_bits(bits & 0xffff_ffff | LOW), f64::from_bits(bits >> 32 | HIGH));
    ((high - BOTH) + low) * (1.0 / (1_u64 << 53) as f64)
}

/// Values whose squares are added up at once.
const CHUNK: usize = 1 << 12;

/// 2^51.
const SMALL: f64 = (1_u64 << 51) as f64;

/// 1.5 · 2^52: between 2^52 and 2^53 the last bit of a float counts ones.
const SHIFT: f64 = (3_u64 << 51) as f64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As the first lines of this file say it, one number at a time.
    fn by_definition(value: f64, word: u64) -> i64 {
        let draw = (word >> 11) as f64 / 2_f64.powi(53);
        value.floor() as i64 + i64::from(draw < value - value.floor())
    }

    fn rounded(values: &[f64], words: &[u64]) -> Vec<i64> {
        let bytes: Vec<[u8; 8]> = words.iter().map(|word| word.to_le_bytes()).collect();
        let mut rounded = vec![7; values.len()];
        round_at_random(values, &bytes, &mut rounded);
        if are_small(values) {
            let mut plain = vec![7; values.len()];
            round_small::plain(values, &bytes, &mut plain);
            assert_eq!(rounded, plain);
        }
        rounded
    }

    #[test]
    fn by_hand() {
        let half = 1_u64 << 63;
        assert_eq!(rounded(&[2.5; 3], &[0, half - 2048, half]), [3, 3, 2]);
        assert_eq!(rounded(&[-2.5, -2.5, 4.0, -0.0], &[half - 1, half, 0, 0]), [-2, -3, 4, 0]);
        // Below zero by less than a float can tell from 0: 1 above its floor.
        assert_eq!(rounded(&[-1e-20; 2], &[0, u64::MAX]), [0, 0]);
        let huge = [1e300, -1e300, f64::NAN, SMALL, -SMALL, SMALL - 0.5];
        let ends = [i64::MAX, i64::MIN, 0, 1 << 51, -1 << 51, (1 << 51) - 1];
        assert_eq!(rounded(&huge, &[u64::MAX; 6]), ends);
    }

    #[test]
    #[should_panic(expected = "2 values, 1 words, room for 2")]
    fn refuses_too_few_words() {
        round_at_random(&[0.5; 2], &[[0; 8]], &mut [0; 2]);
    }

    #[test]
    fn floats_and_integers_share_their_memory() {
        let mut values = [1, -2, i64::MIN];
        as_floats(&mut values).copy_from_slice(&[1.5, -0.0, f64::INFINITY]);
        assert_eq!(values, [1.5, -0.0, f64::INFINITY].map(|float: f64| float.to_bits() as i64));
        assert!(as_floats(&mut []).is_empty());
    }

    #[test]
    fn norms_of_small_and_large_values() {
        assert_eq!(squared_norm(&[]), 0);
        assert_eq!(squared_norm(&[3, -4]), 25);
        let most = (1_i64 << 26) - 1;
        for size in [most, most + 1, 1 << 48] {
            let values: Vec<i64> =
                (0..CHUNK + 5).map(|i| if i % 2 == 0 { size } else { -size }).collect();
            assert_eq!(squared_norm(&values), (size as u128).pow(2) * (CHUNK as u128 + 5));
        }
        assert_eq!(squared_norm(&[i64::MIN]), 1 << 126);
    }

    proptest! {
        #[test]
        fn every_way_rounds_alike(
            cases in prop::collection::vec((-1e6..1e6_f64, any::<u64>()), 0..70), power in -30_i32..40
        ) {
            let (values, words): (Vec<f64>, Vec<u64>) =
                cases.iter().map(|(value, word)| (value * 2_f64.powi(power), word)).unzip();
            let expected: Vec<i64> =
                values.iter().zip(&words).map(|(&value, &word)| by_definition(value, word)).collect();
            prop_assert_eq!(&rounded(&values, &words), &expected);
            let square = |value: &i64| i128::from(*value).pow(2) as u128;
            prop_assert_eq!(squared_norm(&expected), expected.iter().map(square).sum::<u128>());
            prop_assert_eq!(largest_bits(&expected), largest_bits::plain(&expected));
        }
    }
}
