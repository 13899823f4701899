//! From zero-concentrated differential privacy to (ε, δ) and back, tightly.
//!
//! CKS20, Proposition 7: a ρ-zCDP mechanism is (ε, δ)-DP for
//!
//! ```text
//! δ = inf_{α>1}  exp((α-1)(αρ-ε)) / (α-1) · (1-1/α)^α
//! ε = inf_{α>1}  αρ + ( ln(1/(αδ)) + (α-1)·ln(1-1/α) ) / (α-1)
//! ```
//!
//! Each α gives a valid statement by itself, so a search that misses the best one errs on the safe
//! side; so does every rounding. Everything is written in `b = α - 1`, where nothing cancels:
//! `ln α = ln(1+b)`, `ln(1-1/α) = -ln(1+1/b)`.

use grid::Q40;

use crate::PrivacyError;

/// The least ε for which ρ-zCDP implies (ε, `delta`)-DP, rounded up. Infinite at [`Q40::MAXIMUM`],
/// which stands for every ρ beyond it.
///
/// # Errors
/// [`PrivacyError::OutOfRange`] unless 0 < δ < 1.
pub fn zcdp_epsilon(rho: Q40, delta: f64) -> Result<f64, PrivacyError> {
    checked_delta(delta)?;
    if rho == Q40::MAXIMUM {
        return Ok(f64::INFINITY);
    }
    Ok(epsilon_of_rho(rho.to_f64_up(), delta))
}

/// The same for any finite ρ of at least 0, and a checked δ.
pub(crate) fn epsilon_of_rho(rho: f64, delta: f64) -> f64 {
    if rho == 0.0 {
        return 0.0;
    }
    least(|b| epsilon_at_order(b, (1.0 + b) * rho, delta)).max(0.0)
}

/// The ε at order 1 + `b` of a mechanism of Rényi divergence `divergence` at that order (CKS20,
/// Proposition 12), rounded up; it may be negative, which means 0.
pub(crate) fn epsilon_at_order(b: f64, divergence: f64, delta: f64) -> f64 {
    let ln_delta = libm::log(delta);
    sum_above(&[divergence, -libm::log1p(b) / b, -ln_delta / b, -libm::log1p(1.0 / b)])
}

/// The least δ for which ρ-zCDP implies (`epsilon`, δ)-DP, rounded up, at most 1.
///
/// # Errors
/// [`PrivacyError::OutOfRange`] unless ε is finite and not negative.
pub fn zcdp_delta(rho: Q40, epsilon: f64) -> Result<f64, PrivacyError> {
    if !(epsilon >= 0.0 && epsilon.is_finite()) {
        let expected = "a finite number of at least 0";
        return Err(PrivacyError::OutOfRange { quantity: "epsilon", expected });
    }
    if rho == Q40::ZERO || rho == Q40::MAXIMUM {
        return Ok(if rho == Q40::ZERO { 0.0 } else { 1.0 });
    }
    let rho = rho.to_f64_up();
    let ln_delta = |b: f64| {
        let a = 1.0 + b;
        sum_above(&[b * a * rho, -b * epsilon, -libm::log(b), -a * libm::log1p(1.0 / b)])
    };
    Ok((libm::exp(least(ln_delta)) * (1.0 + RELATIVE_ERROR)).min(1.0))
}

/// The largest ρ for which ρ-zCDP implies (`epsilon`, `delta`)-DP, rounded down.
///
/// # Errors
/// [`PrivacyError::OutOfRange`] unless ε is positive and below 10⁶, and 0 < δ < 1.
pub fn zcdp_rho(epsilon: f64, delta: f64) -> Result<Q40, PrivacyError> {
    let ln_delta = libm::log(checked_delta(delta)?);
    if !(epsilon > 0.0 && epsilon < 1e6) {
        let expected = "a number above 0 and below 1000000";
        return Err(PrivacyError::OutOfRange { quantity: "epsilon", expected });
    }
    // The formula for ε, solved for ρ; negated, because it is a supremum.
    let minus_rho = |b: f64| {
        let terms = [-epsilon, -libm::log1p(b) / b, -ln_delta / b, -libm::log1p(1.0 / b)];
        sum_above(&terms) / (1.0 + b)
    };
    let rho = -least(minus_rho) * (1.0 - RELATIVE_ERROR);
    Ok(Q40::from_f64_down(rho.max(0.0)).unwrap_or(Q40::MAXIMUM))
}

pub(crate) fn checked_delta(delta: f64) -> Result<f64, PrivacyError> {
    if delta > 0.0 && delta < 1.0 {
        return Ok(delta);
    }
    Err(PrivacyError::OutOfRange { quantity: "delta", expected: "a number between 0 and 1" })
}

/// The sum, not below the true sum of terms that are each right to a few units in the last place.
fn sum_above(terms: &[f64]) -> f64 {
    let size: f64 = terms.iter().map(|term| term.abs()).sum();
    terms.iter().sum::<f64>() + size * RELATIVE_ERROR
}

/// The least value that a search over `b` from 10⁻⁹ to 10¹³ finds: a scan of its logarithm, then a
/// golden-section search around the best point.
fn least(of: impl Fn(f64) -> f64) -> f64 {
    let at = |position: f64| of(libm::exp(position));
    let step = (LARGEST_LN - SMALLEST_LN) / SCANNED as f64;
    let scanned = (0..=SCANNED).map(|index| SMALLEST_LN + index as f64 * step);
    let best = scanned.min_by(|&a, &b| at(a).total_cmp(&at(b))).expect("a scan of many points");
    let (mut low, mut high) = (best - step, best + step);
    for _ in 0..GOLDEN_STEPS {
        let inner = (high - low) * GOLDEN;
        let (left, right) = (high - inner, low + inner);
        if at(left) < at(right) {
            high = right;
        } else {
            low = left;
        }
    }
    at((low + high) / 2.0).min(at(best))
}

