//! What a release costs: ρ of zero-concentrated differential privacy, from terms of integers.

use grid::{Q32, Q40, Ratio};
use opendp::domains::{AtomDomain, VectorDomain};
use opendp::measurements::make_gaussian;
use opendp::measures::ZeroConcentratedDivergence;
use opendp::metrics::L2Distance;
use wire::{PlanHash, Round, TaskId};

use crate::PrivacyError;

/// The least σ of one node in grid units: from 2 on, a sum of discrete Gaussians is so close to one that
/// the difference (τ·d' below 10⁻¹⁰ at 2^20 coordinates) does not show in the charge.
pub const SIGMA_MINIMUM: u64 = 2;

/// Everything that the cost of one contribution follows from, and which contribution it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeTerms {
    /// Which task.
    pub task: TaskId,
    /// Which round of it.
    pub round: Round,
    /// The plan that fixes these terms.
    pub plan: PlanHash,
    /// D2² in squared grid units, as [`crate::Grid::squared_norm_bound`] computes it.
    pub squared_norm_bound: u128,
    /// The noise of every node, in grid units: a discrete Gaussian of standard deviation σ.
    pub sigma: Ratio,
    /// How many honest noise shares the sum is sure to hold (n_honest), this node's own included.
    pub honest: u32,
    /// Coordinates after padding, d'.
    pub padded: u32,
}

impl ChargeTerms {
    /// ρ of the sum of `honest` shares, rounded up; [`Q40::MAXIMUM`] where it is larger than that.
    ///
    /// The larger one of two bounds. The first is opendp's map of one discrete Gaussian at D2 and
    /// √honest·σ. The second knows that a *sum* of discrete Gaussians is not quite one (KLS21, Theorem 1,
    /// in the form of TensorFlow Federated's accountant): with `l2 = D2/(√n·σ)`, `l1 = D1/(√n·σ)`,
    /// `D1 = min(√d'·D2, D2²)` and `τ = 10·Σ_{k<n} exp(-2π²σ²·k/(k+1))`,
    ///
    /// ```text
    /// ρ = min{ l2²/2 + τ·d',  (l2² + 2·l1·τ + τ²·d')/2,  (l2 + τ·√d')²/2 }
    /// ```
    ///
    /// The same on every machine, bit for bit: IEEE operations and the `libm` crate only.
    ///
    /// # Errors
    /// [`PrivacyError::SigmaTooSmall`] below [`SIGMA_MINIMUM`], [`PrivacyError::NoHonestNoise`].
    pub fn rho(&self) -> Result<Q40, PrivacyError> {
        self.rho_against(self.honest)
    }

    /// ρ for an adversary who knows the noise of all but `honest` of the contributors (all it colludes
    /// with): what the report's line for that adversary says. `1` is "I am alone".
    ///
    /// # Errors
    /// As [`ChargeTerms::rho`].
    pub fn rho_against(&self, honest: u32) -> Result<Q40, PrivacyError> {
        let sum = self.noise_of(honest)?;
        let rho = sum.rho_of_one_gaussian().max(sum.rho_of_many());
        Ok(Q40::from_f64_up(rho).unwrap_or(Q40::MAXIMUM))
    }

    /// opendp's own map of one discrete Gaussian at D2 and √honest·σ, the first of the two bounds of
    /// [`ChargeTerms::rho`]: a judge for an audit that does not believe this crate's formulas.
    ///
    /// # Errors
    /// As [`ChargeTerms::rho`].
    pub fn rho_by_opendp(&self) -> Result<f64, PrivacyError> {
        Ok(self.noise_of(self.honest)?.rho_of_one_gaussian())
    }

    fn noise_of(&self, honest: u32) -> Result<NoiseSum, PrivacyError> {
        if !self.sigma.at_least(SIGMA_MINIMUM) {
            return Err(PrivacyError::SigmaTooSmall { sigma: self.sigma });
        }
        if honest == 0 {
            return Err(PrivacyError::NoHonestNoise);
        }
        Ok(NoiseSum {
            squared_norm_bound: self.squared_norm_bound,
            sigma: self.sigma.to_f64_down(),
            honest,
            padded: self.padded,
        })
    }
}

