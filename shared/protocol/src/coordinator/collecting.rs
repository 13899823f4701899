//! Phase 4: contributions, each taken once: persisted, added up and let go. U is whose contribution arrived in the
//! window.

use wire::{
    AbortReason, Checked, Contribution, MemberSet, NodeId, SharesClosed, Signed, Survivors,
    ToCoordinator, ToNode, Transcript,
};

use super::{
    Effect, Event, Phase, Record, Step, agreeing::Agreeing, context::Context,
    contributed::Contributed, pace,
};
use crate::{roster::RosterView, terms::Terms, time::Time};

/// A round between its consistency and its survivors.
pub(super) struct Collecting {
    terms: Terms,
    transcript: Transcript,
    roster: RosterView,
    closed: Checked<SharesClosed>,
    /// Who could not use what it was dealt, and stays out.
    excused: MemberSet,
    contributed: Contributed,
    opened: Time,
    closes: Time,
}

impl Collecting {
    pub fn begin(
        terms: Terms,
        transcript: Transcript,
        roster: RosterView,
        closed: Checked<SharesClosed>,
        excused: MemberSet,
        context: &mut Context<'_>,
    ) -> Self {
        let question = ToNode::Consistencies(transcript.consistencies.clone());
        let members: Vec<NodeId> =
            closed.members.iter().map(|member| roster.members()[member.get()].id).collect();
        context.send_all(members, &question);
        let windows = &terms.plan().windows;
        // A contribution may leave at the very end of a node's window, which opens a little later
        // than this one; half a shares window is left for its way.
        let closes = context.now + windows.contribute_ms + windows.shares_ms / 2;
        context.wake(closes);
        let (opened, contributed) = (context.now, Contributed::nothing(&terms.grid));
        Self { terms, transcript, roster, closed, excused, contributed, opened, closes }
    }

    /// When it must look at the clock again.
    pub fn alarm(&self) -> Time {
        self.closes
    }

    pub fn question_for(&self, node: NodeId) -> Option<ToNode> {
        let place = self.roster.place(node)?;
        let waited_for = self.closed.members.minus(self.contributed.members());
        waited_for
            .contains(place)
            .then(|| ToNode::Consistencies(self.transcript.consistencies.clone()))
    }

    pub fn handle(mut self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message { from, message: ToCoordinator::Contribution(contribution) } => {
                self.take(from, contribution, context);
                self.close_if_due(context)
            }
            Step::Wake => self.close_if_due(context),
            Step::Gone => Phase::Collecting(self),
            step => context.out_of_phase(step, Phase::Collecting(self)),
        }
    }

    /// What is accepted goes to the disk before anything is said about it, and nothing of it stays here but the sum.
    fn take(&mut self, from: NodeId, signed: Signed<Contribution>, context: &mut Context<'_>) {
        match self.contributed.take(from, &signed, &self.roster, &self.closed) {
            Ok(true) => context.effects.push(Effect::Persist(Record::Contribution(signed))),
            Ok(false) => {}
            Err(why) => context.reject(from, why, &mut self.transcript),
        }
    }

    fn close_if_due(self, context: &mut Context<'_>) -> Phase {
        let everybody = self.contributed.members() == self.closed.members;
        if everybody || context.now >= self.closes {
            return self.close(everybody, context);
        }
        Phase::Collecting(self)
    }

    fn close(self, everybody: bool, context: &mut Context<'_>) -> Phase {
        let Self { terms, mut transcript, roster, closed, excused, contributed, opened, .. } = self;
        match everybody {
            true => context.pace.complete(pace::Phase::Contribute, opened, context.now),
            false => context.pace.incomplete(pace::Phase::Contribute),
        }
        let members = contributed.members();
        let enough = members.len() >= roster.threshold()
            && terms.survivors_suffice(members.len(), roster.size());
        if !enough {
            let missing = roster.ids(closed.members.minus(members).minus(excused));
            let reason = AbortReason::TooFewContributions;
            return context.abort(terms.round(), transcript, reason, missing);
        }
        let survivors = context.sign(Survivors {
            task: terms.plan().task,
            round: terms.round(),
            closed: closed.hash(),
            members,
        });
        transcript.survivors = Some(survivors.signed().clone());
        context.report(Event::Survived {
            round: terms.round(),
            survivors: members.len(),
            members: closed.members.len(),
        });
        let sum = contributed.into_sum();
        Phase::Agreeing(Agreeing::begin(terms, transcript, roster, closed, survivors, sum, context))
    }
}