const SMALLEST_LN: f64 = -20.7;
const LARGEST_LN: f64 = 29.9;
const SCANNED: u32 = 200;
const GOLDEN: f64 = 0.618_033_988_749_894_9;
const GOLDEN_STEPS: usize = 60;

/// More than the error of a term here: some units of 2^-53.
const RELATIVE_ERROR: f64 = 4e-15;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rho(value: f64) -> Q40 {
        Q40::from_f64_up(value).unwrap()
    }

    /// (ρ, δ, ε): the tight zCDP column of a reference made in Python with dp_accounting and scipy.
    const REFERENCE: [(f64, f64, f64); 13] = [
        (0.5, 1e-5, 4.728386984943314),
        (0.5, 1e-6, 5.221534444530169),
        (0.125, 1e-6, 2.419093176867195),
        (0.3125, 1e-6, 4.010280776192016),
        (0.02, 1e-5, 0.7943147742740684),
        (0.78125, 1e-6, 6.73420129229814),
        (2.5, 1e-6, 13.373652252807673),
        (0.9765625, 1e-6, 7.660076204354659),
        (1.25, 1e-6, 8.845889348462379),
        (0.48828125, 1e-8, 6.006707828664837),
        (0.4, 1e-10, 6.055684554929963),
        (0.05, 1e-6, 1.4715947505324158),
        (0.15, 1e-10, 3.5738),
    ];

    #[test]
    fn equals_the_reference() {
        for (value, delta, epsilon) in REFERENCE {
            let found = zcdp_epsilon(rho(value), delta).unwrap();
            let digits = if epsilon == 3.5738 { 5e-5 } else { 1e-9 };
            assert!((found - epsilon).abs() < digits, "ρ {value}: {found} for {epsilon}");
        }
    }

    /// CKS20 by 40-digit arithmetic, δ = 1e-6 and 1e-5.
    #[test]
    fn rho_for_a_target_equals_the_reference() {
        let wanted = [
            (1.0, 0.024356, 0.030557),
            (2.0, 0.088153, 0.108256),
            (4.0, 0.311065, 0.373144),
            (8.0, 1.052358, 1.229715),
            (10.0, 1.539279, 1.782696),
            (16.0, 3.350465, 3.806539),
        ];
        for (epsilon, at_six, at_five) in wanted {
            for (delta, expected) in [(1e-6, at_six), (1e-5, at_five)] {
                let found = zcdp_rho(epsilon, delta).unwrap().to_f64();
                assert!((found - expected).abs() < 1e-6, "ε {epsilon}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn edges() {
        assert_eq!(zcdp_epsilon(Q40::ZERO, 1e-6), Ok(0.0));
        assert_eq!(zcdp_epsilon(Q40::MAXIMUM, 1e-6), Ok(f64::INFINITY));
        assert_eq!(zcdp_delta(Q40::ZERO, 0.0), Ok(0.0));
        assert_eq!(zcdp_delta(Q40::MAXIMUM, 1e9), Ok(1.0));
        assert_eq!(zcdp_delta(rho(100.0), 0.0), Ok(1.0));
        for bad in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(zcdp_epsilon(rho(1.0), bad).is_err());
            assert!(zcdp_rho(1.0, bad).is_err());
        }
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(zcdp_rho(bad, 1e-6).is_err());
        }
        assert!(zcdp_delta(rho(1.0), f64::NAN).is_err());
        assert!(zcdp_epsilon(Q40::from_raw(1), 1e-6).unwrap() < 1e-4);
    }

    proptest! {
        #[test]
        fn no_order_does_better_than_what_is_found(
            value in 1e-9..100.0_f64, ln_delta in -40.0..-2.0_f64, ln_b in -12.0..15.0_f64
        ) {
            let (delta, b) = (ln_delta.exp(), ln_b.exp());
            let found = zcdp_epsilon(rho(value), delta).unwrap();
            let alpha = 1.0 + b;
            let any = alpha * value
                + ((1.0 / (alpha * delta)).ln() + b * (-1.0 / alpha).ln_1p()) / b;
            prop_assert!(found <= any.max(0.0) + 1e-9 * any.abs().max(1.0));
        }

        #[test]
        fn the_three_agree_and_round_outwards(epsilon in 0.01..60.0_f64, ln_delta in -40.0..-2.0_f64) {
            let delta = ln_delta.exp();
            let largest = zcdp_rho(epsilon, delta).unwrap();
            prop_assert!(zcdp_epsilon(largest, delta).unwrap() <= epsilon * (1.0 + 1e-12));
            prop_assert!(zcdp_delta(largest, epsilon).unwrap() <= delta * (1.0 + 1e-9));
            let more = Q40::from_f64_up(largest.to_f64() * (1.0 + 1e-6) + 1e-11).unwrap();
            prop_assert!(zcdp_epsilon(more, delta).unwrap() > epsilon);
            prop_assert!(zcdp_delta(more, epsilon).unwrap() > delta);
        }

        #[test]
        fn tighter_than_the_textbook_formula(value in 1e-6..50.0_f64, ln_delta in -40.0..-2.0_f64) {
            let naive = value + 2.0 * (value * -ln_delta).sqrt();
            prop_assert!(zcdp_epsilon(rho(value), ln_delta.exp()).unwrap() <= naive);
        }
    }
}
