//! Phase 5a: the survivors sign one list of survivors.

use std::collections::BTreeMap;

use secagg::RunningSum;
use wire::{
    AbortReason, Agreement, Checked, MemberIndex, MemberSet, NodeId, SharesClosed, Signed,
    Survivors, ToCoordinator, ToNode, Transcript,
};

use super::{
    Phase, Step,
    context::Context,
    pace,
    revealing::{Fixed, Revealing},
};
use crate::{rejection::Rejection, roster::RosterView, terms::Terms, time::Time};

/// A round between its survivors and their agreement.
pub(super) struct Agreeing {
    terms: Terms,
    transcript: Transcript,
    roster: RosterView,
    closed: Checked<SharesClosed>,
    survivors: Checked<Survivors>,
    /// Of the survivors' contributions.
    sum: RunningSum,
    agreed: BTreeMap<MemberIndex, Signed<Agreement>>,
    opened: Time,
    closes: Time,
}

impl Agreeing {
    pub fn begin(
        terms: Terms,
        transcript: Transcript,
        roster: RosterView,
        closed: Checked<SharesClosed>,
        survivors: Checked<Survivors>,
        sum: RunningSum,
        context: &mut Context<'_>,
    ) -> Self {
        let question = ToNode::Survivors(survivors.signed().clone());
        let nodes: Vec<NodeId> =
            survivors.members.iter().map(|member| roster.members()[member.get()].id).collect();
        context.send_all(nodes, &question);
        let closes = context.now + terms.plan().windows.survivors_ms;
        context.wake(closes);
        let (opened, agreed) = (context.now, BTreeMap::new());
        Self { terms, transcript, roster, closed, survivors, sum, agreed, opened, closes }
    }

    /// When it must look at the clock again.
    pub fn alarm(&self) -> Time {
        self.closes
    }

    pub fn question_for(&self, node: NodeId) -> Option<ToNode> {
        let place = self.roster.place(node)?;
        let asked = self.survivors.members.contains(place) && !self.agreed.contains_key(&place);
        asked.then(|| ToNode::Survivors(self.survivors.signed().clone()))
    }

    pub fn handle(mut self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message { from, message: ToCoordinator::Agreement(agreement) } => {
                if let Err(why) = self.take(from, agreement) {
                    context.reject(from, why, &mut self.transcript);
                }
                self.close_if_due(context)
            }
            Step::Wake => self.close_if_due(context),
            Step::Gone => Phase::Agreeing(self),
            step => context.out_of_phase(step, Phase::Agreeing(self)),
        }
    }

    fn take(&mut self, from: NodeId, signed: Signed<Agreement>) -> Result<(), Rejection> {
        let place = self.roster.place(from).ok_or(Rejection::NotAMember)?;
        if !self.survivors.members.contains(place) {
            return Err(Rejection::NotAMember);
        }
        match self.agreed.get(&place) {
            Some(known) if *known == signed => return Ok(()),
            Some(_) => return Err(Rejection::Contradiction),
            None => {}
        }
        let agreement = signed.check(from)?;
        if agreement.task != self.survivors.task || agreement.round != self.survivors.round {
            return Err(Rejection::OtherRound);
        }
        if agreement.survivors != self.survivors.hash() {
            return Err(Rejection::OtherTerms);
        }
        self.agreed.insert(place, signed);
        Ok(())
    }

    fn close_if_due(self, context: &mut Context<'_>) -> Phase {
        let everybody = self.agreed.len() == self.survivors.members.len();
        if everybody || context.now >= self.closes {
            return self.close(everybody, context);
        }
        Phase::Agreeing(self)
    }

    fn close(self, everybody: bool, context: &mut Context<'_>) -> Phase {
        let Self { terms, mut transcript, roster, closed, survivors, sum, agreed, opened, .. } =
            self;
        match everybody {
            true => context.pace.complete(pace::Phase::Survivors, opened, context.now),
            false => context.pace.incomplete(pace::Phase::Survivors),
        }
        let count = agreed.len();
        let agreeing: MemberSet = agreed.keys().copied().collect();
        transcript.agreements = agreed.into_values().collect();
        if count < roster.threshold() {
            let missing = roster.ids(survivors.members.minus(agreeing));
            let reason = AbortReason::TooFewAgreements;
            return context.abort(terms.round(), transcript, reason, missing);
        }
        let fixed = Fixed { terms, transcript, roster, closed, survivors };
        Phase::Revealing(Revealing::begin(fixed, sum, context))
    }
}
