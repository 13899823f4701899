//! What a phase may touch while it handles one step.

use ed25519_dalek::SigningKey;
use privacy::{Ledger, Sampler};
use wire::{Checked, Genesis, MemberSet, NodeId, Signable, ToCoordinator};

use super::{
    Effect, Event, Phase, Record, Step,
    effect::StayedOut,
    journal::{Journal, Question},
    memory::{self, Memory},
    seen::{Comparison, Seen},
};
use crate::{
    policy::{Policy, Refusal},
    rejection::Rejection,
    roster::RosterView,
    terms::Terms,
    time::Time,
};

pub(super) struct Context<'a> {
    pub key: &'a SigningKey,
    pub id: NodeId,
    pub genesis: &'a Genesis,
    pub policy: &'a Policy,
    pub memory: &'a mut Memory,
    pub sampler: Sampler,
    pub ledger: &'a mut Ledger,
    pub journal: &'a mut Journal,
    pub seen: &'a mut Seen,
    pub now: Time,
    pub effects: &'a mut Vec<Effect>,
}

impl Context<'_> {
    pub fn sign<T: Signable>(&self, message: T) -> Checked<T> {
        Checked::sign(message, self.key)
    }

    /// Persists an answer, then sends it.
    pub fn answer(&mut self, question: Question, message: ToCoordinator) {
        self.journal.note(question, message.clone());
        self.effects.push(Effect::Persist(Record::Round(self.journal.clone())));
        self.effects.push(Effect::Send(message));
    }

    pub fn reject(&mut self, rejection: Rejection) {
        self.effects.push(Effect::Reject(rejection));
    }

    pub fn report(&mut self, event: Event) {
        self.effects.push(Effect::Report(event));
    }

    /// Promise 3: tells of members that have shown a longer ledger before, and remembers what they
    /// show now.
    pub fn compare_heads(&mut self, roster: &RosterView) {
        for member in roster.members() {
            let comparison = self.seen.shown(&member.ledger);
            tell_of(comparison, self.effects);
        }
    }

    /// Holds the members of a roster, or of R2, against the owner's policy.
    pub fn judge_cohort(&self, roster: &RosterView, members: MemberSet) -> Result<(), Refusal> {
        self.policy.judge_cohort(&roster.ids(members), self.id, self.memory.familiar())
    }

    /// The owner's policy does not allow what this round has become.
    pub fn refuse(&mut self, terms: &Terms, why: Refusal) -> Phase {
        let (round, now) = (terms.round(), self.now);
        memory::refuse(self.memory, self.policy, round, why.into(), now, self.effects);
        Phase::Waiting
    }

    /// The node goes no further in this round.
    pub fn stay_out(&mut self, terms: &Terms, why: StayedOut) -> Phase {
        self.report(Event::StayedOut { round: terms.round(), why });
        Phase::Waiting
    }

    /// Keeps the phase; a message that nobody waits for is a fault, a stale output or an early
    /// wake-up is not.
    pub fn out_of_phase(&mut self, step: Step, phase: Phase) -> Phase {
        if let Step::Message(_) = step {
            self.reject(Rejection::OutOfPhase);
        }
        phase
    }
}

/// Tells the coordinator, which tells the ledger's owner, and of a contradiction the own owner too.
pub(super) fn tell_of(comparison: Comparison, effects: &mut Vec<Effect>) {
    let known = match comparison {
        Comparison::Fits => return,
        Comparison::Earlier(known) => known,
        Comparison::Forked { known, first } => {
            if first {
                effects.push(Effect::Report(Event::LedgerForked { node: known.claimed_signer() }));
            }
            known
        }
    };
    effects.push(Effect::Send(ToCoordinator::LaterHead(known)));
}
