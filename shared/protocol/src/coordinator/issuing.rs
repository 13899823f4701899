//! Phase 6: the sum becomes a candidate, the gate judges it, and the chain gets its next header.

use std::collections::BTreeSet;

use ed25519_dalek::SigningKey;
use version::{Chain, State};
use wire::{
    AbortReason, Checked, GateResult, Header, MemberIndex, NodeId, Outcome, Round, RoundRecord,
    RoundResult, ToNode,
};

use super::{Effect, Event, Phase, Step, context::Context, revealing::Fixed};
use crate::{
    job::{Fault, Unmasked},
    rejection::Rejection,
};

/// A round whose shares are being put together.
pub(super) struct Unmasking {
    pub fixed: Fixed,
}

/// A round whose candidate is being measured.
pub(super) struct Judging {
    fixed: Fixed,
    record: RoundRecord,
    candidate: State,
}

impl Unmasking {
    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Unmasked(unmasked) if unmasked.round == self.fixed.terms.round() => {
                self.judge(unmasked, context)
            }
            step => context.out_of_phase(step, Phase::Unmasking(self)),
        }
    }

    fn judge(self, unmasked: Unmasked, context: &mut Context<'_>) -> Phase {
        let Self { mut fixed } = self;
        let mut spoilt_by = BTreeSet::new();
        for fault in unmasked.faults {
            spoilt_by.extend(fixed.blame_revealer(fault, context));
        }
        for owner in unmasked.lost.iter() {
            spoilt_by.extend(fixed.blame_dealer(owner, context));
        }
        let packed =
            unmasked.result.ok().and_then(|sum| grid::pack(&sum, fixed.terms.grid.modulus()).ok());
        let Some(sum) = packed else {
            let (round, reason) = (fixed.terms.round(), AbortReason::TooFewReveals);
            return context.abort(round, fixed.transcript, reason, spoilt_by);
        };
        let survivors = fixed.survivors.members.len();
        let plan = fixed.terms.plan();
        let Ok(candidate) = version::next_state(context.state, plan, survivors, &sum) else {
            let (round, reason) = (fixed.terms.round(), AbortReason::TooFewReveals);
            return context.abort(round, fixed.transcript, reason, spoilt_by);
        };
        context.mark(&spoilt_by, fixed.terms.round(), &mut fixed.transcript);
        let finished = fixed.roster.ids(fixed.survivors.members);
        finished.difference(&spoilt_by).for_each(|&node| context.conduct.finished(node));
        let record = RoundRecord {
            plan: plan.signed().clone(),
            roster: fixed.roster.signed().signed().clone(),
            closed: fixed.closed.signed().clone(),
            survivors: fixed.survivors.signed().clone(),
            agreements: fixed.transcript.agreements.clone(),
            sum: sum.into(),
        };
        context.effects.push(Effect::Judge(Box::new(candidate.clone())));
        Phase::Judging(Judging { fixed, record, candidate })
    }
}

impl Fixed {
    /// A share that did not fit: counted for whoever revealed it. Whoever is found out by it: it may
    /// have been dealt so.
    fn blame_revealer(&mut self, fault: Fault, context: &mut Context<'_>) -> Vec<NodeId> {
        let node = self.roster.member(fault.revealer).map(|member| member.id);
        context.report(Event::Faulty { round: self.terms.round(), fault, node });
        if let Some(node) = node {
            context.reject(node, Rejection::BadShare(fault.revealer), &mut self.transcript);
        }
        match (node, self.roster.member(fault.owner)) {
            (Some(node), Some(owner)) => {
                context.disagree(node, owner.id, &self.terms, self.roster.size())
            }
            _ => Vec::new(),
        }
    }

    /// Shares that do not give the secret which was announced: counted for whoever dealt them.
    fn blame_dealer(&mut self, owner: MemberIndex, context: &mut Context<'_>) -> Option<NodeId> {
        let node = self.roster.member(owner)?.id;
        context.reject(node, Rejection::BadDealing(owner), &mut self.transcript);
        Some(node)
    }
}

impl Judging {
    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Judged { loss_micro } => self.issue(loss_micro, context),
            step => context.out_of_phase(step, Phase::Judging(self)),
        }
    }

    fn issue(self, loss_micro: u64, context: &mut Context<'_>) -> Phase {
        let Self { fixed, record, candidate } = self;
        let round = fixed.terms.round();
        let best = context.chain.best_loss_micro().unwrap_or(u64::MAX).min(context.base_loss_micro);
        let gate = version::gate(best, context.settings.gate_tolerance_q32, loss_micro);
        let header =
            next_header(context.chain, context.key, round, outcome(&record, &candidate, gate));
        extend(context.chain, &header);
        let mut transcript = fixed.transcript;
        transcript.header = Some(header.signed().clone());
        transcript.record = Some(record.clone());
        let result = RoundResult { header: header.signed().clone(), record: Some(record.clone()) };
        let state = gate.passes().then(|| candidate.encode());
        context.keep_step(header.signed().clone(), Some(Box::new(record)), state, transcript);
        context.report(if gate.passes() {
            let (version, state) = (header.version, candidate.hash());
            Event::Issued { round, version, state, gate }
        } else {
            Event::Refused { round, gate }
        });
        if gate.passes() {
            *context.state = candidate;
        }
        context.send_all(context.present.iter().copied(), &ToNode::Result(result));
        Phase::Resting
    }
}

fn outcome(record: &RoundRecord, candidate: &State, gate: GateResult) -> Outcome {
    let (record, state) = (record.hash(), candidate.hash());
    if gate.passes() {
        Outcome::Issued { record, state, gate }
    } else {
        Outcome::Refused { record, candidate: state, gate }
    }
}

/// Signs the step after the chain's head.
pub(super) fn next_header(
    chain: &Chain,
    key: &SigningKey,
    round: Round,
    outcome: Outcome,
) -> Checked<Header> {
    let raises = matches!(outcome, Outcome::Issued { .. } | Outcome::RolledBack { .. });
    let version = if raises { chain.version().next() } else { chain.version() };
    let header = Header {
        task: chain.task(),
        index: chain.next_index(),
        round,
        version,
        parent: chain.head(),
        outcome,
    };
    Checked::sign(header, key)
}

/// Appends a header of our own.
///
/// # Panics
/// If it does not follow: that would be a fault of this crate, and history must not go on.
pub(super) fn extend(chain: &mut Chain, header: &Checked<Header>) {
    chain.extend(header.signed()).expect("a header that this coordinator made follows");
}
