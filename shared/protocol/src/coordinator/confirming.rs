//! Phase 3b: every member of R2 signs what it saw; t of the same open phase 4.

use std::collections::BTreeMap;

use wire::{
    AbortReason, Checked, Consistency, Inbox, MemberIndex, NodeId, SharesClosed, Signed,
    ToCoordinator, ToNode, Transcript,
};

use super::{Effect, Phase, Step, collecting::Collecting, context::Context, pace};
use crate::{rejection::Rejection, roster::RosterView, terms::Terms, time::Time};

/// A round between R2 and its consistency.
pub(super) struct Confirming {
    terms: Terms,
    transcript: Transcript,
    roster: RosterView,
    closed: Checked<SharesClosed>,
    inboxes: BTreeMap<MemberIndex, Inbox>,
    signed: BTreeMap<MemberIndex, Signed<Consistency>>,
    opened: Time,
    closes: Time,
}

impl Confirming {
    pub fn begin(
        terms: Terms,
        transcript: Transcript,
        roster: RosterView,
        closed: Checked<SharesClosed>,
        inboxes: BTreeMap<MemberIndex, Inbox>,
        context: &mut Context<'_>,
    ) -> Self {
        for (&target, inbox) in &inboxes {
            let to = roster.members()[target.get()].id;
            context.effects.push(Effect::Send { to, message: ToNode::Inbox(inbox.clone()) });
        }
        let closes = context.now + terms.plan().windows.consistency_ms;
        context.wake(closes);
        let (opened, signed) = (context.now, BTreeMap::new());
        Self { terms, transcript, roster, closed, inboxes, signed, opened, closes }
    }

    pub fn question_for(&self, node: NodeId) -> Option<ToNode> {
        let place = self.roster.place(node)?;
        let inbox = self.inboxes.get(&place)?;
        (!self.signed.contains_key(&place)).then(|| ToNode::Inbox(inbox.clone()))
    }

    pub fn handle(mut self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message { from, message: ToCoordinator::Consistency(consistency) } => {
                if let Err(why) = self.take(from, consistency) {
                    context.reject(from, why, &mut self.transcript);
                }
                self.close_if_due(context)
            }
            Step::Wake => self.close_if_due(context),
            Step::Gone => Phase::Confirming(self),
            step => context.out_of_phase(step, Phase::Confirming(self)),
        }
    }

    fn take(&mut self, from: NodeId, signed: Signed<Consistency>) -> Result<(), Rejection> {
        let place = self.roster.place(from).ok_or(Rejection::NotAMember)?;
        if !self.closed.members.contains(place) {
            return Err(Rejection::NotAMember);
        }
        match self.signed.get(&place) {
            Some(known) if *known == signed => return Ok(()),
            Some(_) => return Err(Rejection::Contradiction),
            None => {}
        }
        let seen = signed.check(from)?;
        if seen.task != self.closed.task || seen.round != self.closed.round {
            return Err(Rejection::OtherRound);
        }
        if seen.closed != self.closed.hash() {
            return Err(Rejection::OtherTerms);
        }
        self.signed.insert(place, signed);
        Ok(())
    }

    fn close_if_due(self, context: &mut Context<'_>) -> Phase {
        let everybody = self.signed.len() == self.closed.members.len();
        if everybody || context.now >= self.closes {
            return self.close(everybody, context);
        }
        Phase::Confirming(self)
    }

    fn close(self, everybody: bool, context: &mut Context<'_>) -> Phase {
        let Self { terms, mut transcript, roster, closed, signed, opened, .. } = self;
        match everybody {
            true => context.pace.complete(pace::Phase::Consistency, opened, context.now),
            false => context.pace.incomplete(pace::Phase::Consistency),
        }
        let confirmed = signed.len();
        transcript.consistencies = signed.into_values().collect();
        if confirmed < roster.threshold() {
            return context.abort(terms.round(), transcript, AbortReason::TooFewConsistent);
        }
        Phase::Collecting(Collecting::begin(terms, transcript, roster, closed, context))
    }
}
