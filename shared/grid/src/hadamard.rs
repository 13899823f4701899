//! The fast Walsh–Hadamard transform, unnormalised: `H[i][j] = (-1)^popcount(i & j)`, `H·H = d'·I`.
//!
//! The order of additions is fixed, so floats give the same bits on every machine, and integers are
//! exact: pairs at a distance of 1 first, then of 2, of 4 and so on. Three of these stages are done at once, while
//! eight rows are in registers, and a block is finished while it is in the cache; neither changes what is added to what.

use crate::lanes::kernel;

/// The whole transform, with the function that does three stages at once. Leaves first; eight blocks that lie side by
/// side become one as soon as the last of them is finished. A macro, so that all of it is compiled for the processor
/// that the caller was compiled for.
macro_rules! transform {
    ($values:ident, $three_stages:ident) => {{
        let length = $values.len();
        if length < EIGHT {
            return stages($values, 1);
        }
        // What is left above a leaf are stages by three.
        let leaf = EIGHT << ((length / EIGHT).trailing_zeros() % 3);
        let mut done = 0;
        while done < length {
            transform_leaf(&mut $values[done..done + leaf]);
            done += leaf;
            let mut block = EIGHT * leaf;
            while block <= length && done % block == 0 {
                $three_stages(&mut $values[done - block..done]);
                block *= EIGHT;
            }
        }
    }};
}

#[cfg(target_arch = "x86_64")]
mod wide;

/// A number that the transform can add and subtract.
pub trait Butterfly: Copy {
    /// `(self + other, self - other)`.
    fn butterfly(self, other: Self) -> (Self, Self);

    /// `-self` where `sign` is 1, `self` where it is 0.
    fn flip(self, sign: u8) -> Self;

    /// The transform of a power of two of values.
    #[doc(hidden)]
    fn transform(values: &mut [Self]);
}

macro_rules! float_butterfly {
    ($($number:ty, $bits:ty, $kernel:ident);*) => {$(
        impl Butterfly for $number {
            #[inline(always)]
            fn butterfly(self, other: Self) -> (Self, Self) {
                (self + other, self - other)
            }

            #[inline(always)]
            fn flip(self, sign: u8) -> Self {
                Self::from_bits(self.to_bits() ^ <$bits>::from(sign) << (<$bits>::BITS - 1))
            }

            fn transform(values: &mut [Self]) {
                $kernel(values);
            }
        }
    )*};
}
float_butterfly!(f32, u32, transform_f32; f64, u64, transform_f64);

/// Wraps: a caller that wants exact results keeps `length · max|value|` below 2^63.
impl Butterfly for i64 {
    #[inline(always)]
    fn butterfly(self, other: Self) -> (Self, Self) {
        (self.wrapping_add(other), self.wrapping_sub(other))
    }

    #[inline(always)]
    fn flip(self, sign: u8) -> Self {
        let mask = Self::from(sign).wrapping_neg();
        (self ^ mask).wrapping_sub(mask)
    }

    fn transform(values: &mut [Self]) {
        transform_i64(values);
    }
}

/// Replaces `values` by `H · values`, in place, in `d'·log2(d')` additions.
///
/// # Panics
/// If the length is not a power of two.
pub fn hadamard_transform<T: Butterfly>(values: &mut [T]) {
    assert!(
        values.len().is_power_of_two(),
        "the Walsh–Hadamard transform takes a power of two of values, not {}",
        values.len()
    );
    T::transform(values);
}

kernel! {
    fn transform_f32(values: &mut [f32]) {
        transform!(values, three_stages);
    }
}

kernel! {
    fn transform_f64(values: &mut [f64]) {
        transform!(values, three_stages);
    }
}

/// As a kernel, but that the compiler adds integers up in another order and one by one where it is not told.
#[allow(unsafe_code, reason = "instructions that were looked for")]
fn transform_i64(values: &mut [i64]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { wide::transform_i64(values) };
    }
    plain_i64(values);
}

fn plain_i64(values: &mut [i64]) {
    transform!(values, three_stages);
}

/// 8, 16 or 32 values.
#[inline(always)]
fn transform_leaf<T: Butterfly>(values: &mut [T]) {
    for eight in values.as_chunks_mut::<EIGHT>().0 {
        let rows = eight_rows(eight.map(|value| [value]));
        *eight = rows.map(|[value]| value);
    }
    stages(values, EIGHT);
}

/// The stages from the distance `half` on, one by one.
#[inline(always)]
fn stages<T: Butterfly>(values: &mut [T], mut half: usize) {
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = a.butterfly(*b);
            }
        }
        half *= 2;
    }
}

/// The last three stages of a block of which every eighth is finished, at least [`LANES`] values each.
#[inline(always)]
fn three_stages<T: Butterfly>(block: &mut [T]) {
    let (low, high) = block.split_at_mut(block.len() / 2);
    let ([a, b, c, d], [e, f, g, h]) = (quarters(low), quarters(high));
    let columns = a.iter_mut().zip(b).zip(c).zip(d).zip(e).zip(f).zip(g).zip(h);
    for (((((((a, b), c), d), e), f), g), h) in columns {
        [*a, *b, *c, *d, *e, *f, *g, *h] = eight_rows([*a, *b, *c, *d, *e, *f, *g, *h]);
    }
}

#[inline(always)]
fn quarters<T>(values: &mut [T]) -> [&mut [[T; LANES]]; 4] {
    let (low, high) = values.split_at_mut(values.len() / 2);
    let (a, b) = low.split_at_mut(low.len() / 2);
    let (c, d) = high.split_at_mut(high.len() / 2);
    [a, b, c, d].map(|quarter| quarter.as_chunks_mut().0)
}

