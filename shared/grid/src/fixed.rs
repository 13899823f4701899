//! Fixed-point numbers and ratios: how real terms are written into signed plans and ledgers.
//!
//! Signed bytes hold no floats (two machines could print, parse or round one differently). A term
//! is an integer number of 2^-32 or 2^-40 steps, or a ratio of two integers. Whoever comes from a
//! float says in which direction to round.

use crate::GridError;

/// An unsigned fixed-point number: an integer count of 2^-`FRACTION_BITS` steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fixed<const FRACTION_BITS: u32>(u64);

/// Clip, scale and rates: steps of 2^-32, below 2^32.
pub type Q32 = Fixed<32>;

/// Privacy cost ρ: steps of 2^-40, below 2^24.
pub type Q40 = Fixed<40>;

impl<const FRACTION_BITS: u32> Fixed<FRACTION_BITS> {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// The largest number of this type.
    pub const MAXIMUM: Self = Self(u64::MAX);

    /// The number of `steps` times 2^-`FRACTION_BITS`.
    pub const fn from_raw(steps: u64) -> Self {
        Self(steps)
    }

    /// The integer number of 2^-`FRACTION_BITS` steps.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The smallest number of this type that is not below `value`.
    ///
    /// # Errors
    /// [`GridError::NotRepresentable`] if `value` is negative, not finite or too large.
    pub fn from_f64_up(value: f64) -> Result<Self, GridError> {
        Self::from_steps(value, f64::ceil)
    }

    /// The largest number of this type that is not above `value`.
    ///
    /// # Errors
    /// [`GridError::NotRepresentable`] if `value` is negative, not finite or too large.
    pub fn from_f64_down(value: f64) -> Result<Self, GridError> {
        Self::from_steps(value, f64::floor)
    }

    fn from_steps(value: f64, round: fn(f64) -> f64) -> Result<Self, GridError> {
        // A product with a power of two and its rounding to an integer are both exact.
        let steps = round(value * Self::steps_per_unit());
        if value >= 0.0 && steps < TWO_TO_64 {
            Ok(Self(steps as u64))
        } else {
            Err(not_representable(value, FRACTION_BITS))
        }
    }

    /// The nearest `f64` (exact below 2^53 steps).
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / Self::steps_per_unit()
    }

    /// An `f64` not below this number, at most one `f64` step above it.
    pub fn to_f64_up(self) -> f64 {
        float_up(u128::from(self.0)) / Self::steps_per_unit()
    }

    /// An `f64` not above this number, at most one `f64` step below it.
    pub fn to_f64_down(self) -> f64 {
        float_down(u128::from(self.0)) / Self::steps_per_unit()
    }

    /// The sum, or `None` where it is too large.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` where it is negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// `times` times this number, or `None` where it is too large.
    pub fn checked_mul(self, times: u64) -> Option<Self> {
        self.0.checked_mul(times).map(Self)
    }

    /// The sum, or [`Self::MAXIMUM`] where it is too large: for costs, which must never wrap to small.
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `times` times this number, or [`Self::MAXIMUM`] where it is too large.
    pub fn saturating_mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }

    /// The difference, or zero where it is negative.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    fn steps_per_unit() -> f64 {
        (1_u64 << FRACTION_BITS) as f64
    }
}

impl<const FRACTION_BITS: u32> std::fmt::Display for Fixed<FRACTION_BITS> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.to_f64(), formatter)
    }
}

/// A non-negative rational number; σ is one, so that the sampler and the charge see the same σ.
///
/// Equal values written differently (1/2, 2/4) are different ratios: signed bytes are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ratio {
    numerator: u64,
    denominator: u64,
}

impl Ratio {
    /// `numerator / denominator`.
    ///
    /// # Errors
    /// [`GridError::ZeroDenominator`].
    pub fn new(numerator: u64, denominator: u64) -> Result<Self, GridError> {
        if denominator == 0 {
            return Err(GridError::ZeroDenominator { numerator });
        }
        Ok(Self { numerator, denominator })
    }

    /// The smallest ratio over `denominator` that is not below `value`.
    ///
    /// # Errors
    /// [`GridError::ZeroDenominator`], or [`GridError::NotRepresentable`] if `value` is negative,
    /// not finite, or too large for this denominator.
    pub fn from_f64_up(value: f64, denominator: u32) -> Result<Self, GridError> {
        let product = value * f64::from(denominator);
        // The fused operation is exact: above zero where the product was rounded down.
        let rounded_off = value.mul_add(f64::from(denominator), -product);
        let numerator = if rounded_off > 0.0 { product.next_up() } else { product }.ceil();
        if !(value >= 0.0 && numerator < TWO_TO_64) {
            return Err(not_representable(value, 0));
        }
        Self::new(numerator as u64, u64::from(denominator))
    }

    /// The number above the line.
    pub const fn numerator(self) -> u64 {
        self.numerator
    }

    /// The number below the line, at least 1.
    pub const fn denominator(self) -> u64 {
        self.denominator
    }

    /// Whether the ratio is at least the integer `value`, decided exactly.
    pub fn at_least(self, value: u64) -> bool {
        u128::from(self.numerator) >= u128::from(value) * u128::from(self.denominator)
    }

    /// Close to the ratio (two roundings to nearest).
    pub fn to_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// An `f64` not below the ratio.
    pub fn to_f64_up(self) -> f64 {
        let above = float_up(u128::from(self.numerator));
        (above / float_down(u128::from(self.denominator))).next_up()
    }

