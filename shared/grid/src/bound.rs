//! The one bound on the norm of a clipped, rotated and rounded vector.

use crate::rotation::{MAXIMUM_DIMENSION, MINIMUM_DIMENSION};
use crate::{GridError, Q32};

/// The squared sensitivity D2² in grid units: an integer that the squared norm of every quantised
/// update is checked against, never below the true bound.
///
/// KLS21, Proposition 22, with `c = clip·scale`, `d' = padded` and β = e^(-1/2), so that
/// `√(2·ln(1/β)) = 1`:
///
/// ```text
/// D2² = min{ (c + √d')²,  c² + d'/4 + c + √d'/2 }
/// ```
///
/// The second is the smaller one for every c ≥ 0 and d' ≥ 4 (their difference is
/// `c·(2√d' - 1) + (3d' - 2√d')/4 > 0`), so that it alone is computed. It is the smallest integer not
/// below it: `c` is taken exactly (2^-64 steps), and only where `√d'` is irrational is it rounded,
/// upwards, by less than 2^-48.
///
/// # Errors
/// [`GridError::Dimension`] if `padded` is no padded dimension; [`GridError::NormTooLarge`] if
/// `c ≥ 2^48`.
pub fn squared_norm_bound(clip: Q32, scale: Q32, padded: usize) -> Result<u128, GridError> {
    if !padded.is_power_of_two() || !(MINIMUM_DIMENSION..=MAXIMUM_DIMENSION).contains(&padded) {
        return Err(GridError::Dimension { dimension: padded });
    }
    let norm = u128::from(clip.raw()) * u128::from(scale.raw());
    let whole = norm >> 64;
    let fraction = norm & LOW_64;
    if whole >> NORM_BITS != 0 {
        let exponent = whole.ilog2();
        return Err(GridError::NormTooLarge { exponent });
    }
    // c² + c + √d'/2 = whole² + whole + ⌊√d'/2⌋-part + steps·2^-64, with c = whole + fraction·2^-64.
    let square = fraction * fraction;
    let (half_root, half_root_steps) = half_root(padded);
    let steps = 2 * whole * fraction
        + fraction
        + (square >> 64)
        + u128::from(square & LOW_64 != 0)
        + half_root_steps;
    let integer = whole * whole + whole + padded as u128 / 4 + half_root;
    Ok(integer + ((steps + LOW_64) >> 64))
}

/// `√padded / 2` as an integer and 2^-64 steps, rounded up.
fn half_root(padded: usize) -> (u128, u128) {
    let power = padded.ilog2();
    if power.is_multiple_of(2) {
        (1 << (power / 2 - 1), 0)
    } else {
        (0, ROOT_OF_TWO_UP << ((power - 3) / 2))
    }
}

/// ⌈√2 · 2^64⌉.
const ROOT_OF_TWO_UP: u128 = 26_087_635_650_665_564_425;
const LOW_64: u128 = u64::MAX as u128;
const NORM_BITS: u32 = 48;

#[cfg(test)]
mod tests {
    use super::*;
    use dashu::rational::RBig;
    use proptest::prelude::*;

    fn bound(clip: f64, scale: f64, padded: usize) -> u128 {
        let clip = Q32::from_f64_up(clip).unwrap();
        squared_norm_bound(clip, Q32::from_f64_up(scale).unwrap(), padded).unwrap()
    }

    #[test]
    fn by_hand() {
        assert_eq!(bound(0.0, 1.0, 4), 2);
        assert_eq!(bound(1.0, 10.0, 4), 100 + 1 + 10 + 1);
        assert_eq!(bound(1.0, 10.0, 16), 100 + 4 + 10 + 2);
        // √8/2 = 1.414…: rounded up.
        assert_eq!(bound(1.0, 10.0, 8), 100 + 2 + 10 + 2);
        // c = 1.5: 2.25 + 1 + 1.5 + 1 = 5.75.
        assert_eq!(bound(1.5, 1.0, 4), 6);
        assert_eq!(bound(1.0, 1684.0, 1 << 20), 1684 * 1684 + (1 << 18) + 1684 + 512);
    }

    #[test]
    fn the_last_bit_counts() {
        // c = 0x9e37…7c16 · 2^-64 is just above the golden ratio's root of c² + c = 1, by less than 2^-64.
        let (clip, scale) = (Q32::from_raw(1), Q32::from_raw(11_400_714_819_323_198_486));
        assert_eq!(squared_norm_bound(clip, scale, 4), Ok(2 + 1 + 1));
        let root = RBig::from(ROOT_OF_TWO_UP);
        let wanted = RBig::from(1_u128 << 127) * RBig::from(4);
        assert!(root.sqr() >= wanted && (root - RBig::ONE).sqr() < wanted);
    }

    #[test]
    fn refuses_what_is_outside() {
        let one = Q32::from_f64_up(1.0).unwrap();
        for padded in [0, 1, 2, 3, 12, MAXIMUM_DIMENSION * 2] {
            assert!(squared_norm_bound(one, one, padded).is_err(), "{padded}");
        }
        let edge = Q32::from_raw(1 << 56);
        assert_eq!(
            squared_norm_bound(edge, edge, 4),
            Err(GridError::NormTooLarge { exponent: 48 })
        );
        assert!(squared_norm_bound(Q32::from_raw((1 << 56) - 1), edge, MAXIMUM_DIMENSION).is_ok());
        assert!(squared_norm_bound(Q32::MAXIMUM, Q32::MAXIMUM, 4).is_err());
    }

    /// Whether `candidate ≥ c² + c + d'/4 + √d'/2`, in exact rationals.
    fn holds(candidate: u128, clip: u64, scale: u64, padded: usize) -> bool {
        let unit = RBig::from(1_u128 << 64);
        let norm = RBig::from(u128::from(clip) * u128::from(scale)) / unit;
        let quarter = RBig::from(padded as u128 / 4);
        let rest = RBig::from(candidate) - norm.sqr() - norm - &quarter;
        rest >= RBig::ZERO && rest.sqr() >= quarter
    }

    proptest! {
        #[test]
        fn is_the_smallest_integer_not_below_the_truth(
            clip_bits in 0_u32..=56, clip: u64, scale_bits in 0_u32..=56, scale: u64, power in 2_u32..=30
        ) {
            let clip = clip >> (64 - clip_bits.max(1));
            let scale = scale >> (64 - scale_bits.max(1));
            let padded = 1 << power;
            let found = squared_norm_bound(Q32::from_raw(clip), Q32::from_raw(scale), padded).unwrap();
            prop_assert!(holds(found, clip, scale, padded));
            prop_assert!(!holds(found - 1, clip, scale, padded));
        }

        #[test]
        fn the_other_bound_of_the_paper_is_never_smaller(norm in 0.0..1e9_f64, power in 2..=30) {
            let root = 2_f64.powi(power).sqrt();
            let second = norm * norm + root * root / 4.0 + norm + root / 2.0;
            prop_assert!((norm + root).powi(2) >= second);
        }

        #[test]
        fn rises_with_every_term(clip in 1_u64..1 << 40, scale in 1_u64..1 << 40, power in 2_u32..29) {
            let of = |clip, scale, power: u32| {
                squared_norm_bound(Q32::from_raw(clip), Q32::from_raw(scale), 1 << power).unwrap()
            };
            let base = of(clip, scale, power);
            prop_assert!(of(clip + 1, scale, power) >= base);
            prop_assert!(of(clip, scale + 1, power) >= base);
            prop_assert!(of(clip, scale, power + 1) > base);
        }
    }
}