/// Three stages of every column.
#[inline(always)]
fn eight_rows<T: Butterfly, const N: usize>(rows: [[T; N]; EIGHT]) -> [[T; N]; EIGHT] {
    let [a, b, c, d, e, f, g, h] = rows;
    let ((a, b), (c, d), (e, f), (g, h)) = (both(a, b), both(c, d), both(e, f), both(g, h));
    let ((a, c), (b, d), (e, g), (f, h)) = (both(a, c), both(b, d), both(e, g), both(f, h));
    let ((a, e), (b, f), (c, g), (d, h)) = (both(a, e), both(b, f), both(c, g), both(d, h));
    [a, b, c, d, e, f, g, h]
}

#[inline(always)]
fn both<T: Butterfly, const N: usize>(one: [T; N], other: [T; N]) -> ([T; N], [T; N]) {
    let (mut sums, mut differences) = (one, other);
    for lane in 0..N {
        (sums[lane], differences[lane]) = one[lane].butterfly(other[lane]);
    }
    (sums, differences)
}

/// Rows of three stages.
const EIGHT: usize = 8;

/// Values of a row that are worked on at once: 32 bytes of `f64`, one register.
const LANES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_definition(values: &[i64]) -> Vec<i64> {
        (0..values.len())
            .map(|row| {
                let entry = |(column, &value): (usize, &i64)| {
                    if (row & column).count_ones() % 2 == 0 { value } else { -value }
                };
                values.iter().enumerate().map(entry).sum()
            })
            .collect()
    }

    #[test]
    fn smallest_case_by_hand() {
        let mut values = [1.0_f64, 2.0, 3.0, 4.0];
        hadamard_transform(&mut values);
        assert_eq!(values, [10.0, -2.0, -4.0, 0.0]);
    }

    #[test]
    fn twice_is_the_dimension_across_cached_blocks() {
        let original: Vec<i64> = (0..1 << 14).map(|i| (i * 7919) % 1009 - 504).collect();
        let mut values = original.clone();
        hadamard_transform(&mut values);
        assert_eq!(values[0], original.iter().sum::<i64>());
        hadamard_transform(&mut values);
        let dimension = original.len() as i64;
        assert!(values.iter().zip(&original).all(|(found, &value)| *found == value * dimension));
    }

    /// One stage after the other over the whole vector, as the first lines of this file say it.
    fn stage_by_stage<T: Butterfly>(values: &[T]) -> Vec<T> {
        let mut values = values.to_vec();
        let mut half = 1;
        while half < values.len() {
            for at in (0..values.len()).filter(|at| at & half == 0) {
                (values[at], values[at + half]) = values[at].butterfly(values[at + half]);
            }
            half *= 2;
        }
        values
    }

    /// Numbers of very different size, so that another order of additions gives other bits.
    fn wild(length: usize) -> Vec<f64> {
        let of = |i: usize| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64;
        (0..length).map(|i| (of(i) - 4.5e15) * 2_f64.powi((i * 7 % 90) as i32 - 45)).collect()
    }

    #[test]
    fn blocks_and_registers_change_no_bit() {
        for power in 0..=16 {
            let values = wild(1 << power);
            let bits =
                |values: &[f64]| -> Vec<u64> { values.iter().map(|v| v.to_bits()).collect() };
            let expected = bits(&stage_by_stage(&values));
            let (mut wide, mut plain) = (values.clone(), values.clone());
            transform_f64(&mut wide);
            transform_f64::plain(&mut plain);
            assert_eq!(bits(&wide), expected, "2^{power}");
            assert_eq!(bits(&plain), expected, "2^{power}");

            let singles: Vec<f32> = values.iter().map(|&value| value as f32).collect();
            let mut transformed = singles.clone();
            hadamard_transform(&mut transformed);
            assert!(
                stage_by_stage(&singles)
                    .iter()
                    .zip(&transformed)
                    .all(|(a, b)| a.to_bits() == b.to_bits())
            );

            let integers: Vec<i64> = values.iter().map(|value| value.to_bits() as i64).collect();
            let (mut wide, mut plain) = (integers.clone(), integers.clone());
            transform_i64(&mut wide);
            plain_i64(&mut plain);
            assert_eq!((&wide, &plain), (&stage_by_stage(&integers), &stage_by_stage(&integers)));
        }
    }

    #[test]
    fn flipping_is_negation_of_the_sign_bit() {
        assert_eq!(0.0_f64.flip(1).to_bits(), (-0.0_f64).to_bits());
        assert_eq!([1.5_f32.flip(1), (-1.5_f32).flip(1), 1.5_f32.flip(0)], [-1.5, 1.5, 1.5]);
        assert_eq!([7_i64.flip(1), (-7_i64).flip(1), 7_i64.flip(0)], [-7, 7, 7]);
    }

    #[test]
    #[should_panic(expected = "power of two")]
    fn refuses_other_lengths() {
        hadamard_transform(&mut [1.0_f32; 3]);
    }

    proptest! {
        #[test]
        fn equals_the_definition(power in 0_u32..9, seed: u64) {
            let values: Vec<i64> = (0..1_u64 << power)
                .map(|i| ((i + 1).wrapping_mul(seed | 1) >> 33) as i64 - (1 << 30))
                .collect();
            let expected = by_definition(&values);
            let mut integers = values.clone();
            hadamard_transform(&mut integers);
            prop_assert_eq!(&integers, &expected);
            let mut floats: Vec<f64> = values.iter().map(|&v| v as f64).collect();
            hadamard_transform(&mut floats);
            prop_assert!(floats.iter().zip(&expected).all(|(&f, &i)| f == i as f64));
        }
    }
}
