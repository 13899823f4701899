//! Four numbers modulo p = 2^255 − 19 side by side, in the registers of AVX2.
//!
//! A number is ten *limbs* of 26 and 25 bits by turns (radix 2^25.5, as in D. J. Bernstein, *Curve25519: new
//! Diffie–Hellman speed records*, 2006, section 4); limb i of four numbers is one register of four 64-bit words. No
//! operation looks at a value: the time is the same for all.
//!
//! How large limbs may be: *tight* limbs, as every product leaves them, are below 2^26 (even places) and
//! 2^25 + 2^18 (odd places); a sum of two tight numbers and a [`subtract`] of two are *loose*, below
//! 3·2^26 and 3·2^25 + 2^18. [`multiply`] and [`square`] take loose numbers: 38 times a loose odd limb and 19 times a loose
//! even one fit 32 bits, and ten products add up to less than 2^63.

use std::arch::x86_64::*;

/// Limb i of four numbers.
pub type Four = [__m256i; LIMBS];

/// Limbs of a number.
pub const LIMBS: usize = 10;

/// Bits of limb i.
pub const fn bits(limb: usize) -> u32 {
    26 - (limb % 2) as u32
}

/// The same small number in all four.
#[inline]
#[target_feature(enable = "avx2")]
pub fn small(value: u32) -> Four {
    let mut number = [_mm256_setzero_si256(); LIMBS];
    number[0] = _mm256_set1_epi64x(i64::from(value));
    number
}

/// Tight + tight, loose.
#[inline]
#[target_feature(enable = "avx2")]
pub fn add(sum: &mut Four, f: &Four, g: &Four) {
    for place in 0..LIMBS {
        sum[place] = _mm256_add_epi64(f[place], g[place]);
    }
}

/// Tight − tight, loose: 2p is added, so that no limb falls below 0.
#[inline]
#[target_feature(enable = "avx2")]
pub fn subtract(difference: &mut Four, f: &Four, g: &Four) {
    for place in 0..LIMBS {
        let below = if place == 0 { 38 } else { 2 };
        let twice_p = _mm256_set1_epi64x((2 << bits(place)) - below);
        difference[place] = _mm256_sub_epi64(_mm256_add_epi64(f[place], twice_p), g[place]);
    }
}

/// Exchanges the two where `mask` is all ones, and leaves them where it is all zeros.
#[inline]
#[target_feature(enable = "avx2")]
pub fn swap(mask: __m256i, f: &mut Four, g: &mut Four) {
    for place in 0..LIMBS {
        let change = _mm256_and_si256(mask, _mm256_xor_si256(f[place], g[place]));
        f[place] = _mm256_xor_si256(f[place], change);
        g[place] = _mm256_xor_si256(g[place], change);
    }
}

/// Tight + 121665 · loose, tight: (A − 2)/4 of the curve (RFC 7748 section 5).
#[inline]
#[target_feature(enable = "avx2")]
pub fn add_a24_times(sum: &mut Four, f: &Four, g: &Four) {
    let factor = _mm256_set1_epi64x(121_665);
    let mut limbs = *f;
    for place in 0..LIMBS {
        limbs[place] = _mm256_add_epi64(limbs[place], _mm256_mul_epu32(g[place], factor));
    }
    *sum = carried(limbs);
}

/// Adds products of one limb with ten to ten sums.
macro_rules! add_products {
    ($sums:ident, $([$to:literal] $a:ident $b:ident[$place:literal]),*) => {
        $($sums[$to] = _mm256_add_epi64($sums[$to], _mm256_mul_epu32($a, $b[$place]));)*
    };
}

