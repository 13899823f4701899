//! The file that a simulation with canaries leaves behind, as JSON: what was fixed before it ran, and what was seen.
//!
//! ```json
//! {
//!   "format": "murmuration canaries 1",
//!   "title": "canaries",
//!   "adversary": "who sees what",
//!   "claim": { "epsilon": 2.0, "delta": 1e-6, "rho": 0.0881 },
//!   "fixed": { "seed": 1, "canaries": 1000, "guesses": 200, "threshold": 0.5, "confidence": 0.95 },
//!   "run": { "mechanism": "distributed", "noise_multiplier": 4.1, "clip": 0.5, "rounds": 3, "contributions": 1023,
//!            "dimension": 10368 },
//!   "included": "0110…",
//!   "secrets": [{ "repeated": 16 }],
//!   "arms": [
//!     { "arm": "run", "noise_share": 1.0, "scores": [0.3, …], "release_length": 400.1,
//!       "loss_before": 3.1, "loss_after": 2.9, "secrets": [31.5], "alternatives": [30.2, …] },
//!     { "arm": "without-noise", "noise_share": 0.0, … }
//!   ]
//! }
//! ```
//!
//! Scores, losses and coins stand in the order of canaries and secrets. The coins follow from the seed ([`coin`]), so
//! that whoever has the file can see that they were not chosen afterwards.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What stands under `format`.
pub const CANARY_FORMAT: &str = "murmuration canaries 1";

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryRecord {
    /// [`CANARY_FORMAT`].
    pub format: String,
    /// What was run, for people.
    pub title: String,
    /// Whom the canaries stand for: who sees what.
    pub adversary: String,
    /// What the mechanism is said to give.
    pub claim: CanaryClaim,
    /// What was fixed before anything ran.
    pub fixed: Fixed,
    /// What was run.
    pub run: RunTerms,
    /// One digit for each canary: 1 if it was in.
    pub included: String,
    /// Texts that were planted, each in the chats of one node of its own.
    pub secrets: Vec<PlantedSecret>,
    /// The run, and runs beside it.
    pub arms: Vec<Arm>,
}

/// What the mechanism is said to give one node, its contributions replaced by zeros.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryClaim {
    /// ε of all rounds together; none: nothing is claimed.
    pub epsilon: Option<f64>,
    /// δ.
    pub delta: f64,
    /// ρ, from which ε follows; none: nothing is claimed.
    pub rho: Option<f64>,
}

/// What was fixed before anything ran.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    /// From which the coins follow.
    pub seed: u64,
    /// Canaries whose coins were thrown.
    pub canaries: u64,
    /// How many of them are guessed about.
    pub guesses: u64,
    /// A score above it is taken to be in.
    pub threshold: f64,
    /// Of every bound.
    pub confidence: f64,
}

/// What was run, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunTerms {
    /// By its name in the scenario.
    pub mechanism: String,
    /// z that is claimed: noise of the sum in clips.
    pub noise_multiplier: Option<f64>,
    /// L2 clip of an update, parameter units.
    pub clip: f64,
    /// Rounds, in each of which every canary took part.
    pub rounds: u32,
    /// Contributions in each of them, those of canaries among them.
    pub contributions: u64,
    /// d.
    pub dimension: u64,
}

/// A secret text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlantedSecret {
    /// How many conversations of its node say it.
    pub repeated: u64,
}

/// Which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArmName {
    /// The one that is judged.
    Run,
    /// The control: the same without any noise. What cannot be seen there cannot be seen anywhere.
    WithoutNoise,
}

/// One run and what was seen of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Which.
    pub arm: ArmName,
    /// The noise that was really added, as a part of what is claimed. 1 but for controls.
    pub noise_share: f64,
    /// How strongly each canary is seen: 1 on average if it was in, 0 if not; the release's product with the canary's
    /// direction, in clips a round.
    pub scores: Vec<f64>,
    /// Length of the release, in the same unit: scores divided by it are cosines.
    pub release_length: f64,
    /// Loss on held-out people before, nats a token.
    pub loss_before: Option<f64>,
    /// And after.
    pub loss_after: Option<f64>,
    /// The last version's loss of each secret, nats.
    pub secrets: Vec<f64>,
    /// Its losses of secrets that were planted nowhere, nats.
    pub alternatives: Vec<f64>,
}