/// The least σ (grid units, over 8) of one node that gives the sum of `honest` shares a noise multiplier
/// of `noise_multiplier`: `max(2, z·D2/√honest)`, rounded up.
///
/// # Errors
/// [`PrivacyError::NoHonestNoise`]; [`PrivacyError::Grid`] if the result is beyond all numbers.
pub fn sigma_for(
    noise_multiplier: Q32,
    squared_norm_bound: u128,
    honest: u32,
) -> Result<Ratio, PrivacyError> {
    if honest == 0 {
        return Err(PrivacyError::NoHonestNoise);
    }
    let wanted = noise_multiplier.to_f64_up() * root_above(squared_norm_bound)
        / f64::from(honest).sqrt().next_down();
    let sigma = (wanted * ABOVE).max(SIGMA_MINIMUM as f64);
    Ok(Ratio::from_f64_up(sigma, SIGMA_DENOMINATOR)?)
}

/// The noise that protects a sum.
struct NoiseSum {
    squared_norm_bound: u128,
    sigma: f64,
    honest: u32,
    padded: u32,
}

impl NoiseSum {
    /// √honest·σ, not above the truth.
    fn sigma_of_sum(&self) -> f64 {
        (f64::from(self.honest).sqrt().next_down() * self.sigma).next_down()
    }

    fn rho_of_one_gaussian(&self) -> f64 {
        let domain = VectorDomain::new(AtomDomain::<i64>::default());
        let metric = L2Distance::<f64>::default();
        make_gaussian::<_, _, ZeroConcentratedDivergence>(domain, metric, self.sigma_of_sum(), None)
            .and_then(|mechanism| mechanism.map(&root_above(self.squared_norm_bound)))
            .unwrap_or(f64::INFINITY)
    }

    fn rho_of_many(&self) -> f64 {
        let (d, sigma) = (f64::from(self.padded), self.sigma_of_sum());
        let (norm, tau) = (root_above(self.squared_norm_bound), self.tau());
        let l2 = norm / sigma;
        let l1 = (d.sqrt() * norm).min(norm * norm) / sigma;
        let forms = [
            l2 * l2 / 2.0 + tau * d,
            (l2 * l2 + 2.0 * l1 * tau + tau * tau * d) / 2.0,
            (l2 + tau * d.sqrt()).powi(2) / 2.0,
        ];
        forms.into_iter().fold(f64::INFINITY, f64::min) * ABOVE
    }

    /// How far a sum of discrete Gaussians is from one: KLS21, Theorem 1.
    fn tau(&self) -> f64 {
        let exponent = 2.0 * std::f64::consts::PI.powi(2) * self.sigma * self.sigma / ABOVE;
        let term = |k: u32| libm::exp(-exponent * f64::from(k) / f64::from(k + 1));
        10.0 * (1..self.honest).map(term).sum::<f64>() * ABOVE
    }
}

/// √value, not below the truth.
fn root_above(value: u128) -> f64 {
    let nearest = value as f64;
    let above = if (nearest as u128) < value { nearest.next_up() } else { nearest };
    let root = above.sqrt();
    // Perfect squares stay exact; an error of the square root shows in its (exact) residual.
    if root.mul_add(root, -above) < 0.0 { root.next_up() } else { root }
}

/// Above 1 by more than all roundings of one formula here (some tens of 2^-53, and the exponential's own
/// error times its argument), and by less than one step of [`Q40`] at a ρ of 1.
const ABOVE: f64 = 1.0 + 1e-13;

