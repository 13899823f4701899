//! What a phase may touch while it handles one step.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::SigningKey;
use version::{Chain, State};
use wire::{
    AbortReason, Checked, Header, LedgerHead, NodeId, Outcome, Round, RoundRecord, RoundResult,
    Signable, Signed, ToNode, Transcript,
};

use super::{
    Effect, Event, Phase, Record, Settings, Step, conduct::Conduct, issuing, pace::Pace, send_all,
};
use crate::{rejection::Rejection, terms::Terms, time::Time};

pub(super) struct Context<'a> {
    pub key: &'a SigningKey,
    pub settings: &'a Settings,
    pub chain: &'a mut Chain,
    pub state: &'a mut State,
    pub base_loss_micro: u64,
    pub present: &'a BTreeSet<NodeId>,
    pub heads: &'a mut BTreeMap<NodeId, Checked<LedgerHead>>,
    pub pace: &'a mut Pace,
    pub conduct: &'a mut Conduct,
    pub kept_conduct: &'a mut Conduct,
    pub now: Time,
    pub effects: &'a mut Vec<Effect>,
}

impl Context<'_> {
    pub fn sign<T: Signable>(&self, message: T) -> Checked<T> {
        Checked::sign(message, self.key)
    }

    pub fn send_all(&mut self, nodes: impl IntoIterator<Item = NodeId>, message: &ToNode) {
        self.effects.extend(send_all(nodes, message));
    }

    pub fn wake(&mut self, at: Time) {
        self.effects.push(Effect::Wake(at));
    }

    pub fn report(&mut self, event: Event) {
        self.effects.push(Effect::Report(event));
    }

    /// Counts a fault, for the operator and in the transcript.
    pub fn reject(&mut self, from: NodeId, why: Rejection, transcript: &mut Transcript) {
        self.effects.push(Effect::Reject { from, why });
        note_fault(transcript, from, why);
    }

    /// Members that have spoilt a round which goes on without them.
    pub fn mark(&mut self, nodes: &BTreeSet<NodeId>, round: Round, transcript: &mut Transcript) {
        for &node in nodes {
            self.conduct.spoilt(node, round);
            note_fault(transcript, node, Rejection::Missing);
            self.report(Event::Spoilt { round, node });
        }
    }

    /// One member's word stands against another's: told, noted for both, and remembered. Whoever is
    /// found out by it.
    pub fn disagree(
        &mut self,
        one: NodeId,
        other: NodeId,
        terms: &Terms,
        roster: usize,
    ) -> Vec<NodeId> {
        self.report(Event::Disagreed { round: terms.round(), one, other });
        self.conduct.disagree(one, other, terms.round(), terms.corrupt_most(roster))
    }

    /// Keeps the phase; a message that nobody waits for is a fault, a late output or an early
    /// wake-up is not.
    pub fn out_of_phase(&mut self, step: Step, phase: Phase) -> Phase {
        if let Step::Message { from, .. } = step {
            self.effects.push(Effect::Reject { from, why: Rejection::OutOfPhase });
        }
        phase
    }

    /// Persists a step of the chain with its round's transcript: who has spoilt the round first, if that is
    /// news, then the whole transcript, so that a restart before the step finds it and loses nothing for the
    /// audit.
    pub fn keep_step(
        &mut self,
        header: Signed<Header>,
        record: Option<Box<RoundRecord>>,
        state: Option<Vec<u8>>,
        transcript: Transcript,
    ) {
        if self.conduct != self.kept_conduct {
            self.kept_conduct.clone_from(self.conduct);
            let conduct = Box::new(self.conduct.clone());
            self.effects.push(Effect::Persist(Record::Conduct(conduct)));
        }
        let transcript = Box::new(transcript);
        self.effects.push(Effect::Persist(Record::Round(transcript.clone())));
        self.effects.push(Effect::Persist(Record::Step { header, record, state }));
        self.effects.push(Effect::Persist(Record::Finished(transcript)));
    }

    /// Ends the round without a sum: signed, linked, told to everybody; with who has spoilt it.
    pub fn abort(
        &mut self,
        round: Round,
        mut transcript: Transcript,
        reason: AbortReason,
        spoilt_by: BTreeSet<NodeId>,
    ) -> Phase {
        for &node in &spoilt_by {
            self.conduct.spoilt(node, round);
            note_fault(&mut transcript, node, Rejection::Missing);
        }
        let outcome = Outcome::Aborted { reason };
        let header = issuing::next_header(self.chain, self.key, round, outcome);
        issuing::extend(self.chain, &header);
        transcript.header = Some(header.signed().clone());
        let header = header.signed().clone();
        self.keep_step(header.clone(), None, None, transcript);
        self.report(Event::Aborted { round, reason, spoilt_by });
        let result = ToNode::Result(RoundResult { header, record: None });
        self.send_all(self.present.iter().copied(), &result);
        Phase::Resting
    }
}

/// Counts a fault in the transcript.
fn note_fault(transcript: &mut Transcript, node: NodeId, why: Rejection) {
    let code = why.code();
    let known = transcript.rejections.iter_mut().find(|r| (r.0, r.1) == (node, code));
    match known {
        Some(rejection) => rejection.2 = rejection.2.saturating_add(1),
        None => transcript.rejections.push((node, code, 1)),
    }
}
