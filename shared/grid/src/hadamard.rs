//! The fast Walsh–Hadamard transform, unnormalised: `H[i][j] = (-1)^popcount(i & j)`, `H·H = d'·I`.
//!
//! The order of additions is fixed, so floats give the same bits on every machine, and integers are
//! exact.

/// A number that the transform can add and subtract.
pub trait Butterfly: Copy {
    /// `(self + other, self - other)`.
    fn butterfly(self, other: Self) -> (Self, Self);
}

macro_rules! float_butterfly {
    ($($number:ty),*) => {$(
        impl Butterfly for $number {
            #[inline(always)]
            fn butterfly(self, other: Self) -> (Self, Self) {
                (self + other, self - other)
            }
        }
    )*};
}
float_butterfly!(f32, f64);

/// Wraps: a caller that wants exact results keeps `length · max|value|` below 2^63.
impl Butterfly for i64 {
    #[inline(always)]
    fn butterfly(self, other: Self) -> (Self, Self) {
        (self.wrapping_add(other), self.wrapping_sub(other))
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
    transform(values);
}

/// Halves first, so that a block is finished while it is in the cache.
fn transform<T: Butterfly>(values: &mut [T]) {
    if values.len() > CACHED_BLOCK {
        let (low, high) = values.split_at_mut(values.len() / 2);
        transform(low);
        transform(high);
        combine(low, high);
        return;
    }
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            combine(low, high);
        }
        half *= 2;
    }
}

#[inline(always)]
fn combine<T: Butterfly>(low: &mut [T], high: &mut [T]) {
    for (a, b) in low.iter_mut().zip(high) {
        (*a, *b) = a.butterfly(*b);
    }
}

/// Values per block: 32 kB of `f64`.
const CACHED_BLOCK: usize = 4096;

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
        let original: Vec<i64> =
            (0..4 * CACHED_BLOCK as i64).map(|i| (i * 7919) % 1009 - 504).collect();
        let mut values = original.clone();
        hadamard_transform(&mut values);
        assert_eq!(values[0], original.iter().sum::<i64>());
        hadamard_transform(&mut values);
        let dimension = original.len() as i64;
        assert!(values.iter().zip(&original).all(|(found, &value)| *found == value * dimension));
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
