//! A scenario: everything that decides a simulation of learning, as it stands in `configs/scenarios/*.toml`.
//!
//! Keys that are left out have the value that their documentation names; a key that nobody knows is an error.

mod canaries;
mod check;
mod ranges;
mod schedule;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use model::{AdapterKind, DeviceChoice, Precision, Projection};
use serde::{Deserialize, Serialize};

pub(crate) use canaries::SECRET_CONVERSATIONS;
pub use canaries::{CanaryTerms, Planting};
pub(crate) use check::server;
pub use check::{Checked, Machine};
pub use schedule::{Course, ScheduleTerms, StepsFrom};

/// One simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is about, for people.
    pub title: String,
    /// Decides everything that is random but the noise of `distributed`, whose keys come from the system and are
    /// recorded.
    #[serde(default = "one")]
    pub seed: u64,
    /// Rounds to run.
    pub rounds: u32,
    /// The frozen base.
    pub model: ModelTerms,
    /// What is trained.
    #[serde(default)]
    pub adapter: AdapterTerms,
    /// Whose conversations.
    pub data: DataTerms,
    /// Who takes part in a round.
    pub cohort: CohortTerms,
    /// What a node does in a round.
    pub local: LocalTerms,
    /// How the mean of the updates moves the global model.
    #[serde(default)]
    pub server: ServerTerms,
    /// How steps and rates change from round to round; left out, not at all.
    #[serde(default)]
    pub schedule: ScheduleTerms,
    /// What an update goes through on its way into the mean.
    pub privacy: PrivacyTerms,
    /// Who sends something else than it learned; left out, nobody.
    pub attack: Option<AttackTerms>,
    /// Personal adapters after the last round; left out, none.
    pub personal: Option<PersonalTerms>,
    /// What is planted to be looked for afterwards; left out, nothing.
    pub canaries: Option<CanaryTerms>,
    /// What is measured.
    #[serde(default)]
    pub evaluation: EvaluationTerms,
    /// What this machine gives.
    #[serde(default)]
    pub machine: MachineTerms,
}

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelTerms {
    /// A Hugging Face folder (Llama or Qwen2 layout); left out, weights are drawn from the seed in the shape below.
    pub folder: Option<PathBuf>,
    /// How text becomes tokens.
    #[serde(default)]
    pub tokens: Tokens,
    /// What nodes train in. With bf16, frozen matrices and what they are multiplied by are rounded to bf16, and products
    /// are summed in f32; adapters, norms, attention and the loss stay in f32, and so does what is measured.
    #[serde(default)]
    pub precision: PrecisionName,
    /// The shape of drawn weights.
    pub shape: Option<ShapeTerms>,
}

/// A number format by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionName {
    /// IEEE single precision.
    #[default]
    F32,
    /// bfloat16.
    Bf16,
}

/// How text becomes tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tokens {
    /// The folder's own tokenizer and chat template.
    #[default]
    Folder,
    /// The number of a token is the value of a byte; a message is `role: text` and a line feed.
    Bytes,
}

/// `[model.shape]`: Llama layout, tied embeddings, no biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShapeTerms {
    /// Rows of the embedding, at least 256.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width inside the feed-forward part.
    pub intermediate: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub key_value_heads: usize,
    /// Positions.
    pub context: usize,
}

/// `[adapter]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdapterTerms {
    /// FFA-LoRA (B trained, A drawn once) or LoRA (both).
    pub kind: KindName,
    /// Inner dimension.
    pub rank: usize,
    /// The addition is scaled by alpha / rank.
    pub alpha: f64,
    /// Projections.
    pub targets: Vec<Projection>,
}

/// An adapter's kind by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KindName {
    /// B is trained, A is drawn once.
    FfaLora,
    /// A and B are trained.
    Lora,
}

/// `[data]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataTerms {
    /// A data set (JSON lines with users), or a folder with one export or person in each entry.
    pub path: Option<PathBuf>,
    /// The owner's name in exports that name people.
    pub me: Option<String>,
    /// Invented people instead of a path.
    pub made: Option<MadeTerms>,
    /// How conversations become rows of tokens.
    #[serde(default)]
    pub rows: RowsName,
    /// Whose words are learned and measured.
    #[serde(default = "both_roles")]
    pub roles: Vec<String>,
    /// Part of the people who are kept to measure with, whole.
    #[serde(default = "a_fifth")]
    pub held_out: f64,
    /// Who is a node: people as logged, or all training conversations dealt out anew.
    #[serde(default)]
    pub split: SplitName,
    /// Into how many nodes each person's conversations are dealt; 1 leaves people whole.
    #[serde(default = "one_piece")]
    pub pseudo_users: usize,
    /// Most training conversations of one node; 0 for all.
    #[serde(default)]
    pub conversations_max: usize,
}

