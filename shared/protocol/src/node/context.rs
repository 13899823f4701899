//! What a phase may touch while it handles one step.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use privacy::Ledger;
use wire::{Checked, Genesis, LedgerHead, NodeId, Signable, ToCoordinator};

use super::{
    Effect, Event, Phase, Record, Step,
    effect::StayedOut,
    journal::{Journal, Question},
};
use crate::{rejection::Rejection, roster::RosterView, terms::Terms, time::Time};

pub(super) struct Context<'a> {
    pub key: &'a SigningKey,
    pub id: NodeId,
    pub genesis: &'a Genesis,
    pub ledger: &'a mut Ledger,
    pub journal: &'a mut Journal,
    pub seen: &'a mut BTreeMap<NodeId, Checked<LedgerHead>>,
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
            match self.seen.get(&member.id) {
                Some(seen) if seen.sequence > member.ledger.sequence => {
                    let later = ToCoordinator::LaterHead(seen.signed().clone());
                    self.effects.push(Effect::Send(later));
                }
                _ => {
                    self.seen.insert(member.id, member.ledger.clone());
                }
            }
        }
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
