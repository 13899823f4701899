//! Three stages of integers in the registers of AVX2.
#![allow(unsafe_code, reason = "rows read as registers")]

use std::arch::x86_64::*;

use super::{EIGHT, LANES, quarters, stages, transform_leaf};

/// [`super::hadamard_transform`] of integers.
#[target_feature(enable = "avx2")]
pub fn transform_i64(values: &mut [i64]) {
    transform!(values, three_stages);
}

/// As [`super::three_stages`].
#[target_feature(enable = "avx2")]
fn three_stages(block: &mut [i64]) {
    let (low, high) = block.split_at_mut(block.len() / 2);
    let ([a, b, c, d], [e, f, g, h]) = (quarters(low), quarters(high));
    let columns = a.iter_mut().zip(b).zip(c).zip(d).zip(e).zip(f).zip(g).zip(h);
    for (((((((a, b), c), d), e), f), g), h) in columns {
        let rows = [load(a), load(b), load(c), load(d), load(e), load(f), load(g), load(h)];
        let [x0, x1, x2, x3, x4, x5, x6, x7] = eight_rows(rows);
        store(a, x0);
        store(b, x1);
        store(c, x2);
        store(d, x3);
        store(e, x4);
        store(f, x5);
        store(g, x6);
        store(h, x7);
    }
}

/// As [`super::eight_rows`].
#[inline]
#[target_feature(enable = "avx2")]
fn eight_rows(rows: [__m256i; EIGHT]) -> [__m256i; EIGHT] {
    let [a, b, c, d, e, f, g, h] = rows;
    let ((a, b), (c, d), (e, f), (g, h)) = (both(a, b), both(c, d), both(e, f), both(g, h));
    let ((a, c), (b, d), (e, g), (f, h)) = (both(a, c), both(b, d), both(e, g), both(f, h));
    let ((a, e), (b, f), (c, g), (d, h)) = (both(a, e), both(b, f), both(c, g), both(d, h));
    [a, b, c, d, e, f, g, h]
}

#[inline]
#[target_feature(enable = "avx2")]
fn both(one: __m256i, other: __m256i) -> (__m256i, __m256i) {
    (_mm256_add_epi64(one, other), _mm256_sub_epi64(one, other))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(row: &[i64; LANES]) -> __m256i {
    // SAFETY: a row is 32 bytes, and the instruction asks for no alignment.
    unsafe { _mm256_loadu_si256(row.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(row: &mut [i64; LANES], word: __m256i) {
    // SAFETY: as for `load`.
    unsafe { _mm256_storeu_si256(row.as_mut_ptr().cast(), word) }
}