/// Why a file is no canary record.
#[derive(Debug, Error)]
pub enum RecordError {
    /// No JSON, or another one.
    #[error(
        "this is no canary record (`murmur-simulate learning canaries --out DIR` writes DIR/canaries.json)"
    )]
    Json(#[from] serde_json::Error),
    /// Another version of the format.
    #[error(
        "the format is {found:?} and not {CANARY_FORMAT:?}: use the murmur-audit of the same release"
    )]
    Format {
        /// What stands there.
        found: String,
    },
    /// Numbers that do not fit each other.
    #[error("{field} {problem}")]
    Field {
        /// Where.
        field: String,
        /// What is wrong.
        problem: &'static str,
    },
}

/// The coin of a canary: the lowest bit of BLAKE3, derive-key mode, of seed and index (little-endian).
pub fn coin(seed: u64, index: u64) -> bool {
    let mut hasher = blake3::Hasher::new_derive_key("murmuration 2026-11 canary coin");
    hasher.update(&seed.to_le_bytes()).update(&index.to_le_bytes());
    hasher.finalize().as_bytes()[0] & 1 == 1
}

impl CanaryRecord {
    /// Reads a file and checks that its numbers fit each other; what they say is judged by
    /// [`audit_canaries`](crate::audit_canaries).
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let record: Self = serde_json::from_slice(bytes)?;
        if record.format != CANARY_FORMAT {
            return Err(RecordError::Format { found: record.format });
        }
        record.check_fixed()?;
        record.arms.iter().enumerate().try_for_each(|(place, arm)| record.check_arm(place, arm))?;
        Ok(record)
    }

    /// Whether each canary was in.
    pub fn included(&self) -> Vec<bool> {
        self.included.bytes().map(|digit| digit == b'1').collect()
    }

    /// An arm by its name; the first one of it.
    pub fn arm(&self, name: ArmName) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.arm == name)
    }

    fn check_fixed(&self) -> Result<(), RecordError> {
        let Fixed { canaries, guesses, threshold, confidence, .. } = self.fixed;
        let (epsilon, delta) = (self.claim.epsilon, self.claim.delta);
        let many = (1..=MOST_CANARIES).contains(&canaries);
        let digits = self.included.bytes().all(|digit| digit == b'0' || digit == b'1');
        let rho = self.claim.rho.is_none_or(|rho| rho > 0.0);
        let runs = self.arms.iter().filter(|arm| arm.arm == ArmName::Run).count();
        let few = self.arms.len() <= 2 && self.secrets.len() <= MOST_SECRETS;
        field(many, "fixed.canaries", "is not from 1 to 1000000")?;
        field(
            (1..=canaries).contains(&guesses),
            "fixed.guesses",
            "is not from 1 to the number of canaries",
        )?;
        field(threshold.is_finite(), "fixed.threshold", "is not finite")?;
        field((0.5..1.0).contains(&confidence), "fixed.confidence", "is not from 0.5 to below 1")?;
        field(delta > 0.0 && delta < 1.0, "claim.delta", "is not between 0 and 1")?;
        field(epsilon.is_none_or(|epsilon| epsilon > 0.0), "claim.epsilon", "is not above 0")?;
        field(rho, "claim.rho", "is not above 0")?;
        field(
            self.included.len() as u64 == canaries && digits,
            "included",
            "is not one digit 0 or 1 for each canary",
        )?;
        field(
            runs == 1 && few,
            "arms",
            "do not hold one run and at most one control beside it, with at most 1000 secrets",
        )?;
        field(self.run.dimension > 0, "run.dimension", "is 0")
    }

    fn check_arm(&self, place: usize, arm: &Arm) -> Result<(), RecordError> {
        let at = |name: &str| format!("arms[{place}].{name}");
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        let scores = arm.scores.len() as u64 == self.fixed.canaries && finite(&arm.scores);
        let secrets = arm.secrets.len() == self.secrets.len() && finite(&arm.secrets);
        let alternatives = self.secrets.is_empty() || !arm.alternatives.is_empty();
        let length = arm.release_length > 0.0 && arm.release_length.is_finite();
        field(scores, at("scores"), "are not one number for each canary")?;
        field(length, at("release_length"), "is not above 0")?;
        field(secrets, at("secrets"), "are not one loss for each secret")?;
        field(
            alternatives && finite(&arm.alternatives),
            at("alternatives"),
            "hold no losses to compare with",
        )
    }
}

fn field(holds: bool, field: impl Into<String>, problem: &'static str) -> Result<(), RecordError> {
    if holds { Ok(()) } else { Err(RecordError::Field { field: field.into(), problem }) }
}

