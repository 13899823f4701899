//! Phase 0: whether to take part. A plan is held against the chain, the owner's policy, what was before,
//! and the budget, before anything is trained.

use wire::{Checked, Plan, Signed};

use super::{Effect, Event, Node, Phase, Record, advertising::Keying, memory, training::Training};
use crate::{
    policy::{Past, Refusal},
    rejection::Rejection,
    terms::{PlanFault, Terms},
    time::Time,
};

/// Why a plan was not accepted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Declined {
    /// By the owner's policy.
    #[error(transparent)]
    Policy(#[from] Refusal),
    /// Because it makes no round.
    #[error(transparent)]
    Fault(#[from] PlanFault),
}

impl Node {
    /// Phase 0: holds a plan against the chain, the policy and the budget.
    pub(super) fn consider(&mut self, signed: &Signed<Plan>, now: Time, effects: &mut Vec<Effect>) {
        if signed.hash::<wire::PlanHash>() == self.journal.plan() {
            effects.extend(self.journal.answers().map(|answer| Effect::Send(answer.clone())));
            return;
        }
        let plan = match signed.check(self.genesis().coordinator) {
            Ok(plan) => plan,
            Err(error) => return effects.push(Effect::Reject(error.into())),
        };
        if plan.round <= self.journal.round() || plan.round <= self.history.chain().last_round() {
            return effects.push(Effect::Reject(Rejection::OtherRound));
        }
        if plan.head != self.history.chain().head() {
            self.history.want_headers(effects);
        } else {
            self.history.ask(effects);
        }
        self.pending = Some(plan);
        self.take_up(now, effects);
    }

    /// Joins the round of a plan that waits, once the chain and the state that it builds on are here.
    pub(super) fn take_up(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let (head, last) = (self.history.chain().head(), self.history.chain().last_round());
        let has_state = self.history.state().is_some();
        self.pending.take_if(|plan| plan.round <= last);
        let Some(plan) = self.pending.take_if(|plan| plan.head == head && has_state) else {
            return;
        };
        let round = plan.round;
        match self.accept(plan, now) {
            Ok(terms) => self.begin(terms, now, effects),
            Err(why) => memory::refuse(&mut self.memory, &self.policy, round, why, now, effects),
        }
    }

    fn accept(&self, plan: Checked<Plan>, now: Time) -> Result<Terms, Declined> {
        if self.paused {
            return Err(Refusal::Paused.into());
        }
        if !self.has_conversations {
            return Err(Refusal::NothingToTrain.into());
        }
        let terms = Terms::read(plan, self.genesis())?;
        if terms.plan().version != self.history.chain().version() {
            return Err(PlanFault::NotOfTheTask("version").into());
        }
        self.policy.judge(&terms)?;
        self.policy.judge_past(&self.past(now))?;
        self.ledger.afford(&terms.charge).map_err(Refusal::Budget)?;
        Ok(terms)
    }

    /// What was before, from what survives a restart: ledger, chain, journal and memory.
    fn past(&self, now: Time) -> Past {
        let task = self.history.chain().task();
        let last = self.memory.last_round(self.ledger.last_round(task));
        let most = self.policy.separation_min;
        Past {
            participations: self.ledger.participations(task),
            sums_since: last.map(|last| self.history.sums_after(last, most)),
            unfinished: self.journal.unfinished(),
            attempts: self.memory.attempts(now),
        }
    }

    fn begin(&mut self, terms: Terms, now: Time, effects: &mut Vec<Effect>) {
        self.ledger.withdraw();
        let round = terms.round();
        self.memory.begin(now);
        effects.push(Effect::Persist(Record::Memory(self.memory.clone())));
        self.journal.begin(terms.plan());
        effects.push(Effect::Report(Event::Began { round, rho: terms.rho }));
        let reusable = self.trained.take_if(|trained| trained.fits(terms.plan()));
        self.trained = None;
        self.phase = match (reusable, self.history.state()) {
            (Some(trained), _) => Phase::Keying(Keying::begin(terms, trained, now, effects)),
            (None, Some(state)) => Phase::Training(Training::begin(terms, state, now, effects)),
            (None, None) => Phase::Waiting,
        };
    }
}