/// σ is chosen in eighths of a grid unit.
const SIGMA_DENOMINATOR: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms(squared_norm_bound: u128, sigma: (u64, u64), honest: u32, padded: u32) -> ChargeTerms {
        ChargeTerms {
            task: TaskId([1; 32]),
            round: Round(1),
            plan: PlanHash([2; 32]),
            squared_norm_bound,
            sigma: Ratio::new(sigma.0, sigma.1).unwrap(),
            honest,
            padded,
        }
    }

    fn rho(squared_norm_bound: u128, sigma: (u64, u64), honest: u32, padded: u32) -> f64 {
        terms(squared_norm_bound, sigma, honest, padded).rho().unwrap().to_f64()
    }

    /// `ddgauss_zcdp` rows of a reference made with TensorFlow Federated's formulas in Python:
    /// nodes, σ, D2, d', τ, ρ.
    const REFERENCE: [(u32, f64, u32, u32, f64, f64); 9] = [
        (10, 0.8, 20, 1024, 0.0223096280697024, 35.03229430893378),
        (10, 1.0, 20, 1024, 0.0005435242581620002, 20.068902239106844),
        (10, 1.5, 20, 1024, 2.2702002559853097e-09, 8.888889080328985),
        (50, 1.2, 100, 65_536, 6.792765560809242e-06, 69.45245130739958),
        (100, 2.0, 100, 1_048_576, 7.157179647609446e-17, 12.500000000000036),
        (100, 7.0, 350, 1_048_576, 9.344976894119538e-210, 12.5),
        (1000, 2.0, 300, 1_048_576, 7.157179647609446e-17, 11.250000000000101),
        (20, 3.0, 64, 100_000, 2.649521392183843e-38, 11.377777777777778),
        (64, 5.0, 128, 4096, 6.952351975877226e-107, 5.120000000000001),
    ];

    #[test]
    fn equals_the_reference_and_is_never_below() {
        for (honest, sigma, norm, padded, tau, rho) in REFERENCE {
            let squared_norm_bound = u128::from(norm).pow(2);
            let sum = NoiseSum { squared_norm_bound, sigma, honest, padded };
            assert!((sum.tau() / tau - 1.0).abs() < 1e-9, "τ {} for {tau}", sum.tau());
            let found = sum.rho_of_many();
            assert!((found / rho - 1.0).abs() < 1e-9, "ρ {found} for {rho}");
            assert!(found >= rho * (1.0 - 1e-15), "ρ {found} below {rho}");
            assert!(sum.rho_of_one_gaussian() <= found * (1.0 + 1e-12));
        }
    }

    #[test]
    fn one_node_is_opendps_gaussian() {
        // ρ = 100²/(2·50²) = 2, and nothing for the sum of one.
        let found = rho(10_000, (50, 1), 1, 1 << 20);
        assert!((2.0..2.0 + 1e-9).contains(&found), "{found}");
        let worked = rho(10_000, (5, 1), 100, 1 << 20);
        assert!((2.0..2.0 + 1e-9).contains(&worked), "{worked}");
    }

    #[test]
    fn refuses_terms_without_protection() {
        let small = terms(100, (15, 8), 10, 1024);
        assert_eq!(small.rho(), Err(PrivacyError::SigmaTooSmall { sigma: small.sigma }));
        assert_eq!(terms(100, (16, 8), 0, 1024).rho(), Err(PrivacyError::NoHonestNoise));
        assert_eq!(terms(u128::MAX, (2, 1), 1, 1024).rho(), Ok(Q40::MAXIMUM));
        assert_eq!(terms(11_093_934_081, (16, 8), 1, 4).rho(), Ok(Q40::MAXIMUM));
    }

    #[test]
    fn a_root_is_never_below() {
        assert_eq!(root_above(0), 0.0);
        assert_eq!(root_above(1 << 96), (1_u64 << 48) as f64);
        for value in [2_u128, 3, 5, 1 << 53, (1 << 53) + 1, (1 << 96) + 1, 10_u128.pow(30) + 7] {
            let root = dashu::rational::RBig::try_from(root_above(value)).unwrap();
            assert!(root.sqr() >= dashu::rational::RBig::from(value), "{value}");
        }
    }

    #[test]
    fn sigma_reaches_the_multiplier() {
        let z = Q32::from_f64_up(1.25).unwrap();
        let sigma = sigma_for(z, 10_000, 25).unwrap();
        assert!(sigma.to_f64() >= 25.0 && sigma.to_f64() <= 25.125, "{sigma}");
        assert_eq!(sigma_for(Q32::ZERO, 10_000, 25).unwrap(), Ratio::new(16, 8).unwrap());
        assert!(sigma_for(z, 10_000, 0).is_err());
        // ρ = 1/(2·z²) at most.
        let found = rho(10_000, (sigma.numerator(), sigma.denominator()), 25, 1024);
        assert!(found <= 1.0 / (2.0 * 1.25 * 1.25));
    }

    proptest! {
        #[test]
        fn rises_with_the_norm_and_falls_with_noise(
            norm in 1_u128..1 << 40, sigma in 16_u64..1 << 20, honest in 1_u32..200, power in 2_u32..21
        ) {
            let base = rho(norm, (sigma, 8), honest, 1 << power);
            prop_assert!(rho(norm + norm / 100 + 1, (sigma, 8), honest, 1 << power) >= base);
            prop_assert!(rho(norm, (sigma + 1, 8), honest, 1 << power) <= base);
            prop_assert!(rho(norm, (sigma, 8), honest + 1, 1 << power) <= base);
            prop_assert!(rho(norm, (sigma, 8), honest, 1 << (power + 1)) >= base);
            let ideal = norm as f64 / (2.0 * f64::from(honest) * (sigma as f64 / 8.0).powi(2));
            // The largest number stands for every ρ beyond it.
            prop_assert!(base >= ideal * (1.0 - 1e-15) || base == Q40::MAXIMUM.to_f64());
            prop_assert!(base <= ideal * 1.001 + 1e-9);
        }
    }
}
