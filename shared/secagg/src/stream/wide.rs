//! A stream's words eight blocks at a time, where the processor has AVX2.
//!
//! Word i of eight blocks is one register; the rounds of RFC 8439 section 2.3 ([`super::rounds`]) go over sixteen of
//! them. All that is done is additions, exclusive ors, rotations and shifts by public amounts: the time does not depend on the key.
#![allow(unsafe_code, reason = "instructions that were looked for, and rows read as registers")]

use std::arch::x86_64::*;

use zeroize::Zeroizing;

use super::{Key, LANES, Row, Sign, WORDS, rounds::eight_blocks};

/// As [`super::words::fill`].
///
/// # Panics
/// On a processor without AVX2.
pub fn fill(key: &Key, first: u32, strides: &mut [[Row; WORDS]]) {
    assert!(is_x86_feature_detected!("avx2"), "asked for what this processor does not have");
    // SAFETY: the processor has AVX2.
    unsafe { fill_avx2(key, first, strides) }
}

/// As [`super::words::combine`].
///
/// # Panics
/// On a processor without AVX2.
pub fn combine(rows: &[Row], bits: u32, sign: Sign, values: &mut [u32]) {
    assert!(is_x86_feature_detected!("avx2"), "asked for what this processor does not have");
    // SAFETY: the processor has AVX2.
    unsafe { combine_avx2(rows, bits, sign, values) }
}

#[target_feature(enable = "avx2")]
fn fill_avx2(key: &Key, first: u32, strides: &mut [[Row; WORDS]]) {
    let mut initial = Zeroizing::new([[0; LANES]; WORDS]);
    for (row, &word) in initial.iter_mut().zip(CONSTANTS.iter().chain(&**key)) {
        *row = [word; LANES];
    }
    for (number, rows) in strides.iter_mut().enumerate() {
        let counter = first.wrapping_add((number * LANES) as u32);
        initial[COUNTER] = std::array::from_fn(|lane| counter.wrapping_add(lane as u32));
        eight_blocks(&initial, rows);
    }
}

/// "expand 32-byte k" in four words (RFC 8439 section 2.3).
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Which word counts blocks; those behind it, the nonce, are 0.
const COUNTER: usize = 12;

#[target_feature(enable = "avx2")]
fn combine_avx2(rows: &[Row], bits: u32, sign: Sign, values: &mut [u32]) {
    let (whole, rest) = values.as_chunks_mut::<LANES>();
    match sign {
        Sign::Add => add_all_fields::<true>(rows, bits, whole),
        Sign::Subtract => add_all_fields::<false>(rows, bits, whole),
    }
    if rest.is_empty() {
        return;
    }
    let mut last = [0; LANES];
    store(&mut last, field(rows, whole.len() * bits as usize));
    for (value, field) in rest.iter_mut().zip(last) {
        *value = match sign {
            Sign::Add => value.wrapping_add(field),
            Sign::Subtract => value.wrapping_sub(field),
        };
    }
}

/// For every b a loop of its own, in which all shifts are known.
#[inline]
#[target_feature(enable = "avx2")]
fn add_all_fields<const ADD: bool>(rows: &[Row], bits: u32, values: &mut [Row]) {
    macro_rules! by_bits {
        ($($known:literal)*) => {
            match bits {
                $($known => add_fields::<$known, ADD>(rows, values),)*
                _ => unreachable!("a modulus has 8 to 32 bits"),
            }
        };
    }
    by_bits!(8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
}

/// Thirty-two fields of a lane fill `BITS` rows exactly. A macro for the places, so that the loop is unrolled and every
/// shift a constant.
#[inline]
#[target_feature(enable = "avx2")]
fn add_fields<const BITS: usize, const ADD: bool>(rows: &[Row], values: &mut [Row]) {
    let (groups, rest) = values.as_chunks_mut::<32>();
    let whole = groups.len() * BITS;
    for (values, rows) in groups.iter_mut().zip(rows.chunks_exact(BITS)) {
        let rows: &[Row; BITS] = rows.try_into().expect("a group");
        macro_rules! places {
            ($($place:literal)*) => {
                $(add_field::<ADD>(&mut values[$place], known_field::<BITS, $place>(rows));)*
            };
        }
        places!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    }
    for (place, value) in rest.iter_mut().enumerate() {
        add_field::<ADD>(value, field(&rows[whole..], place * BITS));
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_field<const ADD: bool>(value: &mut Row, field: __m256i) {
    let before = load(value);
    let after = match ADD {
        true => _mm256_add_epi32(before, field),
        false => _mm256_sub_epi32(before, field),
    };
    store(value, after);
}

/// Field `place` of a group of thirty-two.
#[inline]
#[target_feature(enable = "avx2")]
fn known_field<const BITS: usize, const PLACE: usize>(rows: &[Row; BITS]) -> __m256i {
    let (row, shift) = const { (PLACE * BITS / 32, PLACE * BITS % 32) };
    let low = _mm256_srl_epi32(load(&rows[row]), _mm_cvtsi32_si128(shift as i32));
    if shift + BITS <= 32 {
        return low;
    }
    let high = _mm256_sll_epi32(load(&rows[row + 1]), _mm_cvtsi32_si128(32 - shift as i32));
    _mm256_or_si256(low, high)
}

/// The bits of every lane from `position` on; those above b are left as they fall. A shift by 32 gives zeros.
#[inline]
#[target_feature(enable = "avx2")]
fn field(rows: &[Row], position: usize) -> __m256i {
    let (row, shift) = (position / 32, (position % 32) as i32);
    // Behind the last row that holds fields there is one more.
    _mm256_or_si256(
        _mm256_srl_epi32(load(&rows[row]), _mm_cvtsi32_si128(shift)),
        _mm256_sll_epi32(load(&rows[row + 1]), _mm_cvtsi32_si128(32 - shift)),
    )
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(row: &Row) -> __m256i {
    // SAFETY: a row is 32 bytes, and the instruction asks for no alignment.
    unsafe { _mm256_loadu_si256(row.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(row: &mut Row, word: __m256i) {
    // SAFETY: as for `load`.
    unsafe { _mm256_storeu_si256(row.as_mut_ptr().cast(), word) }
}