const MOST_CANARIES: u64 = 1_000_000;
const MOST_SECRETS: usize = 1000;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A record in which canaries that were in have a score of `signal` + noise, those that were out only noise: a wave
    /// that takes all values between −1 and 1 evenly.
    pub(in super::super) fn record(signal: f64, canaries: u64, guesses: u64) -> CanaryRecord {
        let included: Vec<bool> = (0..canaries).map(|index| coin(7, index)).collect();
        let arm = |arm, noise_share: f64, signal: f64| Arm {
            arm,
            noise_share,
            scores: (0..canaries)
                .zip(&included)
                .map(|(index, &is)| {
                    let noise = (index * 633 % 1024) as f64 / 512.0 - 1.0;
                    if is { signal + noise } else { noise }
                })
                .collect(),
            release_length: 50.0,
            loss_before: Some(3.0),
            loss_after: Some(2.5),
            secrets: vec![520.0],
            alternatives: (0..1023).map(|loss| 5.5 + f64::from(loss)).collect(),
        };
        CanaryRecord {
            format: CANARY_FORMAT.to_owned(),
            title: "a test".to_owned(),
            adversary: "a test".to_owned(),
            claim: CanaryClaim { epsilon: Some(2.0), delta: 1e-6, rho: None },
            fixed: Fixed { seed: 7, canaries, guesses, threshold: 0.5, confidence: 0.95 },
            run: RunTerms {
                mechanism: "distributed".to_owned(),
                noise_multiplier: Some(1.0),
                clip: 1.0,
                rounds: 1,
                contributions: 1000,
                dimension: 2500,
            },
            included: included.iter().map(|&is| if is { '1' } else { '0' }).collect(),
            secrets: vec![PlantedSecret { repeated: 4 }],
            arms: vec![arm(ArmName::Run, 1.0, signal), arm(ArmName::WithoutNoise, 0.0, 9.0)],
        }
    }

    fn read(record: &CanaryRecord) -> Result<CanaryRecord, RecordError> {
        CanaryRecord::parse(&serde_json::to_vec(record).unwrap())
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = record(0.0, 40, 10);
        assert_eq!(read(&record).unwrap(), record);
        assert_eq!(
            record.included().iter().filter(|&&is| is).count(),
            record.included.matches('1').count()
        );
    }

    #[test]
    fn coins_are_fair_and_those_that_are_documented() {
        let first: String = (0..16).map(|index| if coin(1, index) { '1' } else { '0' }).collect();
        assert_eq!(first, "1011110100001010");
        let heads = (0..100_000).filter(|&index| coin(3, index)).count();
        // Standard deviation 158.
        assert!((49_100..50_900).contains(&heads), "{heads}");
    }

    #[test]
    fn what_does_not_fit_is_refused_by_its_name() {
        type Change = fn(&mut CanaryRecord);
        let changes: [(&str, Change); 14] = [
            ("format", |record| record.format = "murmuration canaries 2".to_owned()),
            ("fixed.canaries", |record| record.fixed.canaries = 0),
            ("fixed.guesses", |record| record.fixed.guesses = 41),
            ("fixed.confidence", |record| record.fixed.confidence = 1.0),
            ("claim.delta", |record| record.claim.delta = 0.0),
            ("claim.epsilon", |record| record.claim.epsilon = Some(-1.0)),
            ("included", |record| record.included.push('1')),
            ("included", |record| record.included.replace_range(3..4, "2")),
            ("arms", |record| drop(record.arms.remove(0))),
            ("arms[1].scores", |record| record.arms[1].scores.truncate(39)),
            ("arms[0].release_length", |record| record.arms[0].release_length = 0.0),
            ("arms[0].secrets", |record| record.arms[0].secrets.clear()),
            ("arms[1].alternatives", |record| record.arms[1].alternatives.clear()),
            ("run.dimension", |record| record.run.dimension = 0),
        ];
        for (name, change) in changes {
            let mut record = record(0.0, 40, 10);
            change(&mut record);
            let error = read(&record).unwrap_err().to_string();
            assert!(error.contains(name), "{name}: {error}");
        }
        for bytes in [&b""[..], b"{}", b"[1, 2]", b"\xff\xfe", b"{\"format\": 1e999}"] {
            let error = CanaryRecord::parse(bytes).unwrap_err();
            assert!(matches!(error, RecordError::Json(_)), "{error}");
        }
    }
}