/// Loose · loose, tight. Limb by limb of `f`, so that the ten sums stay in registers; what is above limb 9 counts 19
/// at the beginning, and two limbs of odd places count twice.
#[inline(never)]
#[target_feature(enable = "avx2")]
pub fn multiply(product: &mut Four, f: &Four, g: &Four) {
    aligned();
    let nineteen = _mm256_set1_epi64x(19);
    let mut w = *g;
    for place in 1..LIMBS {
        w[place] = _mm256_mul_epu32(g[place], nineteen);
    }
    let mut h = [_mm256_setzero_si256(); LIMBS];
    let f0 = f[0];
    add_products!(h, [0] f0 g[0], [1] f0 g[1], [2] f0 g[2], [3] f0 g[3], [4] f0 g[4], [5] f0 g[5], [6] f0 g[6], [7] f0 g[7], [8] f0 g[8], [9] f0 g[9]);
    let (f1, t1) = (f[1], _mm256_add_epi64(f[1], f[1]));
    add_products!(h, [1] f1 g[0], [2] t1 g[1], [3] f1 g[2], [4] t1 g[3], [5] f1 g[4], [6] t1 g[5], [7] f1 g[6], [8] t1 g[7], [9] f1 g[8], [0] t1 w[9]);
    let f2 = f[2];
    add_products!(h, [2] f2 g[0], [3] f2 g[1], [4] f2 g[2], [5] f2 g[3], [6] f2 g[4], [7] f2 g[5], [8] f2 g[6], [9] f2 g[7], [0] f2 w[8], [1] f2 w[9]);
    let (f3, t3) = (f[3], _mm256_add_epi64(f[3], f[3]));
    add_products!(h, [3] f3 g[0], [4] t3 g[1], [5] f3 g[2], [6] t3 g[3], [7] f3 g[4], [8] t3 g[5], [9] f3 g[6], [0] t3 w[7], [1] f3 w[8], [2] t3 w[9]);
    let f4 = f[4];
    add_products!(h, [4] f4 g[0], [5] f4 g[1], [6] f4 g[2], [7] f4 g[3], [8] f4 g[4], [9] f4 g[5], [0] f4 w[6], [1] f4 w[7], [2] f4 w[8], [3] f4 w[9]);
    let (f5, t5) = (f[5], _mm256_add_epi64(f[5], f[5]));
    add_products!(h, [5] f5 g[0], [6] t5 g[1], [7] f5 g[2], [8] t5 g[3], [9] f5 g[4], [0] t5 w[5], [1] f5 w[6], [2] t5 w[7], [3] f5 w[8], [4] t5 w[9]);
    let f6 = f[6];
    add_products!(h, [6] f6 g[0], [7] f6 g[1], [8] f6 g[2], [9] f6 g[3], [0] f6 w[4], [1] f6 w[5], [2] f6 w[6], [3] f6 w[7], [4] f6 w[8], [5] f6 w[9]);
    let (f7, t7) = (f[7], _mm256_add_epi64(f[7], f[7]));
    add_products!(h, [7] f7 g[0], [8] t7 g[1], [9] f7 g[2], [0] t7 w[3], [1] f7 w[4], [2] t7 w[5], [3] f7 w[6], [4] t7 w[7], [5] f7 w[8], [6] t7 w[9]);
    let f8 = f[8];
    add_products!(h, [8] f8 g[0], [9] f8 g[1], [0] f8 w[2], [1] f8 w[3], [2] f8 w[4], [3] f8 w[5], [4] f8 w[6], [5] f8 w[7], [6] f8 w[8], [7] f8 w[9]);
    let (f9, t9) = (f[9], _mm256_add_epi64(f[9], f[9]));
    add_products!(h, [9] f9 g[0], [0] t9 w[1], [1] f9 w[2], [2] t9 w[3], [3] f9 w[4], [4] t9 w[5], [5] f9 w[6], [6] t9 w[7], [7] f9 w[8], [8] t9 w[9]);
    *product = carried(h);
}

/// Loose², tight.
#[inline(never)]
#[target_feature(enable = "avx2")]
pub fn square(product: &mut Four, f: &Four) {
    aligned();
    let mut d = *f;
    for place in 0..LIMBS {
        d[place] = _mm256_add_epi64(f[place], f[place]);
    }
    // 19 times limbs 6 and 8, 38 times 5, 7 and 9.
    let mut w = *f;
    for place in 5..LIMBS {
        w[place] = _mm256_mul_epu32(f[place], _mm256_set1_epi64x(19 << (place % 2)));
    }
    let mut h = [_mm256_setzero_si256(); LIMBS];
    let (f0, d0) = (f[0], d[0]);
    add_products!(h, [0] f0 f[0], [1] d0 f[1], [2] d0 f[2], [3] d0 f[3], [4] d0 f[4], [5] d0 f[5], [6] d0 f[6], [7] d0 f[7], [8] d0 f[8], [9] d0 f[9]);
    let d1 = d[1];
    add_products!(h, [0] d1 w[9], [2] d1 f[1], [3] d1 f[2], [4] d1 d[3], [5] d1 f[4], [6] d1 d[5], [7] d1 f[6], [8] d1 d[7], [9] d1 f[8]);
    let (f2, d2) = (f[2], d[2]);
    add_products!(h, [0] d2 w[8], [1] f2 w[9], [4] f2 f[2], [5] d2 f[3], [6] d2 f[4], [7] d2 f[5], [8] d2 f[6], [9] d2 f[7]);
    let d3 = d[3];
    add_products!(h, [0] d3 w[7], [1] d3 w[8], [2] d3 w[9], [6] d3 f[3], [7] d3 f[4], [8] d3 d[5], [9] d3 f[6]);
    let (f4, d4) = (f[4], d[4]);
    add_products!(h, [0] d4 w[6], [1] f4 w[7], [2] d4 w[8], [3] f4 w[9], [8] f4 f[4], [9] d4 f[5]);
    let (f5, d5) = (f[5], d[5]);
    add_products!(h, [0] f5 w[5], [1] d5 w[6], [2] d5 w[7], [3] d5 w[8], [4] d5 w[9]);
    let (f6, d6) = (f[6], d[6]);
    add_products!(h, [2] f6 w[6], [3] f6 w[7], [4] d6 w[8], [5] f6 w[9]);
    let (f7, d7) = (f[7], d[7]);
    add_products!(h, [4] f7 w[7], [5] d7 w[8], [6] d7 w[9]);
    let f8 = f[8];
    add_products!(h, [6] f8 w[8], [7] f8 w[9]);
    let f9 = f[9];
    add_products!(h, [8] f9 w[9]);
    *product = carried(h);
}