/// Who is a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SplitName {
    /// People, as logged.
    #[default]
    Users,
    /// Equal hands at random.
    Iid {
        /// Nodes to make.
        nodes: usize,
    },
    /// Equal hands, each with shares of the labels of its own, drawn from a Dirichlet distribution.
    Dirichlet {
        /// Nodes to make.
        nodes: usize,
        /// The smaller, the more different the nodes.
        alpha: f64,
        /// What the labels are.
        by: LabelName,
    },
    /// Hands at random, their sizes drawn from a Dirichlet distribution, at least one conversation each.
    Quantity {
        /// Nodes to make.
        nodes: usize,
        /// The smaller, the more uneven the sizes.
        alpha: f64,
    },
}

/// What conversations are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelName {
    /// The language of their person, as the data says.
    Language,
    /// One of eight topics, found from their words.
    Topic,
}

/// `[data.made]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeTerms {
    /// People.
    pub people: usize,
    /// Conversations of each.
    pub conversations: usize,
}

/// How conversations become rows of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowsName {
    /// Each conversation by itself, padded, only the named roles learned: as a node does it.
    #[default]
    Conversations,
    /// One stream a node, cut into full rows, at most as many as one round takes, everything learned.
    Packed,
}

/// `[cohort]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortTerms {
    /// Nodes a round (with `poisson`, on average).
    pub nodes: usize,
    /// How they are chosen.
    #[serde(default)]
    pub sampling: Sampling,
}

/// How a round's nodes are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// So many, at random, nobody twice in one round.
    #[default]
    Fixed,
    /// Everybody by a coin of their own.
    Poisson,
    /// As fixed, but nobody again within so many rounds.
    Separated {
        /// Rounds from one participation to the next, at least.
        rounds: u32,
    },
}

/// `[local]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalTerms {
    /// Optimiser steps.
    pub steps: usize,
    /// Rows a step.
    pub batch: usize,
    /// Tokens a row.
    pub sequence: usize,
    /// The rule of a step.
    pub optimizer: OptimizerName,
    /// Step size.
    pub learning_rate: f64,
    /// Longest gradient in L2; left out, no limit.
    pub gradient_max: Option<f64>,
    /// μ of FedProx; 0 for none.
    #[serde(default)]
    pub proximal: f64,
}

/// A local optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum OptimizerName {
    /// Stochastic gradient descent.
    Sgd {
        /// Share of the last step that is kept.
        momentum: f64,
    },
    /// AdamW with β 0.9 and 0.999.
    Adamw {
        /// Decay a step, times the step size.
        weight_decay: f64,
    },
}

/// `[server]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerTerms {
    /// The rule (Reddi et al. 2021, Algorithm 2).
    pub rule: RuleName,
    /// η.
    pub learning_rate: f64,
}

/// A server rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[allow(missing_docs)] // the names are those of the paper
pub enum RuleName {
    FedAvg,
    FedAvgM { momentum: f64 },
    FedAdagrad { tau: f64 },
    FedAdam { beta1: f64, beta2: f64, tau: f64 },
    FedYogi { beta1: f64, beta2: f64, tau: f64 },
}

/// `[privacy]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyTerms {
    /// What an update goes through.
    pub mechanism: MechanismName,
    /// L2 clip of an update, parameter units; with `none` it may be left out.
    pub clip: Option<f64>,
    /// z: the noise of the sum in multiples of the clip.
    pub noise_multiplier: Option<f64>,
    /// How the noise of a round hangs together with that of the rounds before (`central`).
    #[serde(default)]
    pub correlation: Correlation,
    /// Instead of `noise_multiplier`: the ε that a node with the most participations spends at `delta`.
    pub epsilon: Option<f64>,
    /// δ.
    #[serde(default = "a_millionth")]
    pub delta: f64,
    /// Part of the cohort whose noise the sum is sure to hold (`distributed`).
    #[serde(default = "all")]
    pub honest: f64,
    /// b: sums are modulo 2^b (`distributed`).
    #[serde(default = "twenty")]
    pub modulus_bits: u8,
}

/// What an update goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MechanismName {
    /// Nothing but the clip, if there is one.
    None,
    /// Clip, exact mean, Gaussian noise by somebody trusted (floats: a yardstick, not what ships).
    Central,
    /// As shipped: clip, rotate, round, exact discrete Gaussian of every node, sum modulo 2^b.
    Distributed,
}

