//! Phase 4: contributions, each taken once. U is whose contribution arrived in the window.

use std::collections::BTreeMap;

use wire::{
    AbortReason, Checked, Contribution, MemberIndex, MemberSet, NodeId, SharesClosed, Signed,
    Survivors, ToCoordinator, ToNode, Transcript,
};

use super::{Event, Phase, Step, agreeing::Agreeing, context::Context, pace};
use crate::{rejection::Rejection, roster::RosterView, terms::Terms, time::Time};

/// A round between its consistency and its survivors.
pub(super) struct Collecting {
    terms: Terms,
    transcript: Transcript,
    roster: RosterView,
    closed: Checked<SharesClosed>,
    /// Who could not use what it was dealt, and stays out.
    excused: MemberSet,
    contributed: BTreeMap<MemberIndex, Signed<Contribution>>,
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
        let (opened, contributed) = (context.now, BTreeMap::new());
        Self { terms, transcript, roster, closed, excused, contributed, opened, closes }
    }

    /// When it must look at the clock again.
    pub fn alarm(&self) -> Time {
        self.closes
    }

    pub fn question_for(&self, node: NodeId) -> Option<ToNode> {
        let place = self.roster.place(node)?;
        let asked = self.closed.members.contains(place) && !self.contributed.contains_key(&place);
        asked.then(|| ToNode::Consistencies(self.transcript.consistencies.clone()))
    }

    pub fn handle(mut self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message { from, message: ToCoordinator::Contribution(contribution) } => {
                if let Err(why) = self.take(from, contribution) {
                    context.reject(from, why, &mut self.transcript);
                }
                self.close_if_due(context)
            }
            Step::Wake => self.close_if_due(context),
            Step::Gone => Phase::Collecting(self),
            step => context.out_of_phase(step, Phase::Collecting(self)),
        }
    }

    fn take(&mut self, from: NodeId, signed: Signed<Contribution>) -> Result<(), Rejection> {
        let place = self.roster.place(from).ok_or(Rejection::NotAMember)?;
        if !self.closed.members.contains(place) {
            return Err(Rejection::NotAMember);
        }
        match self.contributed.get(&place) {
            Some(known) if *known == signed => return Ok(()),
            Some(_) => return Err(Rejection::Contradiction),
            None => {}
        }
        let contribution = signed.check(from)?;
        if contribution.task != self.closed.task || contribution.round != self.closed.round {
            return Err(Rejection::OtherRound);
        }
        if contribution.closed != self.closed.hash() {
            return Err(Rejection::OtherTerms);
        }
        let grid = &self.terms.grid;
        grid::check_packed(&contribution.values, grid.padded(), grid.modulus())
            .map_err(|_| Rejection::Shape)?;
        self.contributed.insert(place, signed);
        Ok(())
    }

    fn close_if_due(self, context: &mut Context<'_>) -> Phase {
        let everybody = self.contributed.len() == self.closed.members.len();
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
        let members: MemberSet = contributed.keys().copied().collect();
        transcript.contributions = contributed.into_values().collect();
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
        Phase::Agreeing(Agreeing::begin(terms, transcript, roster, closed, survivors, context))
    }
}
