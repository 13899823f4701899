//! Step 1: no update is longer than the clip.

use grid::Q32;
use zeroize::Zeroizing;

use crate::PrivacyError;

/// A private update whose exact L2 norm is at most the clip. Still private: only the owner's device
/// holds one.
pub struct Clipped {
    values: Zeroizing<Vec<f32>>,
    clip: Q32,
}

impl Clipped {
    /// Scales `update` (parameter units) down so that its L2 norm is at most `clip`.
    ///
    /// The norm is computed in `f64` and every rounding goes towards a smaller result, so the bound
    /// holds for the real numbers, not only for computed ones. An update that is shorter already is kept.
    ///
    /// # Errors
    /// [`PrivacyError::NotFinite`], [`PrivacyError::ZeroClip`].
    pub fn new(update: &[f32], clip: Q32) -> Result<Self, PrivacyError> {
        if clip == Q32::ZERO {
            return Err(PrivacyError::ZeroClip);
        }
        // One pass that does not branch; which one is wrong matters only where one is.
        if !update.iter().fold(true, |all, value| all & value.is_finite()) {
            let index = update.iter().position(|value| !value.is_finite()).unwrap_or_default();
            return Err(PrivacyError::NotFinite { index });
        }
        let mut values = Zeroizing::new(update.to_vec());
        let (norm, limit) = (norm_above(update), clip.to_f64_down());
        if norm > limit {
            let factor = limit / norm * (1.0 - ROUNDING);
            values.iter_mut().for_each(|value| *value = scaled_towards_zero(*value, factor));
        }
        Ok(Self { values, clip })
    }

    /// An update of nothing but zeros: what a node contributes whose training gave no numbers. Whether it
    /// did is decided by private text, and must not show in whether the node takes part.
    ///
    /// # Errors
    /// [`PrivacyError::ZeroClip`].
    pub fn zeros(dimension: usize, clip: Q32) -> Result<Self, PrivacyError> {
        Self::new(&vec![0.0; dimension], clip)
    }

    /// Coordinates.
    pub fn dimension(&self) -> usize {
        self.values.len()
    }

    /// The clip that was applied, in parameter units.
    pub fn clip(&self) -> Q32 {
        self.clip
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }
}

impl std::fmt::Debug for Clipped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Clipped({} coordinates)", self.values.len())
    }
}

/// An upper bound on the L2 norm. A square of an `f32` is exact in `f64`; each of the additions, all of
/// them of positive numbers, errs by at most 2^-53 of the sum (Higham, *Accuracy and Stability*, 4.2).
fn norm_above(values: &[f32]) -> f64 {
    let squares: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    let error = values.len() as f64 * 2.0 * f64::EPSILON;
    (squares * (1.0 + error)).sqrt() * (1.0 + ROUNDING)
}

/// `value · factor` for a factor below 1, rounded towards zero.
fn scaled_towards_zero(value: f32, factor: f64) -> f32 {
    let exact = f64::from(value) * factor;
    let nearest = exact as f32;
    // A smaller magnitude has the next smaller bit pattern, whatever the sign.
    let is_larger = f64::from(nearest).abs() > exact.abs();
    f32::from_bits(nearest.to_bits().wrapping_sub(u32::from(is_larger)))
}

/// More than a few roundings of `f64`, less than one of `f32`.
const ROUNDING: f64 = 8.0 * f64::EPSILON;

#[cfg(test)]
mod tests {
    use super::*;
    use dashu::rational::RBig;
    use proptest::prelude::*;

    fn clip(value: f64) -> Q32 {
        Q32::from_f64_up(value).unwrap()
    }

    /// Whether the norm is at most the clip, in exact rationals.
    fn holds(clipped: &Clipped) -> bool {
        let square = |&value: &f32| RBig::try_from(value).unwrap().sqr();
        let squares: RBig = clipped.values().iter().map(square).fold(RBig::ZERO, |a, b| a + b);
        let limit = RBig::from_parts(clipped.clip().raw().into(), (1_u64 << 32).into());
        squares <= limit.sqr()
    }

    #[test]
    fn by_hand() {
        let short = Clipped::new(&[0.3, -0.4], clip(1.0)).unwrap();
        assert_eq!(short.values(), [0.3, -0.4]);
        let long = Clipped::new(&[30.0, -40.0], clip(1.0)).unwrap();
        assert!(long.values().iter().zip([0.6, -0.8]).all(|(a, b)| (a - b).abs() < 1e-6));
        assert_eq!(Clipped::new(&[0.0; 3], clip(1.0)).unwrap().values(), [0.0; 3]);
        assert_eq!(Clipped::zeros(3, clip(1.0)).unwrap().values(), [0.0; 3]);
    }

    #[test]
    fn refuses_what_is_no_update() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = Clipped::new(&[0.0, bad], clip(1.0)).unwrap_err();
            assert_eq!(error, PrivacyError::NotFinite { index: 1 });
        }
        assert_eq!(Clipped::new(&[1.0], Q32::ZERO).unwrap_err(), PrivacyError::ZeroClip);
    }

    #[test]
    fn the_largest_floats_are_clipped_too() {
        let clipped = Clipped::new(&[f32::MAX, -f32::MAX, f32::MIN_POSITIVE], clip(0.01)).unwrap();
        assert!(holds(&clipped));
        assert!(clipped.values()[0] > 0.007);
    }

    #[test]
    fn debug_shows_no_values() {
        let clipped = Clipped::new(&[0.125], clip(1.0)).unwrap();
        assert_eq!(format!("{clipped:?}"), "Clipped(1 coordinates)");
    }

    proptest! {
        #[test]
        fn the_exact_norm_never_exceeds_the_clip_and_little_is_lost(
            values in prop::collection::vec(-1e3_f32..1e3, 1..200), limit in 1e-3..100.0_f64
        ) {
            let clipped = Clipped::new(&values, clip(limit)).unwrap();
            prop_assert!(holds(&clipped));
            let norm = |v: &[f32]| v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            let wanted = norm(&values).min(limit);
            prop_assert!(norm(clipped.values()) > wanted * (1.0 - 1e-6));
        }

        #[test]
        fn updates_on_the_edge_of_the_clip_hold(values in prop::collection::vec(any::<i8>(), 1..40)) {
            let values: Vec<f32> = values.iter().map(|&v| f32::from(v) / 127.0).collect();
            let norm = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            prop_assume!(norm > 0.0);
            let down = Q32::from_f64_down(norm).unwrap();
            for edge in [down, clip(norm)] {
                prop_assert!(holds(&Clipped::new(&values, edge).unwrap()));
            }
        }
    }
}