/// The inverse of each, and 0 of 0: the power p − 2 = 2^255 − 21.
#[target_feature(enable = "avx2")]
pub fn invert(f: &Four) -> Four {
    let f2 = squares(f, 1);
    let f9 = times(&squares(&f2, 2), f);
    let f11 = times(&f9, &f2);
    // `ones_n` is the power 2^n − 1.
    let ones_5 = times(&squares(&f11, 1), &f9);
    let ones_10 = times(&squares(&ones_5, 5), &ones_5);
    let ones_20 = times(&squares(&ones_10, 10), &ones_10);
    let ones_40 = times(&squares(&ones_20, 20), &ones_20);
    let ones_50 = times(&squares(&ones_40, 10), &ones_10);
    let ones_100 = times(&squares(&ones_50, 50), &ones_50);
    let ones_200 = times(&squares(&ones_100, 100), &ones_100);
    let ones_250 = times(&squares(&ones_200, 50), &ones_50);
    times(&squares(&ones_250, 5), &f11)
}

/// f · g.
#[target_feature(enable = "avx2")]
pub fn times(f: &Four, g: &Four) -> Four {
    let mut product = small(0);
    multiply(&mut product, f, g);
    product
}

/// f to the power 2^`count`.
#[target_feature(enable = "avx2")]
fn squares(f: &Four, count: u32) -> Four {
    let (mut power, mut next) = (*f, small(0));
    for _ in 0..count {
        square(&mut next, &power);
        power = next;
    }
    power
}

/// What a function does not hold in registers it keeps on a stack that is aligned to whole registers once it has
/// a variable that is: a register across two lines of the cache costs twice.
#[inline(always)]
fn aligned() {
    let whole = std::mem::MaybeUninit::<__m256i>::uninit();
    std::hint::black_box(&whole);
}

/// Makes limbs below 2^63 tight. Two chains of carries side by side, from limb 0 and from limb 4; what is above limb 9
/// counts 19 at limb 0, and one more carry leaves that tight.
#[inline]
#[target_feature(enable = "avx2")]
fn carried(mut limbs: Four) -> Four {
    for step in 0..4 {
        carry(&mut limbs, step);
        carry(&mut limbs, step + 4);
    }
    carry(&mut limbs, 4);
    carry(&mut limbs, 8);
    let above = _mm256_srli_epi64::<25>(limbs[9]);
    limbs[9] = _mm256_and_si256(limbs[9], _mm256_set1_epi64x((1 << 25) - 1));
    let sixteen_and_two =
        _mm256_add_epi64(_mm256_slli_epi64::<4>(above), _mm256_slli_epi64::<1>(above));
    limbs[0] = _mm256_add_epi64(limbs[0], _mm256_add_epi64(sixteen_and_two, above));
    carry(&mut limbs, 0);
    limbs
}

#[inline]
#[target_feature(enable = "avx2")]
fn carry(limbs: &mut Four, from: usize) {
    let size = bits(from);
    let above = _mm256_srl_epi64(limbs[from], _mm_cvtsi32_si128(size as i32));
    limbs[from] = _mm256_and_si256(limbs[from], _mm256_set1_epi64x((1 << size) - 1));
    limbs[from + 1] = _mm256_add_epi64(limbs[from + 1], above);
}
