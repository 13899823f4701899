//! Lower bounds: equal to other tools', and an auditor that finds what is wrong without crying wolf.

use privacy::PrivacyError;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::{
    Arm, ArmName, CANARY_FORMAT, CanaryClaim, CanaryRecord, Empirical, Errors, Fixed, Guesses,
    RunTerms, Verdict, coin,
};

/// Both bounds equal the references of golden/empirical.csv.
pub(super) fn references(
    one_run: impl Fn(Guesses, f64, f64) -> f64,
    classic: impl Fn(Errors, f64, f64) -> f64,
) -> Result<String, String> {
    let mut compared = 0;
    for line in include_str!("../../golden/empirical.csv").lines() {
        let mut cells = line.split(',');
        let kind = cells.next().unwrap_or_default();
        let numbers: Vec<f64> = cells.filter_map(|cell| cell.parse().ok()).collect();
        let count = |place: usize| numbers[place] as u64;
        let (found, wanted) = match (kind, numbers.len()) {
            ("one-run", 8) => {
                let guesses = Guesses { canaries: count(0), made: count(1), right: count(2) };
                (one_run(guesses, numbers[3], numbers[4]), numbers[5])
            }
            ("classic", 9) => {
                let errors = Errors {
                    included: count(0),
                    missed: count(1),
                    excluded: count(2),
                    false_alarms: count(3),
                };
                (classic(errors, numbers[4], numbers[5]), numbers[6])
            }
            _ => continue,
        };
        if (found - wanted).abs() > 2e-6 {
            return Err(format!("{line}: ε ≥ {found}"));
        }
        compared += 1;
    }
    if compared < 18 {
        return Err(format!("only {compared} references were read"));
    }
    Ok(format!("{compared} lower bounds equal those of jax_privacy and scipy"))
}

/// Canaries under Gaussian noise: what is right is not refuted, a tenth of the noise is, and what cannot be judged is not
/// passed.
pub(super) fn verdicts(
    audit: impl Fn(&CanaryRecord) -> Result<Empirical, PrivacyError>,
) -> Result<String, String> {
    let cases = [
        ("all its noise", MULTIPLIER, 200, Verdict::Consistent),
        ("a tenth of its noise", MULTIPLIER / 10.0, 200, Verdict::Refuted),
        ("no noise, and too few guesses", 0.0, 20, Verdict::CannotRefute),
    ];
    for (what, deviation, guesses, wanted) in cases {
        let found = audit(&record(deviation, guesses)).map_err(|error| error.to_string())?;
        if found.verdict != wanted {
            return Err(format!("{what}: {:?} instead of {wanted:?}", found.verdict));
        }
    }
    Ok("canaries under a claim of ε = 2: all the noise is consistent, a tenth of it refuted, too few guesses no pass".to_owned())
}

/// z for ε = 2 at δ = 1e-6 in one round: ρ = 0.088153, z = 1/√(2ρ).
const MULTIPLIER: f64 = 2.3816;

/// Scores of a thousand canaries under Gaussian noise, always the same.
fn record(deviation: f64, guesses: u64) -> CanaryRecord {
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    let mut normal = || {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
    };
    let included: Vec<bool> = (0..1000).map(|canary| coin(5, canary)).collect();
    let scores: Vec<f64> =
        included.iter().map(|&is| f64::from(u8::from(is)) + deviation * normal()).collect();
    CanaryRecord {
        format: CANARY_FORMAT.to_owned(),
        title: "self-test".to_owned(),
        adversary: "self-test".to_owned(),
        claim: CanaryClaim { epsilon: Some(2.0), delta: 1e-6, rho: None },
        fixed: Fixed { seed: 5, canaries: 1000, guesses, threshold: 0.5, confidence: 0.95 },
        run: RunTerms {
            mechanism: "gaussian".to_owned(),
            noise_multiplier: Some(MULTIPLIER),
            clip: 1.0,
            rounds: 1,
            contributions: 1000,
            dimension: 10_000,
        },
        included: included.iter().map(|&is| if is { '1' } else { '0' }).collect(),
        secrets: Vec::new(),
        arms: vec![Arm {
            arm: ArmName::Run,
            noise_share: 1.0,
            scores,
            release_length: 100.0,
            loss_before: None,
            loss_after: None,
            secrets: Vec::new(),
            alternatives: Vec::new(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audited(record: &CanaryRecord) -> Result<Empirical, PrivacyError> {
        crate::audit_canaries(record, None)
    }

    #[test]
    fn a_bound_that_is_off_fails() {
        let one_run = |guesses: Guesses, delta, significance| guesses.bound(delta, significance);
        let classic = |errors: Errors, delta, significance| errors.bound(delta, significance);
        assert!(references(one_run, classic).is_ok());
        // δ forgotten; one interval instead of two; the share of right guesses taken at its word.
        let careless = |guesses: Guesses, _, significance| guesses.bound(0.0, significance);
        assert!(references(careless, classic).is_err());
        let narrow = |errors: Errors, delta, significance| errors.bound(delta, 2.0 * significance);
        assert!(references(one_run, narrow).is_err());
        let naive = |guesses: Guesses, _, _| {
            let wrong = (guesses.made - guesses.right).max(1) as f64;
            (guesses.right as f64 / wrong).ln().max(0.0)
        };
        assert!(references(naive, classic).is_err());
    }

    #[test]
    fn an_auditor_that_passes_or_refutes_everything_fails() {
        assert!(verdicts(audited).is_ok(), "{:?}", verdicts(audited));
        for verdict in [Verdict::Consistent, Verdict::Refuted, Verdict::CannotRefute] {
            let always = |record: &CanaryRecord| Ok(Empirical { verdict, ..audited(record)? });
            assert!(verdicts(always).is_err(), "{verdict:?}");
        }
        // A ceiling that nobody looks at.
        let blind = |record: &CanaryRecord| {
            let mut found = audited(record)?;
            if found.verdict == Verdict::CannotRefute {
                found.verdict = Verdict::Consistent;
            }
            Ok(found)
        };
        assert!(verdicts(blind).unwrap_err().contains("too few guesses"));
    }
}
