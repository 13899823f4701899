//! What an attack could tell, set beside what was claimed: statistics over planted canaries.
//!
//! A canary is something planted to be looked for: here a virtual node that contributes either a known direction as long
//! as the clip, or zeros, by a coin that was thrown before anything ran. Scores say how strongly each direction is seen
//! in what was released. From them, all at a confidence that was fixed before:
//!
//! | what | is | assumes |
//! |---|---|---|
//! | [`Guesses::bound`] | a lower bound of ε from one run (Steinke, Nasr, Jagielski 2023) | nothing but fair coins; this one decides |
//! | [`Guesses::gaussian_bound`] | the same under Gaussian differential privacy (Mahloujifar et al. 2024) | the form of the mechanism |
//! | [`Errors::bound`] | a lower bound with Clopper–Pearson intervals (Jagielski et al. 2020) | canaries that do not touch each other |
//! | [`Estimate`] | an estimate, **no bound** (Andrew et al. 2023) | two normal distributions |
//! | [`Exposure`] | how far a planted secret text is given away, in bits (Carlini et al. 2019) | no ε at all |
//!
//! Every bound comes with its *ceiling*, the largest that it could have been. A claim above the ceiling cannot be
//! refuted by that run, whatever is wrong: such a run is no evidence for the claim.

mod binomial;
mod classic;
mod exposure;
mod gaussian_run;
mod judge;
mod normal;
mod one_run;
mod one_shot;
mod record;

pub use classic::Errors;
pub use exposure::{Exposure, chance_exposure};
pub use judge::{ArmReport, Empirical, Verdict, audit_canaries, exposure_under};
pub use one_run::Guesses;
pub use one_shot::Estimate;
pub use record::{
    Arm, ArmName, CANARY_FORMAT, CanaryClaim, CanaryRecord, Fixed, PlantedSecret, RecordError,
    RunTerms, coin,
};

/// The largest value of at least 0 that `holds`, where all smaller ones hold too, rounded down in the twelfth digit; 0
/// where 0 does not hold, infinite where a million does.
fn largest(holds: impl Fn(f64) -> bool) -> f64 {
    if !holds(0.0) {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while holds(high) {
        low = high;
        high *= 2.0;
        if high > LARGEST {
            return f64::INFINITY;
        }
    }
    for _ in 0..BISECTIONS {
        let middle = (low + high) / 2.0;
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

const LARGEST: f64 = 1e6;
const BISECTIONS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    /// One row of golden/empirical.csv: kind, numbers, the answer.
    fn rows(wanted: &str) -> Vec<Vec<f64>> {
        let lines = include_str!("../golden/empirical.csv").lines();
        let rows = lines.filter_map(|line| line.strip_prefix(wanted)?.strip_prefix(','));
        let rows: Vec<Vec<f64>> =
            rows.map(|row| row.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
        assert!(rows.len() >= 5, "{wanted}");
        rows
    }

    /// What the reference's root finder leaves open.
    const REFERENCE_PRECISION: f64 = 2e-6;

    #[test]
    fn one_run_equals_the_reference() {
        for row in rows("one-run") {
            let [m, r, v, delta, significance, bound, p, gaussian] = row[..] else {
                panic!("{row:?}")
            };
            let guesses = Guesses { canaries: m as u64, made: r as u64, right: v as u64 };
            let found = guesses.p_value(1.0, delta);
            assert!((found - p).abs() < 1e-9 * p, "{row:?}: p = {found}");
            let found = guesses.bound(delta, significance);
            assert!((found - bound).abs() < REFERENCE_PRECISION, "{row:?}: {found}");
            if gaussian.is_finite() {
                let found = guesses.gaussian_bound(delta, significance).unwrap();
                assert!(
                    (found - gaussian).abs() < REFERENCE_PRECISION,
                    "{row:?}: Gaussian {found}"
                );
            }
        }
    }

    #[test]
    fn classic_equals_the_reference() {
        for row in rows("classic") {
            let [included, missed, excluded, alarms, delta, significance, bound, fnr, fpr] =
                row[..]
            else {
                panic!("{row:?}")
            };
            let [included, missed, excluded, false_alarms] =
                [included, missed, excluded, alarms].map(|count| count as u64);
            let errors = Errors { included, missed, excluded, false_alarms };
            let found = errors.bound(delta, significance);
            assert!((found - bound).abs() < 1e-9, "{row:?}: {found}");
            for (seen, of, wanted) in [(missed, included, fnr), (false_alarms, excluded, fpr)] {
                let found = binomial::upper_bound(seen, of, significance / 2.0);
                assert!((found - wanted).abs() < 1e-12, "{row:?}: {found}");
            }
        }
    }

    #[test]
    fn one_shot_equals_the_reference() {
        for row in rows("one-shot") {
            let [dimension, mean, deviation, delta, epsilon] = row[..] else { panic!("{row:?}") };
            // Two cosines that have this mean and this deviation.
            let cosines = [mean - deviation, mean + deviation];
            let found = Estimate::new(&cosines, dimension as u64, delta).unwrap().epsilon;
            assert!((found - epsilon).abs() < 1e-6 * epsilon, "{row:?}: {found}");
        }
    }

    #[test]
    fn the_largest_is_found_or_there_is_none() {
        assert!((largest(|value| value < 12.345) - 12.345).abs() < 1e-12);
        assert_eq!((largest(|_| false), largest(|_| true)), (0.0, f64::INFINITY));
    }
}
