//! The cost of a charge once more, by integers alone.
//!
//! `privacy` computes ρ in floating point, rounds outwards, and asks opendp. Here the same theorem (KLS21,
//! Theorem 1, as in TensorFlow Federated's accountant) is evaluated from the raw terms in fixed point with 192
//! fractional bits, without a float, without the mathematics library and without a line of the code that is judged:
//!
//! ```text
//! τ = 10·Σ_{k=1}^{n-1} exp(-2π²σ²·k/(k+1))      l2 = D2/(√n·σ)      l1 = min(√d·D2, D2²)/(√n·σ)
//! ρ = min{ l2²/2 + τ·d,  (l2² + 2·l1·τ + τ²·d)/2,  (l2 + τ·√d)²/2 }
//! ```

use dashu::base::{BitTest, SquareRoot};
use dashu::integer::UBig;
use grid::Q40;
use privacy::ChargeTerms;

/// ρ between two bounds, in units of 2⁻¹⁹².
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactRho {
    low: UBig,
    high: UBig,
}

impl ExactRho {
    /// ρ of the sum of `honest` noise shares under these terms; none where no share or no noise protects it.
    pub fn of(terms: &ChargeTerms, honest: u32) -> Option<Self> {
        if honest == 0 || terms.sigma.numerator() == 0 {
            return None;
        }
        let value = Sum::of(terms, honest).rho();
        let slack = (&value >> PRECISION) + (UBig::ONE << (FRACTION - PRECISION));
        let low = if value > slack { &value - &slack } else { UBig::ZERO };
        Some(Self { low, high: value + slack })
    }

    /// Whether a recorded charge is below what the terms cost, so that a budget would last too long.
    pub fn is_above(&self, recorded: Q40) -> bool {
        recorded != Q40::MAXIMUM && self.low > fixed(recorded)
    }

    /// Whether a recorded charge is above what the terms cost by more than rounding (a part in 2⁴⁰ and two steps
    /// of [`Q40`]).
    pub fn is_below(&self, recorded: Q40) -> bool {
        let rounding = (&self.high >> Q40_BITS) + (UBig::from(2_u8) << (FRACTION - Q40_BITS));
        &self.high + rounding < fixed(recorded)
    }

    /// To nearest, for people.
    pub fn to_f64(&self) -> f64 {
        let middle = (&self.low + &self.high) >> 1;
        middle.to_f64().value() / 2_f64.powi(FRACTION as i32)
    }
}

/// The terms of the theorem, in fixed point.
struct Sum {
    /// l2².
    l2_squared: UBig,
    l2: UBig,
    l1: UBig,
    tau: UBig,
    dimension: u64,
    root_of_dimension: UBig,
}

impl Sum {
    fn of(terms: &ChargeTerms, honest: u32) -> Self {
        let norm_squared = UBig::from(terms.squared_norm_bound);
        let (numerator, denominator) =
            (UBig::from(terms.sigma.numerator()), UBig::from(terms.sigma.denominator()));
        let variance = UBig::from(honest) * &numerator * &numerator;
        let l2_squared = ((&norm_squared * &denominator * &denominator) << FRACTION) / variance;
        let root_of_dimension = root(&(UBig::from(terms.padded) << FRACTION));
        let norm = root(&(&norm_squared << FRACTION));
        let l1_norm = times(&root_of_dimension, &norm).min(norm_squared << FRACTION);
        let root_of_honest = root(&(UBig::from(honest) << FRACTION));
        let l1 = ((l1_norm * denominator) << FRACTION) / (root_of_honest * numerator);
        Self {
            l2: root(&l2_squared),
            l2_squared,
            l1,
            tau: tau(terms, honest),
            dimension: u64::from(terms.padded),
            root_of_dimension,
        }
    }

    fn rho(&self) -> UBig {
        let tau_squared = times(&self.tau, &self.tau);
        let third = &self.l2 + times(&self.tau, &self.root_of_dimension);
        let forms = [
            (&self.l2_squared >> 1) + &self.tau * self.dimension,
            (&self.l2_squared + (times(&self.l1, &self.tau) << 1) + tau_squared * self.dimension)
                >> 1,
            times(&third, &third) >> 1,
        ];
        forms.into_iter().min().expect("three forms")
    }
}

/// How far a sum of `honest` discrete Gaussians is from one.
fn tau(terms: &ChargeTerms, honest: u32) -> UBig {
    let (numerator, denominator) =
        (UBig::from(terms.sigma.numerator()), UBig::from(terms.sigma.denominator()));
    let pi = pi();
    let doubled = (times(&pi, &pi) << 1) * &numerator * &numerator / (&denominator * &denominator);
    let term = |k: u32| exp_minus(&(&doubled * k / (k + 1)));
    // The terms fall with k: where the first has vanished, all have.
    if exp_minus(&(&doubled >> 1)) == UBig::ZERO {
        return UBig::ZERO;
    }
    (1..honest).map(term).sum::<UBig>() * 10_u8
}

/// exp(-x), within a few units of its last bits; zero where that is smaller than they are.
fn exp_minus(x: &UBig) -> UBig {
    let one = UBig::ONE << FRACTION;
    if *x > &one * VANISHES {
        return UBig::ZERO;
    }
    // exp(-x) = (1/exp(x/2^m))^(2^m), with x/2^m below 2^-8.
    let halvings = (x.bit_len() + 8).saturating_sub(FRACTION);
    let small = x >> halvings;
    let (mut sum, mut term) = (one.clone(), one.clone());
    for index in 1_u32.. {
        term = times(&term, &small) / index;
        if term == UBig::ZERO {
            break;
        }
        sum += &term;
    }
    let mut power = (&one << FRACTION) / sum;
    for _ in 0..halvings {
        power = times(&power, &power);
    }
    power
}

