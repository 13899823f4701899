//! Phase 3: sealed shares. R2 is who dealt to everybody in time.

use std::collections::BTreeMap;

use secagg::{SEALED_BYTES, merkle};
use wire::{
    AbortReason, Inbox, MemberIndex, MemberSet, NodeId, SealedShare, SealedShares, SharesClosed,
    SharesRoot, Signed, ToCoordinator, ToNode, Transcript,
};

use super::{Phase, Step, confirming::Confirming, context::Context, pace};
use crate::{node::inbox_leaf, rejection::Rejection, roster::RosterView, terms::Terms, time::Time};

/// A round between its roster and R2.
pub(super) struct Sharing {
    terms: Terms,
    transcript: Transcript,
    roster: RosterView,
    dealt: BTreeMap<MemberIndex, (Signed<SealedShares>, Vec<SealedShare>)>,
    opened: Time,
    closes: Time,
}

impl Sharing {
    pub fn begin(
        terms: Terms,
        transcript: Transcript,
        roster: RosterView,
        context: &mut Context<'_>,
    ) -> Self {
        let question = ToNode::Roster(roster.signed().signed().clone());
        context.send_all(roster.members().iter().map(|member| member.id), &question);
        let closes = context.now + terms.plan().windows.shares_ms;
        context.wake(closes);
        let opened = context.now;
        Self { terms, transcript, roster, dealt: BTreeMap::new(), opened, closes }
    }

    /// When it must look at the clock again.
    pub fn alarm(&self) -> Time {
        self.closes
    }

    pub fn question_for(&self, node: NodeId) -> Option<ToNode> {
        let place = self.roster.place(node)?;
        let asked = !self.dealt.contains_key(&place);
        asked.then(|| ToNode::Roster(self.roster.signed().signed().clone()))
    }

    pub fn handle(mut self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message { from, message: ToCoordinator::SealedShares(shares) } => {
                if let Err(why) = self.take(from, shares) {
                    context.reject(from, why, &mut self.transcript);
                }
                self.close_if_due(context)
            }
            Step::Wake => self.close_if_due(context),
            Step::Gone => Phase::Sharing(self),
            step => context.out_of_phase(step, Phase::Sharing(self)),
        }
    }

    fn take(&mut self, from: NodeId, signed: Signed<SealedShares>) -> Result<(), Rejection> {
        let place = self.roster.place(from).ok_or(Rejection::NotAMember)?;
        match self.dealt.get(&place) {
            Some((known, _)) if *known == signed => return Ok(()),
            Some(_) => return Err(Rejection::Contradiction),
            None => {}
        }
        let sealed = signed.check(from)?;
        if sealed.task != self.terms.plan().task || sealed.round != self.terms.round() {
            return Err(Rejection::OtherRound);
        }
        if sealed.roster != self.roster.hash() {
            return Err(Rejection::OtherTerms);
        }
        let others = self.roster.everybody().iter().filter(|&member| member != place);
        if !others.eq(sealed.shares.iter().map(|share| share.member)) {
            return Err(Rejection::Members);
        }
        if sealed.shares.iter().any(|share| share.ciphertext.len() != SEALED_BYTES) {
            return Err(Rejection::Shape);
        }
        self.dealt.insert(place, (signed, sealed.into_value().shares));
        Ok(())
    }

    fn close_if_due(self, context: &mut Context<'_>) -> Phase {
        let everybody = self.dealt.len() == self.roster.size();
        if everybody || context.now >= self.closes {
            return self.close(everybody, context);
        }
        Phase::Sharing(self)
    }

    fn close(self, everybody: bool, context: &mut Context<'_>) -> Phase {
        let Self { terms, mut transcript, roster, dealt, opened, .. } = self;
        match everybody {
            true => context.pace.complete(pace::Phase::Shares, opened, context.now),
            false => context.pace.incomplete(pace::Phase::Shares),
        }
        let members: MemberSet = dealt.keys().copied().collect();
        let enough = members.len() >= roster.threshold()
            && terms.survivors_suffice(members.len(), roster.size());
        if !enough {
            let missing = roster.ids(roster.everybody().minus(members));
            return context.abort(terms.round(), transcript, AbortReason::TooFewShares, missing);
        }
        let inboxes = sort_into_inboxes(&roster, members, &dealt);
        let leaves: Vec<[u8; 32]> = inboxes
            .iter()
            // Unwrap safety: inboxes are filled in ascending order of their sources.
            .map(|(&target, shares)| inbox_leaf(target, shares).expect("sources ascend"))
            .collect();
        // Unwrap safety: a roster has at least ROSTER_MIN members, so there are leaves.
        let root = merkle::root(&leaves).expect("a roster has members");
        let closed = context.sign(SharesClosed {
            task: terms.plan().task,
            round: terms.round(),
            plan: terms.plan_hash(),
            roster: roster.hash(),
            members,
            shares: SharesRoot(root),
        });
        transcript.sealed = dealt.into_values().map(|(signed, _)| signed).collect();
        transcript.closed = Some(closed.signed().clone());
        let inboxes = inboxes
            .into_iter()
            .filter(|(target, _)| members.contains(*target))
            .map(|(target, shares)| {
                // Unwrap safety: `target` is a place of the roster, as the leaves are.
                let proof = merkle::prove(&leaves, target.get()).expect("a place of the roster");
                (target, Inbox { closed: closed.signed().clone(), shares, proof })
            })
            .collect();
        Phase::Confirming(Confirming::begin(terms, transcript, roster, closed, inboxes, context))
    }
}

/// What every member of the roster was dealt by R2, in order of source. Those outside R2 have a
/// leaf too, so that places stay those of the roster.
fn sort_into_inboxes(
    roster: &RosterView,
    members: MemberSet,
    dealt: &BTreeMap<MemberIndex, (Signed<SealedShares>, Vec<SealedShare>)>,
) -> BTreeMap<MemberIndex, Vec<SealedShare>> {
    let mut inboxes: BTreeMap<MemberIndex, Vec<SealedShare>> =
        roster.everybody().iter().map(|target| (target, Vec::new())).collect();
    for source in members.iter() {
        for share in &dealt[&source].1 {
            let received = SealedShare { member: source, ciphertext: share.ciphertext.clone() };
            inboxes.entry(share.member).or_default().push(received);
        }
    }
    inboxes
}
