//! A lower bound of ε from how often a fixed threshold is wrong (Jagielski, Ullman, Oprea 2020, arXiv:2006.07709; Nasr
//! et al. 2021, arXiv:2101.04535), with Clopper–Pearson intervals.
//!
//! (ε, δ)-differential privacy says that 1 − δ − FNR ≤ e^ε·FPR, and the same with the two exchanged. Both rates are
//! replaced by upper bounds, each at half of the significance.
//!
//! The intervals take trials to be independent. Canaries of *one* run are so only as far as no canary moves another
//! one's score: the bound is then one under that assumption, and [`super::Guesses`] is the one that needs none.

use serde::Serialize;

use super::binomial::upper_bound;

/// How often a threshold was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// Canaries that were in.
    pub included: u64,
    /// Of these, taken to be out.
    pub missed: u64,
    /// Canaries that were out.
    pub excluded: u64,
    /// Of these, taken to be in.
    pub false_alarms: u64,
}

impl Errors {
    /// A score above the threshold, which was fixed before, is taken to be in.
    pub fn from_scores(scores: &[f64], included: &[bool], threshold: f64) -> Self {
        let count = |is: bool, above: bool| {
            let both = scores.iter().zip(included);
            both.filter(|&(&score, &included)| included == is && (score > threshold) == above)
                .count() as u64
        };
        let (found, missed) = (count(true, true), count(true, false));
        let (false_alarms, rejected) = (count(false, true), count(false, false));
        Self { included: found + missed, missed, excluded: false_alarms + rejected, false_alarms }
    }

    /// The largest ε that these errors refute at δ, at this significance; 0 if they refute none.
    pub fn bound(&self, delta: f64, significance: f64) -> f64 {
        let missed = upper_bound(self.missed, self.included, significance / 2.0);
        let alarms = upper_bound(self.false_alarms, self.excluded, significance / 2.0);
        let ratio = |right: f64, wrong: f64| {
            let right = 1.0 - delta - right;
            if right > 0.0 { (right / wrong).ln() } else { 0.0 }
        };
        ratio(missed, alarms).max(ratio(alarms, missed)).max(0.0)
    }

    /// What [`Errors::bound`] had been without any error.
    pub fn ceiling(&self, delta: f64, significance: f64) -> f64 {
        Self { missed: 0, false_alarms: 0, ..*self }.bound(delta, significance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_on_both_sides() {
        let scores = [0.6, 0.5, 0.4, 0.9, -1.0];
        let included = [true, true, true, false, false];
        let found = Errors::from_scores(&scores, &included, 0.5);
        assert_eq!(found, Errors { included: 3, missed: 2, excluded: 2, false_alarms: 1 });
        let many = Errors { included: 500, missed: 100, excluded: 500, false_alarms: 10 };
        let without = Errors { missed: 0, false_alarms: 0, ..many };
        assert_eq!(many.ceiling(0.0, 0.05), without.bound(0.0, 0.05));
        assert!(many.ceiling(0.0, 0.05) > many.bound(0.0, 0.05));
    }

    #[test]
    fn without_canaries_on_a_side_nothing_is_refuted() {
        for (included, excluded) in [(0, 1000), (1000, 0), (0, 0)] {
            let none = Errors { included, missed: 0, excluded, false_alarms: 0 };
            assert_eq!(none.bound(1e-6, 0.05), 0.0);
        }
    }
}
