//! A stream's words eight blocks at a time, where the processor has AVX2.
//!
//! Word i of eight blocks is one register; the rounds of RFC 8439 section 2.3 go over sixteen of them. All that is
//! done is additions, exclusive ors, rotations and shifts by public amounts: the time does not depend on the key.
#![allow(unsafe_code, reason = "instructions that were looked for, and rows read as registers")]

use std::arch::x86_64::*;

use super::{Key, LANES, Row, Sign, WORDS};

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
    let mut counter = first;
    for rows in strides {
        let words = eight_blocks(key, counter);
        for (row, word) in rows.iter_mut().zip(words) {
            store(row, word);
        }
        counter = counter.wrapping_add(LANES as u32);
    }
}

/// "expand 32-byte k" in four words (RFC 8439 section 2.3).
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// RFC 8439 section 2.1, on words of eight blocks, some quarter rounds side by side: each waits for itself at every
/// step. A macro, so that all sixteen words stay in registers.
macro_rules! quarter_rounds {
    ($state:ident, $by_16:ident, $by_8:ident, $([$a:literal, $b:literal, $c:literal, $d:literal]),*) => {
        $($state[$a] = _mm256_add_epi32($state[$a], $state[$b]);)*
        $($state[$d] = _mm256_shuffle_epi8(_mm256_xor_si256($state[$d], $state[$a]), $by_16);)*
        $($state[$c] = _mm256_add_epi32($state[$c], $state[$d]);)*
        $(let mixed = _mm256_xor_si256($state[$b], $state[$c]);
        $state[$b] =
            _mm256_or_si256(_mm256_slli_epi32::<12>(mixed), _mm256_srli_epi32::<20>(mixed));)*
        $($state[$a] = _mm256_add_epi32($state[$a], $state[$b]);)*
        $($state[$d] = _mm256_shuffle_epi8(_mm256_xor_si256($state[$d], $state[$a]), $by_8);)*
        $($state[$c] = _mm256_add_epi32($state[$c], $state[$d]);)*
        $(let mixed = _mm256_xor_si256($state[$b], $state[$c]);
        $state[$b] = _mm256_or_si256(_mm256_slli_epi32::<7>(mixed), _mm256_srli_epi32::<25>(mixed));)*
    };
}

/// The words of the blocks `counter` to `counter` + 7.
#[inline]
#[target_feature(enable = "avx2")]
fn eight_blocks(key: &[u32; 8], counter: u32) -> [__m256i; WORDS] {
    let all = |word: u32| _mm256_set1_epi32(word as i32);
    // Rotations by whole bytes are shuffles of bytes.
    let by_16 = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
    ));
    let by_8 = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14,
    ));
    let counters = _mm256_add_epi32(all(counter), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    let mut state = [_mm256_setzero_si256(); WORDS];
    for (word, &part) in state.iter_mut().zip(CONSTANTS.iter().chain(key)) {
        *word = all(part);
    }
    state[12] = counters;
    for _ in 0..10 {
        quarter_rounds!(state, by_16, by_8, [0, 4, 8, 12], [1, 5, 9, 13]);
        quarter_rounds!(state, by_16, by_8, [2, 6, 10, 14], [3, 7, 11, 15]);
        quarter_rounds!(state, by_16, by_8, [0, 5, 10, 15], [1, 6, 11, 12]);
        quarter_rounds!(state, by_16, by_8, [2, 7, 8, 13], [3, 4, 9, 14]);
    }
    for (word, &part) in state.iter_mut().zip(CONSTANTS.iter().chain(key)) {
        *word = _mm256_add_epi32(*word, all(part));
    }
    state[12] = _mm256_add_epi32(state[12], counters);
    state
}

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
