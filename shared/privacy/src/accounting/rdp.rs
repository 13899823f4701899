//! Rényi divergences of the Poisson-subsampled Gaussian, of every order, whole or not.
//!
//! Mironov, Talwar and Zhang, *Rényi Differential Privacy of the Sampled Gaussian Mechanism*, 2019,
//! section 3: with noise σ and sampling rate q, one round has at order α the divergence
//! `ln(A)/(α-1)` in the worse one of the two directions (their Corollary 7), where
//!
//! ```text
//! A = E[(1 + w)^α],   w = q·(e^u - 1),   u = (2x - 1)/(2σ²),   x ~ N(0, σ²)
//! ```
//!
//! Rounds add up, and CKS20, Proposition 12, turns each order into an ε; the least one counts. Every
//! order is a valid statement by itself, so a search that misses the best one errs on the safe side.
//!
//! # Discussion
//! For whole α, A is a finite binomial sum; for others the paper gives a series whose terms change sign
//! and must be added *with* their signs: adding their absolute values, as one widely used tool does,
//! overstates the divergence up to infinity. Here A is integrated instead. Since `E[w] = 0`,
//!
//! ```text
//! A - 1 = E[(1 + w)^α - 1 - α·w]
//! ```
//!
//! whose integrand is never negative (Bernoulli), so nothing cancels: the result has a small *relative*
//! error also where A is 1 to many digits. The trapezoidal rule with step h is exponentially exact for it:
//! the integrand is analytic for |Im x| < πσ², and there `|1 + w|` is at most what it is on the real
//! line, so (Trefethen and Weideman, *The Exponentially Convergent Trapezoidal Rule*, 2014, Theorem 5.1)
//! the relative error is of the order of `exp(y²/(2σ²) - 2πy/h)` for every y < πσ²: below e^-70 for
//! `h = min(σ/8, σ²/4)`. Cutting the line 13σ beyond the outermost peaks (0 and max(α, 2)) costs about
//! e^-84. What is left is rounding, which is bounded term by term and added.

use super::Participation;
use crate::conversion::epsilon_at_order;

/// The least ε over all orders, rounded up, and the order minus one that gave it.
pub(super) fn epsilon(noise: f64, participation: Participation, delta: f64) -> (f64, f64) {
    let Participation { rounds, sampling_rate } = participation;
    let at = |b: f64| {
        let divergence = rounds as f64 * divergence(noise, sampling_rate, b) * (1.0 + ROUNDING);
        (divergence, epsilon_at_order(b, divergence, delta).max(0.0))
    };
    // Without sampling the best one is about √(ln(1/δ)·2σ²/rounds); with it, larger.
    let unsampled = (-libm::log(delta) * 2.0 * noise * noise / rounds as f64).sqrt();
    let smallest = SMALLEST.min(unsampled / 10.0);
    let (mut best, mut order, mut b) = (f64::INFINITY, smallest, smallest);
    while b < LARGEST * noise.max(1.0) {
        let (divergence, epsilon) = at(b);
        if epsilon < best {
            (best, order) = (epsilon, b);
        }
        // Divergences rise with the order, and what is added to them is more than minus one.
        if divergence > best + 1.0 || best == 0.0 {
            break;
        }
        b *= FACTOR;
    }
    refine(|b| at(b).1, best, order)
}

/// The divergence of order 1 + `b` of one round, rounded up.
pub(super) fn divergence(noise: f64, sampling_rate: f64, b: f64) -> f64 {
    let whole = (1.0 + b) / (2.0 * noise * noise) * (1.0 + ROUNDING);
    if sampling_rate == 1.0 {
        return whole;
    }
    // Sampling never adds.
    (ln_moment(noise, sampling_rate, b) / b * (1.0 + ROUNDING)).min(whole)
}

/// ln A at α = 1 + `b`, rounded up.
pub(super) fn ln_moment(noise: f64, sampling_rate: f64, b: f64) -> f64 {
    let step = (noise / 8.0).min(noise * noise / 4.0);
    let (first, last) = (-REACH * noise, (1.0 + b).max(2.0) + REACH * noise);
    let count = ((last - first) / step).ceil() as u64;
    let mut sum = LogSum::default();
    for index in 0..=count {
        let x = first + index as f64 * step;
        let (logarithm, error) = term(noise, sampling_rate, b, x);
        sum.add(logarithm - x * x / (2.0 * noise * noise) + error);
    }
    let scale = libm::log(step / (noise * (2.0 * std::f64::consts::PI).sqrt()));
    let excess = sum.logarithm() + scale + ROUNDING * (1.0 + scale.abs());
    // ln(1 + e^excess), without overflow.
    if excess > 30.0 { excess + libm::exp(-excess) } else { libm::log1p(libm::exp(excess)) }
}

/// ln((1 + w)^α - 1 - αw) at x, and a bound of its error.
fn term(noise: f64, q: f64, b: f64, x: f64) -> (f64, f64) {
    let alpha = 1.0 + b;
    let u = (2.0 * x - 1.0) / (2.0 * noise * noise);
    if u > 500.0 {
        // e^u is beyond all numbers, and 1 - q beside it below them: w = q·e^u.
        let logarithm = alpha * (libm::log(q) + u);
        return (logarithm, ULP * (64.0 + alpha * (2.0 + u) + x * x / (noise * noise)));
    }
    let w = q * libm::expm1(u);
    let sensitivity = alpha * w.abs().min(1.0);
    let error = ULP * (256.0 + sensitivity * (2.0 + u.abs()) + x * x / (noise * noise));
    if sensitivity < 0.03 && w.abs() < 0.03 {
        return (libm::log(small(alpha, w)), error);
    }
    let l = libm::log1p(w);
    if alpha * l < 1.0 {
        return (libm::log((1.0 + w) * libm::expm1(b * l) - b * w), error);
    }
    (alpha * l + libm::log1p(-(1.0 + alpha * w) * libm::exp(-alpha * l)), error)
}

