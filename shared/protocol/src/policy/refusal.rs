//! Why a node does not take part, and what its owner would have to allow if it should.

use grid::{Q32, Q40};
use privacy::zcdp_epsilon;
use thiserror::Error;

/// Why a node does not take part in a round: its own decision, told to its owner only.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Refusal {
    /// Lifetime or task budget.
    #[error(transparent)]
    Budget(#[from] privacy::Refusal),
    /// One round costs too much.
    #[error("one round would cost ρ = {asked}, and the policy allows {limit}")]
    RoundCost {
        /// The plan's cost.
        asked: Q40,
        /// The policy's limit.
        limit: Q40,
    },
    /// The plan guards against too few corrupt members.
    #[error("the plan holds only while fewer than {}/{} of the roster are corrupt; the policy wants at least {}/{}", .asked.0, .asked.1, .limit.0, .limit.1)]
    Corrupt {
        /// The plan's γ.
        asked: (u16, u16),
        /// The policy's.
        limit: (u16, u16),
    },
    /// Too few members to hide among.
    #[error("only {asked} nodes take part; the policy wants at least {limit}")]
    Cohort {
        /// Members of the roster, or of R2.
        asked: usize,
        /// The policy's.
        limit: u16,
    },
    /// Too few survivors would do.
    #[error("the plan is content with {asked} survivors; the policy wants at least {limit}")]
    Survivors {
        /// The plan's n_min.
        asked: u16,
        /// The policy's.
        limit: u16,
    },
    /// Too little noise of its own.
    #[error(
        "this node's own noise would be {asked:.4} of the norm bound; the policy wants at least {limit}"
    )]
    OwnNoise {
        /// σ/D2 of the plan.
        asked: f64,
        /// The policy's.
        limit: f64,
    },
    /// Too many strangers.
    #[error(
        "only {asked} of the others have been in a sum that this node has verified; the policy wants at least {limit}"
    )]
    Familiar {
        /// Familiar members.
        asked: usize,
        /// The policy's.
        limit: u16,
    },
    /// Often enough.
    #[error("this node has taken part {rounds} times in this swarm, and the policy allows {limit}")]
    Participations {
        /// How often, lost entries counted.
        rounds: u64,
        /// The policy's.
        limit: u32,
    },
    /// Too soon after the last time.
    #[error(
        "the policy wants {limit} published sums from one participation to the next: {} more must be published before this node takes part again",
        .limit.saturating_sub(*.asked)
    )]
    Separation {
        /// Sums from the last participation to this one.
        asked: u32,
        /// The policy's.
        limit: u32,
    },
    /// Too many charges for nothing.
    #[error(
        "{rounds} charged rounds in a row ended without a sum that this node is in, and the policy allows {limit}: somebody may be draining the budget, or what this node sends comes too late; check with the swarm's operator, then `murmur-node run --forgive`"
    )]
    Unfinished {
        /// How many.
        rounds: u32,
        /// The policy's.
        limit: u32,
    },
    /// Too many rounds in a day.
    #[error("{rounds} rounds were begun within 24 hours, and the policy allows {limit}")]
    Attempts {
        /// How many.
        rounds: u32,
        /// The policy's.
        limit: u32,
    },
    /// Too large a clip.
    #[error("the plan's clip {asked} is above the policy's {limit}")]
    Clip {
        /// The plan's clip.
        asked: Q32,
        /// The policy's.
        limit: Q32,
    },
    /// Too many parameters.
    #[error("the plan trains {asked} parameters; the policy allows {limit}")]
    Dimension {
        /// The plan's d.
        asked: u32,
        /// The policy's.
        limit: u32,
    },
    /// Too long a training.
    #[error("the plan asks for {asked} training steps; the policy allows {limit}")]
    Steps {
        /// The plan's steps.
        asked: u32,
        /// The policy's.
        limit: u32,
    },
    /// Too large a batch.
    #[error("the plan asks for batches of {asked} tokens; the policy allows {limit}")]
    Batch {
        /// The plan's tokens.
        asked: u32,
        /// The policy's.
        limit: u32,
    },
    /// Too long a window.
    #[error("the plan has a window of {asked} ms; the policy allows {limit} ms")]
    Window {
        /// The plan's longest window.
        asked: u32,
        /// The policy's.
        limit: u32,
    },
    /// Too short a window for a random instant.
    #[error(
        "the plan leaves {asked} ms to advertise or contribute; the policy wants at least {limit} ms, so that the instant tells nothing"
    )]
    RandomWindow {
        /// The plan's shorter one.
        asked: u32,
        /// The policy's.
        limit: u32,
    },
    /// The owner has paused the node.
    #[error("the node is paused: `murmur-node run` resumes it")]
    Paused,
    /// There is nothing to train on.
    #[error("there are no conversations to train on: `murmur-node import` some")]
    NothingToTrain,
}

impl Refusal {
    /// The number with which the node would take part, as its owner would write it into `node.toml`;
    /// none where waiting, or another command, is what helps. Budgets are stated at `delta`.
    pub fn would_do(&self, delta: f64) -> Option<String> {
        Some(match self {
            Self::Budget(refusal) => return budget_would_do(refusal, delta),
            Self::RoundCost { asked, .. } => limit("rho_per_round_max", asked.to_f64_up()),
            Self::Corrupt { asked, .. } => {
                limit("corrupt_min", format!("\"{}/{}\"", asked.0, asked.1))
            }
            Self::Cohort { asked, .. } => limit("cohort_min", asked),
            Self::Survivors { asked, .. } => limit("survivors_min", asked),
            Self::OwnNoise { asked, .. } => limit("own_noise_min", asked),
            Self::Familiar { asked, .. } => limit("familiar_min", asked),
            Self::Participations { rounds, .. } => limit("participations_max", rounds + 1),
            Self::Separation { asked, .. } => limit("separation_min", asked),
            Self::Unfinished { rounds, .. } => limit("unfinished_max", rounds + 1),
            Self::Attempts { rounds, .. } => limit("attempts_per_day_max", rounds + 1),
            Self::Clip { asked, .. } => limit("clip_max", asked.to_f64_up()),
            Self::Dimension { asked, .. } => limit("dimension_max", asked),
            Self::Steps { asked, .. } => limit("steps_max", asked),
            Self::Batch { asked, .. } => limit("batch_tokens_max", asked),
            Self::Window { asked, .. } => limit("window_ms_max", asked),
            Self::RandomWindow { asked, .. } => limit("random_window_ms_min", asked),
            Self::Paused | Self::NothingToTrain => return None,
        })
    }
}

fn limit(key: &str, value: impl std::fmt::Display) -> String {
    format!("`{key} = {value}` under [privacy.limits] would do")
}

fn budget_would_do(refusal: &privacy::Refusal, delta: f64) -> Option<String> {
    use privacy::Refusal as Of;
    let epsilon = |spent: Q40, asked| {
        let epsilon = zcdp_epsilon(spent.saturating_add(asked), delta).ok()?;
        Some(format!("{:.3}", (epsilon * 1000.0).ceil() / 1000.0))
    };
    match *refusal {
        Of::Lifetime { asked, spent, .. } => {
            Some(format!("a lifetime's ε of {} would do (δ = {delta:e})", epsilon(spent, asked)?))
        }
        Of::Task { asked, spent, .. } => Some(format!(
            "an ε of {} for this swarm would do: `swarm_epsilon`, or its line under [privacy.swarms]",
            epsilon(spent, asked)?
        )),
        Of::LargestCharge { asked, .. } => Some(limit("rho_per_round_max", asked.to_f64_up())),
        _ => None,
    }
}