    /// An `f64` not above the ratio, and not below zero.
    pub fn to_f64_down(self) -> f64 {
        let below = float_down(u128::from(self.numerator));
        (below / float_up(u128::from(self.denominator))).next_down().max(0.0)
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.numerator, self.denominator)
    }
}

pub(crate) fn not_representable(value: f64, fraction_bits: u32) -> GridError {
    let found = match value {
        value if value.is_nan() => "NaN",
        value if value < 0.0 => "a negative number",
        _ => "a number too large",
    };
    GridError::NotRepresentable { found, fraction_bits }
}

/// An `f64` not below `value`.
fn float_up(value: u128) -> f64 {
    let nearest = value as f64;
    if (nearest as u128) < value { nearest.next_up() } else { nearest }
}

/// An `f64` not above `value`.
fn float_down(value: u128) -> f64 {
    let nearest = value as f64;
    if nearest as u128 > value { nearest.next_down() } else { nearest }
}

const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

#[cfg(test)]
mod tests {
    use super::*;
    use dashu::rational::RBig;
    use proptest::prelude::*;

    fn exact(value: f64) -> RBig {
        RBig::try_from(value).unwrap()
    }

    #[test]
    fn known_values() {
        assert_eq!(Q32::from_f64_up(1.0).unwrap().raw(), 1 << 32);
        assert_eq!(Q40::from_f64_down(1.0).unwrap().raw(), 1 << 40);
        assert_eq!(Q32::from_f64_up(0.1).unwrap().raw(), 429_496_730);
        assert_eq!(Q32::from_f64_down(0.1).unwrap().raw(), 429_496_729);
        assert_eq!(Q32::from_f64_up(f64::from_bits(1)).unwrap().raw(), 1);
        assert_eq!(Q32::from_f64_down(f64::from_bits(1)).unwrap().raw(), 0);
        assert_eq!(Ratio::from_f64_up(2.01, 8).unwrap(), Ratio::new(17, 8).unwrap());
        assert_eq!(Ratio::from_f64_up(2.0, 5).unwrap(), Ratio::new(10, 5).unwrap());
        assert_eq!(Ratio::from_f64_up(0.1, 10).unwrap(), Ratio::new(2, 10).unwrap());
        assert_eq!(Ratio::from_f64_up(2.0, 8).unwrap(), Ratio::new(16, 8).unwrap());
    }

    #[test]
    fn refuses_what_it_cannot_hold() {
        for bad in [-1.0, -f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, 4_294_967_296.0] {
            assert!(Q32::from_f64_up(bad).is_err(), "{bad}");
            assert!(Q32::from_f64_down(bad).is_err(), "{bad}");
        }
        assert!(Ratio::new(3, 0).is_err());
        assert!(Ratio::from_f64_up(1e300, 8).is_err());
        assert!(Ratio::from_f64_up(f64::NAN, 8).is_err());
    }

    #[test]
    fn costs_saturate_upwards_only() {
        assert_eq!(Q40::MAXIMUM.checked_add(Q40::from_raw(1)), None);
        assert_eq!(Q40::MAXIMUM.saturating_add(Q40::from_raw(1)), Q40::MAXIMUM);
        assert_eq!(Q40::from_raw(1 << 40).saturating_mul(1 << 40), Q40::MAXIMUM);
        assert_eq!(Q40::ZERO.checked_sub(Q40::from_raw(1)), None);
        assert_eq!(Q40::ZERO.saturating_sub(Q40::from_raw(1)), Q40::ZERO);
    }

    #[test]
    fn at_least_is_exact() {
        assert!(Ratio::new(16, 8).unwrap().at_least(2));
        assert!(!Ratio::new(15, 8).unwrap().at_least(2));
        assert!(!Ratio::new(2 * (u64::MAX / 2) - 1, u64::MAX / 2).unwrap().at_least(2));
    }

    proptest! {
        #[test]
        fn conversions_round_outwards(value in 0.0..4e9_f64, raw: u64) {
            let up = Q32::from_f64_up(value).unwrap();
            let down = Q32::from_f64_down(value).unwrap();
            let unit = RBig::from(1_u64 << 32);
            prop_assert!(RBig::from(up.raw()) >= exact(value) * &unit);
            prop_assert!(RBig::from(down.raw()) <= exact(value) * &unit);
            prop_assert!(up.raw() - down.raw() <= 1);

            let fixed = Q32::from_raw(raw);
            prop_assert!(exact(fixed.to_f64_up()) * &unit >= RBig::from(raw));
            prop_assert!(exact(fixed.to_f64_down()) * &unit <= RBig::from(raw));
            prop_assert!(fixed.to_f64_up() - fixed.to_f64_down() <= fixed.to_f64() * 1e-15);
        }

        #[test]
        fn ratios_round_outwards(numerator: u64, denominator in 1..u64::MAX, value in 0.0..1e6_f64, small in 1..1000_u32) {
            let ratio = Ratio::new(numerator, denominator).unwrap();
            let truth = RBig::from_parts(numerator.into(), denominator.into());
            prop_assert!(exact(ratio.to_f64_up()) >= truth);
            prop_assert!(exact(ratio.to_f64_down()) <= truth);

            let up = Ratio::from_f64_up(value, small).unwrap();
            prop_assert!(RBig::from_parts(up.numerator().into(), small.into()) >= exact(value));
            let below = RBig::from_parts(up.numerator().into(), small.into()) - RBig::from_parts(1.into(), small.into());
            prop_assert!(below < exact(value));
        }
    }
}
