//! A node's own limits. Every plan is held against them before anything is trained, and no
//! setting of a coordinator can widen them (promise 2).

use std::{fmt, str::FromStr};

use grid::{Q32, Q40};
use privacy::{Budget, PrivacyError};
use thiserror::Error;

use crate::terms::Terms;

/// How much a person is ready to spend over a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preset {
    /// ε ≤ 2.
    Strict,
    /// ε ≤ 8.
    Default,
    /// ε ≤ 16.
    Research,
    /// No budget: clip, noise and charge remain, but there is no meaningful guarantee. It must
    /// be typed in full, and every report prints it in red.
    None,
}

impl Preset {
    /// The lifetime ε; none without a budget.
    pub fn epsilon(self) -> Option<f64> {
        match self {
            Self::Strict => Some(2.0),
            Self::Default => Some(8.0),
            Self::Research => Some(16.0),
            Self::None => None,
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Default => "default",
            Self::Research => "research",
            Self::None => "none",
        })
    }
}

/// Not the name of a preset.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "\"{0}\" is not a privacy policy: choose strict (ε ≤ 2), default (ε ≤ 8), research (ε ≤ 16) or none (no budget)"
)]
pub struct UnknownPreset(String);

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, UnknownPreset> {
        [Self::Strict, Self::Default, Self::Research, Self::None]
            .into_iter()
            .find(|preset| preset.to_string() == text)
            .ok_or_else(|| UnknownPreset(text.to_owned()))
    }
}

/// A node's limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Where the numbers come from.
    pub preset: Preset,
    /// Over all tasks, for ever.
    pub lifetime: Budget,
    /// For each task.
    pub task: Budget,
    /// The most that one round may cost, a quarter of the lifetime's budget in the presets; also
    /// what a round is counted as of which nothing is known.
    pub rho_per_round_max: Q40,
    /// The smallest γ that a plan must guard against, as a fraction.
    pub corrupt_min: (u16, u16),
    /// The fewest survivors.
    pub survivors_min: u16,
    /// The largest L2 clip.
    pub clip_max: Q32,
    /// The most trained parameters.
    pub dimension_max: u32,
    /// The most optimiser steps of one round.
    pub steps_max: u32,
    /// The most tokens of one training batch.
    pub batch_tokens_max: u32,
    /// The shortest windows in which to advertise and to contribute: shorter ones would show when
    /// training or noise was done.
    pub random_window_ms_min: u32,
    /// The longest window of a plan.
    pub window_ms_max: u32,
    /// The most charged rounds in a row that may end without a sum.
    pub unfinished_max: u32,
}

/// δ of every preset (design.md section 7).
pub const DELTA: f64 = 1e-6;

impl Policy {
    /// The limits of a preset.
    ///
    /// # Errors
    /// Only if ε or δ were outside what the conversion accepts.
    pub fn preset(preset: Preset) -> Result<Self, PrivacyError> {
        let (lifetime, rho_per_round_max) = match preset.epsilon() {
            Some(epsilon) => {
                let budget = Budget::limited(epsilon, DELTA)?;
                let rho = budget.rho().unwrap_or(Q40::MAXIMUM);
                (budget, Q40::from_raw(rho.raw() / 4))
            }
            None => (Budget::Unlimited, Q40::MAXIMUM),
        };
        Ok(Self {
            preset,
            lifetime,
            task: lifetime,
            rho_per_round_max,
            corrupt_min: (1, 10),
            survivors_min: 4,
            clip_max: Q32::from_raw(100 << 32),
            dimension_max: 1 << 20,
            steps_max: 10_000,
            batch_tokens_max: 1 << 16,
            random_window_ms_min: 500,
            window_ms_max: 24 * 3_600_000,
            unfinished_max: 5,
        })
    }

    /// What the ledger enforces of it.
    pub fn limits(&self) -> privacy::Limits {
        privacy::Limits {
            lifetime: self.lifetime,
            task: self.task,
            largest_charge: self.rho_per_round_max,
        }
    }

    /// Holds a plan against these limits; what it may cost is the ledger's to say.
    pub fn judge(&self, terms: &Terms) -> Result<(), Refusal> {
        let plan = terms.plan();
        self.judge_cohort(terms)?;
        self.judge_size(terms)?;
        let windows = &plan.windows;
        let shortest = windows.advertise_ms.min(windows.contribute_ms);
        if shortest < self.random_window_ms_min {
            let limit = self.random_window_ms_min;
            return Err(Refusal::RandomWindow { asked: shortest, limit });
        }
        let longest = [
            windows.train_ms,
            windows.advertise_ms,
            windows.shares_ms,
            windows.consistency_ms,
            windows.contribute_ms,
            windows.survivors_ms,
            windows.reveal_ms,
        ]
        .into_iter()
        .max()
        .unwrap_or(0);
        if longest > self.window_ms_max {
            return Err(Refusal::Window { asked: longest, limit: self.window_ms_max });
        }
        if terms.rho > self.rho_per_round_max {
            return Err(Refusal::RoundCost { asked: terms.rho, limit: self.rho_per_round_max });
        }
        Ok(())
    }

    fn judge_cohort(&self, terms: &Terms) -> Result<(), Refusal> {
        let cohort = &terms.plan().cohort;
        let (numerator, denominator) = self.corrupt_min;
        let asked = u32::from(cohort.corrupt_numerator) * u32::from(denominator);
        if asked < u32::from(numerator) * u32::from(cohort.corrupt_denominator) {
            return Err(Refusal::Corrupt {
                asked: (cohort.corrupt_numerator, cohort.corrupt_denominator),
                limit: self.corrupt_min,
            });
        }
        if cohort.survivors_min < self.survivors_min {
            let (asked, limit) = (cohort.survivors_min, self.survivors_min);
            return Err(Refusal::Survivors { asked, limit });
        }
        Ok(())
    }

    fn judge_size(&self, terms: &Terms) -> Result<(), Refusal> {
        let plan = terms.plan();
        let clip = Q32::from_raw(plan.grid.clip_q32);
        if clip > self.clip_max {
            return Err(Refusal::Clip { asked: clip, limit: self.clip_max });
        }
        if plan.dimension > self.dimension_max {
            return Err(Refusal::Dimension { asked: plan.dimension, limit: self.dimension_max });
        }
        if plan.recipe.steps > self.steps_max {
            return Err(Refusal::Steps { asked: plan.recipe.steps, limit: self.steps_max });
        }
        let tokens = u32::from(plan.recipe.batch) * u32::from(plan.recipe.sequence);
        if tokens > self.batch_tokens_max {
            return Err(Refusal::Batch { asked: tokens, limit: self.batch_tokens_max });
        }
        Ok(())
    }
}

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
    /// Too few survivors would do.
    #[error("the plan is content with {asked} survivors; the policy wants at least {limit}")]
    Survivors {
        /// The plan's n_min.
        asked: u16,
        /// The policy's.
        limit: u16,
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
    /// Too many charges for nothing.
    #[error(
        "{rounds} charged rounds in a row ended without a sum: this looks like somebody drains the budget; check with the swarm's operator, then `murmur-node run --forgive`"
    )]
    Unfinished {
        /// How many.
        rounds: u32,
    },
    /// The owner has paused the node.
    #[error("the node is paused: `murmur-node run` resumes it")]
    Paused,
    /// There is nothing to train on.
    #[error("there are no conversations to train on: `murmur-node import` some")]
    NothingToTrain,
}
