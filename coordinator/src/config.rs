//! `coordinator.toml`: the operator's choices. Every key is documented in
//! `configs/coordinator.toml`.

use model::DeviceChoice;
use serde::{Deserialize, Serialize};

use crate::value::{Fraction, Portion, Positive, Seconds};

/// A coordinator's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorConfig {
    /// What the swarm is called.
    pub task: TaskConfig,
    /// What a round costs those who take part. No default stands for a decision here.
    pub privacy: PrivacyConfig,
    /// Connections.
    pub network: NetworkConfig,
    /// Which parameters are trained; fixed by `init` for the life of the task.
    #[serde(default)]
    pub adapter: AdapterConfig,
    /// When rounds begin.
    #[serde(default)]
    pub round: RoundConfig,
    /// How long each phase takes.
    #[serde(default)]
    pub windows: WindowsConfig,
    /// What nodes train.
    #[serde(default)]
    pub training: TrainingConfig,
    /// How a sum becomes a version.
    #[serde(default)]
    pub server: ServerConfig,
    /// How candidates are judged.
    #[serde(default)]
    pub gate: GateConfig,
    /// What is kept.
    #[serde(default)]
    pub storage: StorageConfig,
}

/// What the swarm is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskConfig {
    /// A name for people.
    pub name: String,
}

/// What a round costs those who take part, and who must.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyConfig {
    /// The L2 clip of an update, in parameter units.
    pub clip: Positive,
    /// z: the noise of `honest` nodes together is z times the sensitivity.
    pub noise_multiplier: Positive,
    /// Honest noise shares that the charge counts on.
    pub honest: u16,
    /// The fewest survivors of a round.
    pub survivors_min: u16,
    /// γ, the largest corrupt fraction of a roster.
    pub corrupt: Fraction,
    /// The largest fraction of a roster that may drop out.
    pub dropout: Fraction,
    /// b: sums are taken modulo 2^b.
    pub modulus_bits: u8,
}

/// Connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Where to listen, as `host:port` or multiaddresses.
    pub listen: Vec<String>,
    /// Where nodes find it, as invites say it.
    #[serde(default)]
    pub announce: Vec<String>,
    /// Sizes and times.
    #[serde(default)]
    pub limits: network::Limits,
}

/// Which parameters are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdapterConfig {
    /// Which factors.
    pub kind: AdapterKind,
    /// The inner dimension r.
    pub rank: u16,
    /// The numerator of alpha / r.
    pub alpha: u16,
    /// The adapted projections.
    pub targets: Vec<wire::Projection>,
}

/// Which factors of the adapter are trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterKind {
    /// A is frozen, B is trained.
    FfaLora,
    /// Both are trained.
    Lora,
}

/// When rounds begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoundConfig {
    /// Nodes that must be present before a round begins.
    pub members_min: u16,
    /// Between the end of a round and the next.
    pub pause_s: Seconds,
}

/// How long each phase takes in the first round; later rounds follow what earlier ones took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WindowsConfig {
    /// From the plan to the opening of the advertise window.
    pub train_s: Seconds,
    /// Within it a node advertises at a random instant.
    pub advertise_s: Seconds,
    /// Sealed shares.
    pub shares_s: Seconds,
    /// Consistency signatures.
    pub consistency_s: Seconds,
    /// Within it a node contributes at a random instant.
    pub contribute_s: Seconds,
    /// Agreement on the survivors.
    pub survivors_s: Seconds,
    /// Reveals.
    pub reveal_s: Seconds,
}

/// What nodes train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Optimiser steps.
    pub steps: u32,
    /// Sequences in a batch.
    pub batch: u16,
    /// Tokens in a sequence, padded.
    pub sequence: u16,
    /// The local optimiser.
    pub optimizer: Optimizer,
    /// Its learning rate.
    pub learning_rate: Positive,
    /// Number format of the matrix products.
    pub precision: Precision,
}

/// The optimiser of local training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// Momentum.
        momentum: Portion,
    },
    /// AdamW.
    AdamW {
        /// Decoupled weight decay.
        weight_decay: Portion,
    },
}

/// Number format of the matrix products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
}

/// How a sum becomes a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The rule.
    pub rule: Rule,
    /// η.
    pub learning_rate: Positive,
}

/// The server optimiser's rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Rule {
    /// x + η·Δ.
    FedAvg,
    /// Momentum on Δ.
    FedAvgM {
        /// Momentum β.
        momentum: Portion,
    },
    /// Adagrad on Δ.
    FedAdagrad {
        /// τ.
        tau: Positive,
    },
    /// Adam on Δ.
    FedAdam {
        /// β₁.
        beta1: Portion,
        /// β₂.
        beta2: Portion,
        /// τ.
        tau: Positive,
    },
    /// Yogi on Δ.
    FedYogi {
        /// β₁.
        beta1: Portion,
        /// β₂.
        beta2: Portion,
        /// τ.
        tau: Positive,
    },
}

/// How candidates are judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateConfig {
    /// How much worse than the best version a candidate may be.
    pub tolerance: Portion,
    /// Most threads of a judgement.
    pub threads: u16,
    /// Where it is computed.
    pub device: DeviceChoice,
}

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// The newest versions whose states are kept, besides version 0; 0 keeps all.
    pub keep_versions: u64,
}

