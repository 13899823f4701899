//! The plan: the signed terms of one round (phase 0). A node recomputes from it what the round
//! will cost, and refuses what its policy does not allow.
//!
//! No field is a float: rates are fixed point in units of 2⁻³² (suffix `_q32`).

use serde::{Deserialize, Serialize};

use crate::{
    id::{CoordinatorId, HeaderHash, ModelHash, Round, TaskId, VersionNumber},
    signed::Signable,
};

/// The signed terms of one round. Signed by the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Which task.
    pub task: TaskId,
    /// Which attempt; above every earlier plan's of the task.
    pub round: Round,
    /// The frozen base model.
    pub base: ModelHash,
    /// The head of the version chain that this round builds on.
    pub head: HeaderHash,
    /// The global version that training starts from.
    pub version: VersionNumber,
    /// Which parameters are trained.
    pub adapter: AdapterSpec,
    /// How many they are (d).
    pub dimension: u32,
    /// The shared integer grid.
    pub grid: GridTerms,
    /// The noise that every node adds.
    pub noise: NoiseTerms,
    /// Who must take part, and how many may fail or lie.
    pub cohort: CohortTerms,
    /// How long each phase takes, counted by a node from receipt.
    pub windows: Windows,
    /// What a node trains.
    pub recipe: Recipe,
    /// How the sum becomes the next version.
    pub server: ServerOptimizer,
}

impl Signable for Plan {
    const DOMAIN: &'static str = "murmuration plan v1";
    const LIMIT: usize = 4096;
    type Signer = CoordinatorId;
}

/// Which low-rank adapter is trained. Units: rank and alpha as in Hu et al. 2021 (LoRA).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterSpec {
    /// Which factors are trained.
    pub kind: AdapterKind,
    /// The inner dimension r.
    pub rank: u16,
    /// The numerator of the scaling alpha / r.
    pub alpha: u16,
    /// The adapted projections, each once, in the order q k v o gate up down.
    pub targets: Vec<Projection>,
    /// The seed of the frozen factors.
    pub seed: [u8; 32],
}

/// Which factors of the adapter are trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdapterKind {
    /// FFA-LoRA (Sun et al. 2024): A is frozen, B is trained.
    FfaLora,
    /// LoRA: both are trained.
    Lora,
}

/// A linear map of a transformer layer that an adapter can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Projection {
    /// Attention query.
    Q,
    /// Attention key.
    K,
    /// Attention value.
    V,
    /// Attention output.
    O,
    /// Gate of the feed-forward part.
    Gate,
    /// Up-projection of the feed-forward part.
    Up,
    /// Down-projection of the feed-forward part.
    Down,
}

/// The shared integer grid on which updates are rounded, noised, masked and summed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GridTerms {
    /// The L2 clip of an update, in parameter units.
    pub clip_q32: u64,
    /// Grid units per parameter unit.
    pub scale_q32: u64,
    /// b: sums are taken modulo 2^b.
    pub modulus_bits: u8,
    /// The seed of the randomised Hadamard rotation.
    pub rotation_seed: [u8; 32],
}

/// The noise of one node: a discrete Gaussian of σ = num / den grid units, and how many honest
/// shares of it the sum is counted on to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoiseTerms {
    /// Numerator of σ in grid units.
    pub sigma_numerator: u64,
    /// Denominator of σ in grid units.
    pub sigma_denominator: u64,
    /// Honest noise shares that the charge counts on.
    pub honest: u16,
}

/// Who must take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CohortTerms {
    /// The fewest survivors for which a node reveals anything.
    pub survivors_min: u16,
    /// γ, the largest corrupt fraction of the roster: numerator.
    pub corrupt_numerator: u16,
    /// γ: denominator.
    pub corrupt_denominator: u16,
    /// The largest fraction of the roster that may drop out: numerator.
    pub dropout_numerator: u16,
    /// The largest fraction that may drop out: denominator.
    pub dropout_denominator: u16,
}

/// How long each phase takes, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// From receipt of the plan to the opening of the advertise window.
    pub train_ms: u32,
    /// Within it a node advertises at a random instant.
    pub advertise_ms: u32,
    /// From the roster to the end of sealed shares.
    pub shares_ms: u32,
    /// From the inbox to the end of consistency signatures.
    pub consistency_ms: u32,
    /// Within it a node contributes at a random instant.
    pub contribute_ms: u32,
    /// From the survivors' list to the end of agreement.
    pub survivors_ms: u32,
    /// From the agreements to the end of reveals.
    pub reveal_ms: u32,
}

/// What a node trains: a fixed number of optimiser steps on batches of one shape, so that the
/// time taken does not tell how much data there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Optimiser steps.
    pub steps: u32,
    /// Sequences in a batch.
    pub batch: u16,
    /// Tokens in a sequence, padded.
    pub sequence: u16,
    /// The local optimiser.
    pub optimizer: TrainingOptimizer,
    /// Its learning rate.
    pub learning_rate_q32: u64,
    /// Number format of the matrix products.
    pub precision: Precision,
}

/// The optimiser of local training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrainingOptimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// Momentum.
        momentum_q32: u64,
    },
    /// AdamW (Loshchilov and Hutter 2019) with β = (0.9, 0.999), ε = 1e-8.
    AdamW {
        /// Decoupled weight decay.
        weight_decay_q32: u64,
    },
}

/// Number format of the matrix products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// bfloat16 products on 32-bit parameters.
    Bf16,
}

/// How the mean update becomes the next version (Reddi et al. 2021, Algorithm 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerOptimizer {
    /// The rule.
    pub rule: ServerRule,
    /// η, the server's learning rate.
    pub learning_rate_q32: u64,
}

/// The server optimiser's rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerRule {
    /// x + η·Δ.
    FedAvg,
    /// Momentum on Δ (Hsu et al. 2019).
    FedAvgM {
        /// Momentum β.
        momentum_q32: u64,
    },
    /// Adagrad on Δ.
    FedAdagrad {
        /// τ, the floor of the denominator.
        tau_q32: u64,
    },
    /// Adam on Δ.
    FedAdam {
        /// β₁.
        beta1_q32: u64,
        /// β₂.
        beta2_q32: u64,
        /// τ, the floor of the denominator.
        tau_q32: u64,
    },
    /// Yogi on Δ.
    FedYogi {
        /// β₁.
        beta1_q32: u64,
        /// β₂.
        beta2_q32: u64,
        /// τ, the floor of the denominator.
        tau_q32: u64,
    },
}
