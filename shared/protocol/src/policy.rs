//! A node's own limits. Every plan is held against them before anything is trained, and every cohort
//! before anything is dealt or sent; no setting of a coordinator can widen them (promise 2).

mod choices;
mod preset;
mod refusal;

use std::collections::BTreeSet;

use grid::{Q32, Q40};
use privacy::{Budget, PrivacyError};
use wire::NodeId;

use crate::terms::Terms;

pub use choices::{Choices, ChoicesError, Fraction, Limits};
pub use preset::{Preset, UnknownPreset};
pub use refusal::Refusal;

/// A node's limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Where the numbers come from.
    pub preset: Preset,
    /// Over all tasks, for ever.
    pub lifetime: Budget,
    /// For the task at hand.
    pub task: Budget,
    /// The δ at which budgets are stated.
    pub delta: f64,
    /// The most that one round may cost, a quarter of the lifetime's budget in the presets; also
    /// what a round is counted as of which nothing is known.
    pub rho_per_round_max: Q40,
    /// The smallest γ that a plan must guard against, as a fraction.
    pub corrupt_min: (u16, u16),
    /// The fewest members, of the roster and of R2.
    pub cohort_min: u16,
    /// The fewest survivors.
    pub survivors_min: u16,
    /// The least noise of this node alone: its σ over the norm bound D2. It is what protects where
    /// everybody else lies.
    pub own_noise_min: f64,
    /// How many other members of a cohort must have been in a sum that this node has verified.
    pub familiar_min: u16,
    /// The most participations in one task; none: as many as the budget holds.
    pub participations_max: Option<u32>,
    /// From one participation to the next, in published sums: 1 allows every round.
    pub separation_min: u32,
    /// The most charged rounds in a row that may end without a sum that this node is in.
    pub unfinished_max: u32,
    /// The most rounds that may be begun within 24 hours.
    pub attempts_per_day_max: u32,
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
}

/// δ of every preset.
pub const DELTA: f64 = 1e-6;

/// What a ledger, a chain and the node's memory say of the past, at the time of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// How often the node has taken part in the task, lost entries counted.
    pub participations: u64,
    /// How many sums were published since the round that it last took part in; none if it never has.
    pub sums_since: Option<u32>,
    /// Charged rounds in a row that ended without a sum that this node is in.
    pub unfinished: u32,
    /// Rounds that were begun within the last 24 hours.
    pub attempts: u32,
}

impl Policy {
    /// The limits of a preset.
    ///
    /// # Errors
    /// Only if ε or δ were outside what the conversion accepts.
    pub fn preset(preset: Preset) -> Result<Self, PrivacyError> {
        let (lifetime, rho_per_round_max) = match preset.epsilon() {
            Some(epsilon) => {
                let budget = Budget::limited(epsilon, DELTA)?;
                (budget, quarter(&budget))
            }
            None => (Budget::Unlimited, Q40::MAXIMUM),
        };
        Ok(Self {
            preset,
            lifetime,
            task: lifetime,
            delta: DELTA,
            rho_per_round_max,
            corrupt_min: (1, 10),
            cohort_min: 4,
            survivors_min: 4,
            own_noise_min: if preset == Preset::None { 0.0 } else { 0.1 },
            familiar_min: 0,
            participations_max: None,
            separation_min: 1,
            unfinished_max: 5,
            attempts_per_day_max: 1_000,
            clip_max: Q32::from_raw(100 << 32),
            dimension_max: 1 << 20,
            steps_max: 10_000,
            batch_tokens_max: 1 << 16,
            random_window_ms_min: 500,
            window_ms_max: 24 * 3_600_000,
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
    ///
    /// # Errors
    /// The first limit that it is beyond.
    pub fn judge(&self, terms: &Terms) -> Result<(), Refusal> {
        self.judge_terms(terms)?;
        self.judge_size(terms)?;
        self.judge_windows(terms)?;
        if terms.rho > self.rho_per_round_max {
            return Err(Refusal::RoundCost { asked: terms.rho, limit: self.rho_per_round_max });
        }
        Ok(())
    }

    /// Holds one more participation against what was before.
    ///
    /// # Errors
    /// The first limit that it is beyond.
    pub fn judge_past(&self, past: &Past) -> Result<(), Refusal> {
        if past.unfinished >= self.unfinished_max {
            let (rounds, limit) = (past.unfinished, self.unfinished_max);
            return Err(Refusal::Unfinished { rounds, limit });
        }
        if past.attempts >= self.attempts_per_day_max {
            let (rounds, limit) = (past.attempts, self.attempts_per_day_max);
            return Err(Refusal::Attempts { rounds, limit });
        }
        if let Some(limit) = self.participations_max
            && past.participations >= u64::from(limit)
        {
            return Err(Refusal::Participations { rounds: past.participations, limit });
        }
        let separation = past.sums_since.map(|sums| sums.saturating_add(1));
        match separation.filter(|&separation| separation < self.separation_min) {
            Some(asked) => Err(Refusal::Separation { asked, limit: self.separation_min }),
            None => Ok(()),
        }
    }

    /// Holds the members of a roster, or of R2, against these limits: `own` is this node, `familiar`
    /// are those who have been in a sum that it has verified.
    ///
    /// # Errors
    /// The first limit that they are beyond.
    pub fn judge_cohort(
        &self,
        members: &BTreeSet<NodeId>,
        own: NodeId,
        familiar: &BTreeSet<NodeId>,
    ) -> Result<(), Refusal> {
        if members.len() < usize::from(self.cohort_min) {
            return Err(Refusal::Cohort { asked: members.len(), limit: self.cohort_min });
        }
        let known = members.iter().filter(|id| **id != own && familiar.contains(*id)).count();
        if known < usize::from(self.familiar_min) {
            return Err(Refusal::Familiar { asked: known, limit: self.familiar_min });
        }
        Ok(())
    }

    fn judge_terms(&self, terms: &Terms) -> Result<(), Refusal> {
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
        let asked = terms.sigma.to_f64_down() / (terms.grid.squared_norm_bound() as f64).sqrt();
        if asked < self.own_noise_min {
            return Err(Refusal::OwnNoise { asked, limit: self.own_noise_min });
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

    fn judge_windows(&self, terms: &Terms) -> Result<(), Refusal> {
        let windows = &terms.plan().windows;
        let shortest = windows.advertise_ms.min(windows.contribute_ms);
        if shortest < self.random_window_ms_min {
            let limit = self.random_window_ms_min;
            return Err(Refusal::RandomWindow { asked: shortest, limit });
        }
        let others = [
            windows.train_ms,
            windows.shares_ms,
            windows.consistency_ms,
            windows.survivors_ms,
            windows.reveal_ms,
        ];
        let longest = windows.advertise_ms.max(windows.contribute_ms);
        let longest = others.into_iter().fold(longest, u32::max);
        if longest > self.window_ms_max {
            return Err(Refusal::Window { asked: longest, limit: self.window_ms_max });
        }
        Ok(())
    }
}

/// A quarter of a budget: what one round may cost where the owner says nothing else.
fn quarter(budget: &Budget) -> Q40 {
    budget.rho().map_or(Q40::MAXIMUM, |rho| Q40::from_raw(rho.raw() / 4))
}
