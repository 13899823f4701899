//! The Gaussian-equivalent line of a report: what the same cost would mean for continuous noise.
//!
//! Informative only. The exact conversion (Balle and Wang 2018; Gaussian differential privacy, Dong,
//! Roth and Su 2022) is proved for continuous Gaussian noise, and the nodes' noise is discrete, for which
//! ρ-zCDP is what is proved: budgets and certificates use [`crate::zcdp_epsilon`].
//!
//! ```text
//! δ(ε) = Φ(μ/2 - ε/μ) - e^ε·Φ(-μ/2 - ε/μ)
//! ```

use grid::Q40;

use crate::PrivacyError;
use crate::conversion::checked_delta;

/// μ = √(2ρ).
pub fn gaussian_mu(rho: Q40) -> f64 {
    (2.0 * rho.to_f64_up()).sqrt()
}

/// δ at ε of μ-Gaussian differential privacy, rounded up.
///
/// # Errors
/// [`PrivacyError::OutOfRange`] unless μ is positive and finite.
pub fn gaussian_delta(mu: f64, epsilon: f64) -> Result<f64, PrivacyError> {
    if !(mu > 0.0 && mu.is_finite()) {
        let expected = "a positive finite number";
        return Err(PrivacyError::OutOfRange { quantity: "mu", expected });
    }
    Ok(delta_at(mu, epsilon))
}

/// ε at δ of μ-Gaussian differential privacy, rounded up in the twelfth digit.
///
/// # Errors
/// [`PrivacyError::OutOfRange`] unless μ is positive and finite and 0 < δ < 1.
pub fn gaussian_epsilon(mu: f64, delta: f64) -> Result<f64, PrivacyError> {
    let delta = checked_delta(delta)?;
    if gaussian_delta(mu, 0.0)? <= delta {
        return Ok(0.0);
    }
    let (mut low, mut high) = (0.0, 1.0);
    while delta_at(mu, high) > delta {
        low = high;
        high *= 2.0;
    }
    for _ in 0..BISECTIONS {
        let middle = (low + high) / 2.0;
        if delta_at(mu, middle) > delta {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(high)
}

/// Each of the two terms is right to some units of 2^-53 times the size of what is exponentiated, an
/// error that is added before it could cancel.
fn delta_at(mu: f64, epsilon: f64) -> f64 {
    let (half, ratio) = (mu / 2.0, epsilon / mu);
    let (left, right) = (ln_normal(half - ratio), ln_normal(-half - ratio));
    let (gained, lost) = (libm::exp(left), libm::exp(epsilon + right));
    let errors = gained * (4.0 - left) + lost * (4.0 + epsilon - right);
    (gained - lost + errors * ROUNDING).clamp(0.0, 1.0)
}

/// ln Φ(x): by erfc, and by its asymptotic series (error below 10⁻¹⁴) where that underflows.
fn ln_normal(x: f64) -> f64 {
    if x > -30.0 {
        return libm::log(libm::erfc(-x / std::f64::consts::SQRT_2) / 2.0);
    }
    let inverse = 1.0 / (x * x);
    // 1 - 1/x² + 1·3/x⁴ - 1·3·5/x⁶ + ...
    let series = (0..6).rev().fold(1.0, |sum, k| 1.0 - f64::from(2 * k + 1) * inverse * sum);
    -x * x / 2.0 - libm::log(-x * (2.0 * std::f64::consts::PI).sqrt()) + libm::log(series)
}

const BISECTIONS: usize = 60;

/// Relative to the size of an exponent: four units of 2^-53 for erfc, ln, exp and their arguments.
const ROUNDING: f64 = 1e-15;

#[cfg(test)]
mod tests {
    use super::*;

    /// (z, rounds, δ, ε): the exact column of a reference made in Python with scipy.
    const REFERENCE: [(f64, f64, f64, f64); 8] = [
        (1.0, 1.0, 1e-5, 4.377178095681232),
        (1.0, 1.0, 1e-6, 4.886554117462211),
        (2.0, 1.0, 1e-6, 2.254084650219742),
        (5.0, 1.0, 1e-5, 0.7255217508578085),
        (10.0, 500.0, 1e-6, 12.595246735506741),
        (32.0, 1000.0, 1e-8, 5.700399439543069),
        (50.0, 2000.0, 1e-10, 5.795676718198303),
        (100.0, 1000.0, 1e-6, 1.3675714750843022),
    ];

    #[test]
    fn equals_the_reference() {
        for (z, rounds, delta, epsilon) in REFERENCE {
            let found = gaussian_epsilon(rounds.sqrt() / z, delta).unwrap();
            assert!((found - epsilon).abs() < 1e-6, "z {z}: {found} for {epsilon}");
        }
    }

    #[test]
    fn edges() {
        assert_eq!(gaussian_mu(Q40::from_f64_up(0.5).unwrap()), 1.0);
        assert_eq!(gaussian_epsilon(0.01, 0.5), Ok(0.0));
        assert!(gaussian_epsilon(60.0, 1e-6).unwrap() > 1800.0);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(gaussian_delta(bad, 1.0).is_err());
        }
        assert!(gaussian_epsilon(1.0, 0.0).is_err());
        // Both sides of the switch to the series.
        assert!((ln_normal(-29.999_999) - ln_normal(-30.000_001) - 6e-5).abs() < 1e-5);
    }

    #[test]
    fn zcdp_is_never_below_it() {
        for rho in [0.01, 0.1, 1.0, 10.0] {
            let rho = Q40::from_f64_up(rho).unwrap();
            let exact = gaussian_epsilon(gaussian_mu(rho), 1e-6).unwrap();
            assert!(crate::zcdp_epsilon(rho, 1e-6).unwrap() > exact);
        }
    }
}
