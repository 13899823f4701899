//! A lower bound of ε from one run with many canaries (Steinke, Nasr, Jagielski 2023, arXiv:2305.08846, Theorem 5.2 and
//! Appendix D).
//!
//! Each of m canaries is in or out by a fair coin. The auditor guesses the coins of r of them, r fixed before any score
//! is seen. If what was run is (ε, δ)-differentially private, so many right guesses come by chance with a probability of
//! at most
//!
//! ```text
//! q = 1/(1 + e^-ε)    β = Pr[Bin(r, q) ≥ v]    α = max over 1 ≤ i ≤ v of Pr[v − i ≤ Bin(r, q) < v]/i
//! p = min(1, β + 2mδα)
//! ```
//!
//! and the bound is the largest ε for which p is below the significance.

use serde::Serialize;

use super::binomial::ln_masses;

/// What was guessed, and how much of it was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Guesses {
    /// m: canaries whose coins were thrown.
    pub canaries: u64,
    /// r: canaries that were guessed about; fixed before scores were seen.
    pub made: u64,
    /// v: guesses that were right.
    pub right: u64,
}

impl Guesses {
    /// The guesses that follow from the scores: half of `made` on the highest, "in" (one more if it is odd), the rest on
    /// the lowest, "out". Of equal scores the earlier canary counts as the lower one.
    ///
    /// `scores` and `included` have one entry for each canary, and `made` is not above their number.
    pub fn from_scores(scores: &[f64], included: &[bool], made: u64) -> Self {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        let low = (made / 2) as usize;
        let high = made as usize - low;
        let out = order[..low].iter().filter(|&&canary| !included[canary]).count();
        let into = order[order.len() - high..].iter().filter(|&&canary| included[canary]).count();
        Self { canaries: scores.len() as u64, made, right: (out + into) as u64 }
    }

    /// The probability p that so many guesses are right by chance although (ε, δ) holds, or more: an upper bound.
    pub fn p_value(&self, epsilon: f64, delta: f64) -> f64 {
        let right = self.right as usize;
        let ln_q = -(-epsilon).exp().ln_1p();
        let masses = ln_masses(self.made, ln_q, ln_q - epsilon);
        let chance = |mass: &f64| mass.exp();
        let beta: f64 = masses[right..].iter().rev().map(chance).sum();
        let mut below = 0.0;
        let mut alpha: f64 = 0.0;
        for (steps, mass) in (1..).zip(masses[..right].iter().rev()) {
            below += mass.exp();
            alpha = alpha.max(below / f64::from(steps));
        }
        (beta + 2.0 * self.canaries as f64 * delta * alpha).min(1.0)
    }

    /// The largest ε that these guesses refute at δ, at this significance; 0 if they refute none.
    pub fn bound(&self, delta: f64, significance: f64) -> f64 {
        super::largest(|epsilon| self.p_value(epsilon, delta) < significance)
    }

    /// What [`Guesses::bound`] had been with every guess right: no run of this size can show more.
    pub fn ceiling(&self, delta: f64, significance: f64) -> f64 {
        Self { right: self.made, ..*self }.bound(delta, significance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_are_guessed_in_and_the_lowest_out() {
        let scores = [0.1, 5.0, -3.0, 4.0, 0.0, 9.0];
        let included = [true, true, false, false, true, true];
        let right = |made| Guesses::from_scores(&scores, &included, made).right;
        // In: 9 and 5 are right, 4 is wrong; out: −3 is right, 0 and 0.1 are wrong.
        assert_eq!([0, 1, 2, 3, 4, 6].map(right), [0, 1, 2, 3, 3, 3]);
        let equal = Guesses::from_scores(&[1.0; 4], &[false, false, true, true], 4);
        assert_eq!((equal.canaries, equal.right), (4, 4));
    }

    #[test]
    fn no_guess_refutes_nothing_and_all_right_is_the_ceiling() {
        let guesses = |right| Guesses { canaries: 1000, made: 200, right };
        assert_eq!(Guesses { canaries: 9, made: 0, right: 0 }.bound(1e-6, 0.05), 0.0);
        assert_eq!(guesses(100).bound(1e-6, 0.05), 0.0);
        let bounds: Vec<f64> =
            [120, 150, 180, 200].map(|right| guesses(right).bound(1e-6, 0.05)).into();
        assert!(bounds.is_sorted_by(|less, more| less < more), "{bounds:?}");
        assert_eq!(guesses(3).ceiling(1e-6, 0.05), bounds[3]);
        // With all of m right and δ = 0.
        for (canaries, ceiling) in [(100, 3.493), (500, 5.114), (1000, 5.809), (5000, 7.420)] {
            let found = Guesses { canaries, made: canaries, right: 0 }.ceiling(0.0, 0.05);
            assert!((found - ceiling).abs() < 5e-4, "{canaries}: {found}");
        }
    }
}