fn times(left: &UBig, right: &UBig) -> UBig {
    (left * right) >> FRACTION
}

fn root(value: &UBig) -> UBig {
    (value << FRACTION).sqrt()
}

fn fixed(value: Q40) -> UBig {
    UBig::from(value.raw()) << (FRACTION - Q40_BITS)
}

fn pi() -> UBig {
    let digits: UBig = PI_DIGITS.parse().expect("digits");
    (digits << FRACTION) / UBig::from(10_u8).pow(PI_DIGITS.len() - 1)
}

const FRACTION: usize = 192;
/// Results are right to this many bits: more than an error of some units of 2⁻¹⁹² grows to in twenty squarings.
const PRECISION: usize = 100;
const Q40_BITS: usize = 40;
/// exp(-140) is below 2⁻¹⁹².
const VANISHES: u32 = 140;
const PI_DIGITS: &str =
    "31415926535897932384626433832795028841971693993751058209749445923078164062862089";

#[cfg(test)]
mod tests {
    use super::*;
    use grid::Ratio;
    use proptest::prelude::*;
    use wire::{PlanHash, Round, TaskId};

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

    fn to_f64(value: &UBig) -> f64 {
        value.to_f64().value() / 2_f64.powi(FRACTION as i32)
    }

    /// `ddgauss_zcdp` rows of a reference made with TensorFlow Federated's formulas in Python: nodes, σ in
    /// tenths, D2, d, τ, ρ.
    const REFERENCE: [(u32, u64, u32, u32, f64, f64); 9] = [
        (10, 8, 20, 1024, 0.0223096280697024, 35.03229430893378),
        (10, 10, 20, 1024, 0.0005435242581620002, 20.068902239106844),
        (10, 15, 20, 1024, 2.2702002559853097e-09, 8.888889080328985),
        (50, 12, 100, 65_536, 6.792765560809242e-06, 69.45245130739958),
        (100, 20, 100, 1_048_576, 7.157179647609446e-17, 12.500000000000036),
        (100, 70, 350, 1_048_576, 0.0, 12.5),
        (1000, 20, 300, 1_048_576, 7.157179647609446e-17, 11.250000000000101),
        (20, 30, 64, 100_000, 2.649521392183843e-38, 11.377777777777778),
        (64, 50, 128, 4096, 0.0, 5.120000000000001),
    ];

    #[test]
    fn equals_the_reference() {
        for (honest, tenths, norm, padded, wanted_tau, rho) in REFERENCE {
            let terms = terms(u128::from(norm).pow(2), (tenths, 10), honest, padded);
            let found = to_f64(&tau(&terms, honest));
            assert!((found - wanted_tau).abs() <= 1e-12 * wanted_tau, "τ {found} for {wanted_tau}");
            let found = ExactRho::of(&terms, honest).unwrap().to_f64();
            assert!((found / rho - 1.0).abs() < 1e-13, "ρ {found} for {rho}");
        }
    }

    #[test]
    fn exponentials_are_right() {
        for x in [0.0, 1e-9, 0.004, 0.5, 1.0, 39.478, 100.0, 120.0] {
            let fixed = UBig::from((x * 2_f64.powi(64)) as u128) << (FRACTION - 64);
            let (found, wanted) = (to_f64(&exp_minus(&fixed)), (-x).exp());
            let (error, allowed) = ((found - wanted).abs(), 1e-14 * wanted + 2_f64.powi(-180));
            assert!(error <= allowed, "exp(-{x}) = {found} for {wanted}");
        }
        assert_eq!(exp_minus(&(UBig::from(141_u8) << FRACTION)), UBig::ZERO);
    }

    #[test]
    fn what_has_no_cost_has_none() {
        assert_eq!(ExactRho::of(&terms(100, (50, 1), 1, 4), 0), None);
        assert_eq!(ExactRho::of(&terms(100, (0, 1), 1, 4), 1), None);
        let beyond = ExactRho::of(&terms(u128::MAX, (2, 1), 1, 1024), 1).unwrap();
        assert!(!beyond.is_above(Q40::MAXIMUM) && !beyond.is_below(Q40::MAXIMUM));
        assert!(beyond.is_above(Q40::from_raw(u64::MAX - 1)));
    }

    proptest! {
        /// The charge that `privacy` computes is never below, and never above by more than rounding.
        #[test]
        fn agrees_with_the_charge(
            norm in 1_u128..1 << 60, sigma in 16_u64..1 << 24, honest in 1_u32..65, power in 2_u32..21
        ) {
            let terms = terms(norm, (sigma, 8), honest, 1 << power);
            let recorded = terms.rho().unwrap();
            let exact = ExactRho::of(&terms, honest).unwrap();
            prop_assert!(!exact.is_above(recorded));
            prop_assert!(!exact.is_below(recorded));
            let least = Q40::from_raw(recorded.raw() - recorded.raw() / 1000 - 2.min(recorded.raw()));
            prop_assert!(recorded == Q40::MAXIMUM || exact.is_above(least) || recorded.raw() < 8);
        }
    }
}