/// (1 + w)^α - 1 - αw for a small αw: its binomial series from the second power on.
fn small(alpha: f64, w: f64) -> f64 {
    let (mut power, mut sum) = (alpha * w, 0.0);
    for k in 1..14 {
        power *= (alpha - f64::from(k)) * w / f64::from(k + 1);
        sum += power;
    }
    sum
}

/// The least value of a golden-section search around the best order of a scan.
fn refine(epsilon: impl Fn(f64) -> f64, best: f64, order: f64) -> (f64, f64) {
    let (mut found, mut at) = (best, order);
    let (mut low, mut high) = (order / FACTOR, order * FACTOR);
    for _ in 0..GOLDEN_STEPS {
        let inner = (high - low) * GOLDEN;
        let (left, right) = (high - inner, low + inner);
        let (at_left, at_right) = (epsilon(left), epsilon(right));
        let (nearer, value) = if at_left < at_right { (left, at_left) } else { (right, at_right) };
        if value < found {
            (found, at) = (value, nearer);
        }
        if at_left < at_right {
            high = right;
        } else {
            low = left;
        }
    }
    (found, at)
}

/// A sum of numbers that are given, and wanted, as logarithms.
struct LogSum {
    largest: f64,
    scaled: f64,
}

impl Default for LogSum {
    fn default() -> Self {
        Self { largest: f64::NEG_INFINITY, scaled: 0.0 }
    }
}

impl LogSum {
    fn add(&mut self, logarithm: f64) {
        if logarithm <= self.largest {
            self.scaled += libm::exp(logarithm - self.largest);
        } else if logarithm > f64::NEG_INFINITY {
            self.scaled = self.scaled * libm::exp(self.largest - logarithm) + 1.0;
            self.largest = logarithm;
        }
    }

    fn logarithm(&self) -> f64 {
        self.largest + libm::log(self.scaled)
    }
}

/// Orders minus one that are tried; smaller ones where ε is in the thousands.
const SMALLEST: f64 = 1e-3;
const LARGEST: f64 = 1e5;
const FACTOR: f64 = 1.25;
const GOLDEN_STEPS: usize = 30;
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// Standard deviations beyond the outermost peaks.
const REACH: f64 = 13.0;

/// A unit in the last place, four times.
const ULP: f64 = 1e-15;

/// More than what adding up, and the last operations, lose.
const ROUNDING: f64 = 1e-12;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// golden/rdp.csv: q, σ, α, exact, dp_accounting.
    #[test]
    fn equals_forty_digits_and_is_never_below() {
        let lines = include_str!("../../golden/rdp.csv").lines();
        let (mut rows, mut largest) = (0, 0.0_f64);
        for line in lines.filter(|line| !line.starts_with(['#', 'q'])) {
            let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
            let [q, noise, alpha, exact, other] = cells[..] else { panic!("{line}") };
            let found = divergence(noise, q, alpha - 1.0);
            let deviation = found / exact - 1.0;
            // 17 digits of the reference: half a unit in the last one.
            assert!(deviation > -1e-16 && deviation < 1e-11, "{line}: {found}");
            assert!(found < other * (1.0 + 1e-11), "{line}: {found}");
            (rows, largest) = (rows + 1, largest.max(deviation));
        }
        println!("largest relative deviation of {rows} divergences: {largest:e}");
        assert_eq!(rows, 50);
    }

    /// ln Σ_k C(α, k)·(1-q)^(α-k)·q^k·e^((k²-k)/(2σ²)).
    fn binomial(noise: f64, q: f64, alpha: u32) -> f64 {
        let mut sum = LogSum::default();
        let mut choose = 0.0_f64;
        for k in 0..=alpha {
            let (n, k_f) = (f64::from(alpha), f64::from(k));
            let exponent = (k_f * k_f - k_f) / (2.0 * noise * noise);
            sum.add(choose + (n - k_f) * (-q).ln_1p() + k_f * q.ln() + exponent);
            choose += ((n - k_f) / (k_f + 1.0)).ln();
        }
        sum.logarithm()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn whole_orders_are_the_binomial_sum(
            noise in 0.06..20.0_f64, ln_q in -9.0..-0.01_f64, alpha in 2_u32..100
        ) {
            let (q, b) = (ln_q.exp(), f64::from(alpha) - 1.0);
            let (found, sum) = (ln_moment(noise, q, b), binomial(noise, q, alpha));
            prop_assert!((found - sum).abs() < 1e-11 * sum.abs() + 1e-13, "{} for {}", found, sum);
        }

        #[test]
        fn divergences_rise_with_order_and_rate_and_fall_with_noise(
            noise in 0.3..30.0_f64, ln_q in -9.0..-0.1_f64, ln_b in -6.0..5.0_f64
        ) {
            let (q, b) = (ln_q.exp(), ln_b.exp());
            let found = divergence(noise, q, b);
            prop_assert!(divergence(noise, q, b * 1.01) >= found);
            prop_assert!(divergence(noise, q * 1.01, b) > found);
            prop_assert!(divergence(noise * 1.01, q, b) < found);
            prop_assert!(found <= (1.0 + b) / (2.0 * noise * noise) * (1.0 + 1e-11));
            // q² times the whole one is the limit for small q and orders, from below for b < 1.
            prop_assert!(found > 0.0);
        }
    }
}
