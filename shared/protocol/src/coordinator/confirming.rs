//! Phase 3b: every member of R2 signs what it saw; t of the same open phase 4.

use std::collections::{BTreeMap, BTreeSet};

use wire::{
    AbortReason, Checked, Complaint, Consistency, Inbox, MemberIndex, MemberSet, NodeId,
    SharesClosed, Signed, ToCoordinator, ToNode, Transcript,
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
    /// Who could not use what it was dealt, and by whom.
    complained: BTreeMap<MemberIndex, MemberSet>,
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
        Self {
            terms,
            transcript,
            roster,
            closed,
            inboxes,
            signed: BTreeMap::new(),
            complained: BTreeMap::new(),
            opened: context.now,
            closes,
        }
    }

    /// When it must look at the clock again.
    pub fn alarm(&self) -> Time {
        self.closes
    }

    pub fn question_for(&self, node: NodeId) -> Option<ToNode> {
        let place = self.roster.place(node)?;
        let inbox = self.inboxes.get(&place)?;
        (!self.has_answered(place)).then(|| ToNode::Inbox(inbox.clone()))
    }

    fn has_answered(&self, place: MemberIndex) -> bool {
        self.signed.contains_key(&place) || self.complained.contains_key(&place)
    }

    pub fn handle(mut self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message { from, message: ToCoordinator::Consistency(consistency) } => {
                if let Err(why) = self.take(from, consistency) {
                    context.reject(from, why, &mut self.transcript);
                }
                self.close_if_due(context)
            }
            Step::Message { from, message: ToCoordinator::Complaint(complaint) } => {
                if let Err(why) = self.hear_complaint(from, &complaint) {
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
        if self.complained.contains_key(&place) {
            return Err(Rejection::Contradiction);
        }
        self.signed.insert(place, signed);
        Ok(())
    }

    fn hear_complaint(
        &mut self,
        from: NodeId,
        signed: &Signed<Complaint>,
    ) -> Result<(), Rejection> {
        let place = self.roster.place(from).ok_or(Rejection::NotAMember)?;
        if !self.closed.members.contains(place) {
            return Err(Rejection::NotAMember);
        }
        let complaint = signed.check(from)?;
        if complaint.task != self.closed.task || complaint.round != self.closed.round {
            return Err(Rejection::OtherRound);
        }
        if complaint.closed != self.closed.hash() {
            return Err(Rejection::OtherTerms);
        }
        let others = self.closed.members.minus(MemberSet::from_iter([place]));
        if complaint.dealers.is_empty() || !complaint.dealers.is_subset(others) {
            return Err(Rejection::Members);
        }
        if self.signed.contains_key(&place) {
            return Err(Rejection::Contradiction);
        }
        // The first one counts.
        self.complained.entry(place).or_insert(complaint.dealers);
        Ok(())
    }

    fn close_if_due(self, context: &mut Context<'_>) -> Phase {
        let everybody = self.closed.members.iter().all(|place| self.has_answered(place));
        if everybody || context.now >= self.closes {
            return self.close(everybody, context);
        }
        Phase::Confirming(self)
    }

    fn close(self, everybody: bool, context: &mut Context<'_>) -> Phase {
        let Self { terms, mut transcript, roster, closed, signed, complained, opened, .. } = self;
        match everybody {
            true => context.pace.complete(pace::Phase::Consistency, opened, context.now),
            false => context.pace.incomplete(pace::Phase::Consistency),
        }
        let answered = signed.keys().chain(complained.keys()).copied().collect();
        let missing = closed.members.minus(answered);
        let found_out = weigh(&complained, &roster, &terms, context);
        let confirmed = signed.len();
        transcript.consistencies = signed.into_values().collect();
        if confirmed < roster.threshold() {
            let reason = AbortReason::TooFewConsistent;
            let spoilt_by = roster.ids(missing).union(&found_out).copied().collect();
            return context.abort(terms.round(), transcript, reason, spoilt_by);
        }
        context.mark(&found_out, terms.round(), &mut transcript);
        let excused = complained.keys().copied().collect();
        Phase::Collecting(Collecting::begin(terms, transcript, roster, closed, excused, context))
    }
}

/// Notes who could not use whose shares; whoever is found out by that.
fn weigh(
    complained: &BTreeMap<MemberIndex, MemberSet>,
    roster: &RosterView,
    terms: &Terms,
    context: &mut Context<'_>,
) -> BTreeSet<NodeId> {
    let mut found_out = BTreeSet::new();
    for (&place, dealers) in complained {
        for dealer in dealers.iter() {
            let (Some(one), Some(other)) = (roster.member(place), roster.member(dealer)) else {
                continue;
            };
            found_out.extend(context.disagree(one.id, other.id, terms, roster.size()));
        }
    }
    found_out
}