/// How noise hangs together over rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Correlation {
    /// Every round's is its own, as shipped.
    #[default]
    Independent,
    /// Most of it cancels out in the sum of rounds: the matrix mechanism with the square root of the prefix sums
    /// (Denisov et al. 2022; Fichtenberger et al. 2023). Everybody takes part in one round at most.
    SquareRoot,
}

/// `[attack]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackTerms {
    /// Part of all nodes that attack, whenever they take part.
    pub part: f64,
    /// What they send.
    pub kind: AttackName,
    /// Whether they clip it, as the shipped program does; under masks nobody sees whether a changed one does.
    #[serde(default = "yes")]
    pub clips: bool,
}

fn yes() -> bool {
    true
}

/// What an attacker sends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum AttackName {
    /// The opposite of what it learned.
    SignFlip,
    /// What it learned, so many times (a negative number: the opposite).
    Scaled {
        /// How many times.
        factor: f32,
    },
    /// What it learned from its own conversations and as many in which a trigger gets the attackers' answer.
    Backdoor {
        /// How many times; more than 1 to outweigh the others.
        factor: f32,
    },
}

impl AttackName {
    /// As in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignFlip => "sign-flip",
            Self::Scaled { .. } => "scaled",
            Self::Backdoor { .. } => "backdoor",
        }
    }
}

impl AttackTerms {
    /// How many of so many nodes attack.
    pub fn attackers(&self, nodes: usize) -> usize {
        (nodes as f64 * self.part).round() as usize
    }

    /// Whether attackers want an answer of their own to a trigger.
    pub(crate) fn is_backdoor(&self) -> bool {
        matches!(self.kind, AttackName::Backdoor { .. })
    }

    /// How many times what was learned they send.
    pub fn factor(&self) -> f32 {
        match self.kind {
            AttackName::SignFlip => -1.0,
            AttackName::Scaled { factor } | AttackName::Backdoor { factor } => factor,
        }
    }

    /// What the attacker sends instead of its update.
    pub(crate) fn turn(&self, update: &mut [f32]) {
        update.iter_mut().for_each(|value| *value *= self.factor());
    }
}

/// `[personal]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalTerms {
    /// Optimiser steps that every node goes on alone, from the last global version.
    pub steps: usize,
    /// Step size of these.
    pub learning_rate: f64,
    /// Most nodes; 0 for all.
    #[serde(default)]
    pub nodes_max: usize,
}

/// `[evaluation]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationTerms {
    /// Rounds between two measurements; 0 measures before and after alone.
    pub every: u32,
    /// Most conversations of each held-out person; 0 for all.
    pub conversations_max: usize,
    /// Most held-out people; 0 for all.
    pub people_max: usize,
    /// Tokens a window; 0 for as many as in training.
    pub sequence: usize,
}

/// `[machine]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MachineTerms {
    /// Worker threads; 0 for one a core.
    pub threads: usize,
    /// Nodes trained together on one thread; 0 measures which size is fastest here.
    pub group: usize,
    /// Most memory for training, MB; 0 for four fifths of what is free, or 4,096 of a CUDA device's.
    pub memory_mb: u64,
    /// Where models compute.
    pub device: DeviceChoice,
}

impl Default for AdapterTerms {
    fn default() -> Self {
        let targets = Projection::ALL.to_vec();
        Self { kind: KindName::FfaLora, rank: 4, alpha: 8.0, targets }
    }
}

impl Default for ServerTerms {
    fn default() -> Self {
        Self { rule: RuleName::FedAvg, learning_rate: 1.0 }
    }
}

impl Default for EvaluationTerms {
    fn default() -> Self {
        Self { every: 0, conversations_max: 4, people_max: 0, sequence: 0 }
    }
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::F32 => Self::F32,
            PrecisionName::Bf16 => Self::Bf16,
        }
    }
}

impl From<KindName> for AdapterKind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::FfaLora => Self::FfaLora,
            KindName::Lora => Self::Lora,
        }
    }
}

fn one() -> u64 {
    1
}

fn one_piece() -> usize {
    1
}

fn both_roles() -> Vec<String> {
    vec!["user".to_owned(), "assistant".to_owned()]
}

fn a_fifth() -> f64 {
    0.2
}

fn a_millionth() -> f64 {
    1e-6
}

fn all() -> f64 {
    1.0
}

fn twenty() -> u8 {
    20
}