impl Default for AdapterConfig {
    fn default() -> Self {
        use wire::Projection::{Q, V};
        Self { kind: AdapterKind::FfaLora, rank: 4, alpha: 8, targets: vec![Q, V] }
    }
}

impl Default for RoundConfig {
    fn default() -> Self {
        Self { members_min: 4, pause_s: seconds(1.0) }
    }
}

impl Default for WindowsConfig {
    fn default() -> Self {
        let [train_s, advertise_s, contribute_s] = [600.0, 60.0, 60.0].map(seconds);
        let [shares_s, consistency_s, survivors_s, reveal_s] = [60.0; 4].map(seconds);
        Self { train_s, advertise_s, shares_s, consistency_s, contribute_s, survivors_s, reveal_s }
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            steps: 16,
            batch: 4,
            sequence: 128,
            optimizer: Optimizer::AdamW { weight_decay: portion(0.0) },
            learning_rate: positive(0.01),
            precision: Precision::F32,
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { rule: Rule::FedAvg, learning_rate: positive(1.0) }
    }
}

impl Default for GateConfig {
    fn default() -> Self {
        Self { tolerance: portion(0.02), threads: 2, device: DeviceChoice::Auto }
    }
}

fn positive(value: f64) -> Positive {
    value.try_into().expect("a default of this file is above 0")
}

fn portion(value: f64) -> Portion {
    value.try_into().expect("a default of this file is below 1")
}

fn seconds(value: f64) -> Seconds {
    value.try_into().expect("a default of this file is a window's length")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SHIPPED: &str = include_str!("../../configs/coordinator.toml");
    const NAME: &str = "coordinator.toml";

    fn refused(text: &str) -> String {
        program::parse_toml::<CoordinatorConfig>(text, Path::new(NAME)).unwrap_err().to_string()
    }

    fn line_of(text: &str, line: &str) -> usize {
        1 + text.lines().position(|found| found == line).unwrap()
    }

    #[test]
    fn the_shipped_file_says_what_the_defaults_are() {
        let shipped: CoordinatorConfig = toml(SHIPPED);
        assert_eq!(shipped.adapter, AdapterConfig::default());
        assert_eq!(shipped.round, RoundConfig::default());
        assert_eq!(shipped.windows, WindowsConfig::default());
        assert_eq!(shipped.training, TrainingConfig::default());
        assert_eq!(shipped.server, ServerConfig::default());
        assert_eq!(shipped.gate, GateConfig::default());
        assert_eq!(shipped.storage, StorageConfig::default());
        assert_eq!(shipped.network.limits, network::Limits::default());
    }

    #[test]
    fn every_privacy_key_must_be_written() {
        for key in ["clip", "noise_multiplier", "honest"] {
            let cut: String = SHIPPED
                .lines()
                .filter(|line| !line.starts_with(&format!("{key} =")))
                .map(|line| format!("{line}\n"))
                .collect();
            assert!(cut.len() < SHIPPED.len(), "{key} stands in the shipped file");
            let error = refused(&cut);
            assert!(error.contains(&format!("`{key}` is missing")), "{error}");
            let line = line_of(&cut, "[privacy]");
            assert!(error.starts_with(&format!("{NAME}:{line}:1 ")), "{error}");
        }
    }

    #[test]
    fn errors_name_line_and_key() {
        let mistyped = SHIPPED.replace("\nmembers_min", "\nmember_min");
        let line = line_of(&mistyped, "member_min = 4");
        let error = refused(&mistyped);
        assert!(error.starts_with(&format!("{NAME}:{line}:1 in [round]")), "{error}");
        assert!(error.contains("did you mean `members_min`"), "{error}");
        let wrong = SHIPPED.replace("\ncorrupt = \"1/10\"", "\ncorrupt = \"one tenth\"");
        let line = line_of(&wrong, "corrupt = \"one tenth\"");
        let error = refused(&wrong);
        assert!(error.starts_with(&format!("{NAME}:{line}:")), "{error}");
        assert!(error.contains("is not a fraction below 1"), "{error}");
    }

    #[test]
    fn rules_and_optimisers_are_read_with_their_own_numbers() {
        let text = SHIPPED
            .replace(
                "\nrule = \"fedavg\"",
                "\nrule = { fedadam = { beta1 = 0.9, beta2 = 0.99, tau = 1e-3 } }",
            )
            .replace(
                "\noptimizer = { adamw = { weight_decay = 0.0 } }",
                "\noptimizer = { sgd = { momentum = 0 } }",
            );
        let config = toml(&text);
        assert_eq!(config.training.optimizer, Optimizer::Sgd { momentum: portion(0.0) });
        let (beta1, beta2) = (portion(0.9), portion(0.99));
        assert_eq!(config.server.rule, Rule::FedAdam { beta1, beta2, tau: positive(1e-3) });
        let foreign = text.replace("tau = 1e-3", "tau = 1e-3, momentum = 0.9");
        assert!(refused(&foreign).contains("momentum"), "a number that nobody reads is an error");
    }

    fn toml(text: &str) -> CoordinatorConfig {
        program::parse_toml(text, Path::new(NAME)).unwrap()
    }
}
