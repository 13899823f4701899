//! Phases 3 and 3b: the node opens what the others dealt to it, confirms which roster, R2 and
//! shares it saw, and goes on only when t members have confirmed the same.

use std::collections::BTreeSet;

use secagg::{DealtSecrets, MaskContext, SecaggError, SharePair, merkle};
use wire::{
    Checked, Complaint, Consistency, Inbox, MemberIndex, MemberSet, SealedShare, SharesClosed,
    Signed, ToCoordinator, ToNode,
};

use super::{
    Effect, Event, Job, Phase, Step, Trained,
    context::Context,
    contributing::{Joined, Preparing},
    effect::StayedOut,
    journal::Question,
};
use crate::{
    evidence::read_closed,
    job::{ContributeJob, Shape},
    rejection::Rejection,
    roster::RosterView,
    terms::Terms,
};

/// Has sent its shares; waits for the others'.
pub(super) struct AwaitingInbox {
    pub terms: Terms,
    pub trained: Trained,
    pub roster: RosterView,
    pub own: MemberIndex,
    pub secrets: DealtSecrets,
    pub own_pair: SharePair,
}

/// Has signed what it saw; waits for t that saw the same.
pub(super) struct AwaitingConsistency {
    terms: Terms,
    trained: Trained,
    roster: RosterView,
    own: MemberIndex,
    secrets: DealtSecrets,
    closed: Checked<SharesClosed>,
    held: Vec<SharePair>,
}

impl AwaitingInbox {
    pub fn into_trained(self) -> Trained {
        self.trained
    }

    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message(ToNode::Inbox(inbox)) => match self.read(&inbox, context) {
                Ok(closed) => self.confirm(closed, &inbox.shares, context),
                Err(rejection) => {
                    context.reject(rejection);
                    Phase::AwaitingInbox(self)
                }
            },
            step => context.out_of_phase(step, Phase::AwaitingInbox(self)),
        }
    }

    /// R2 must hold this node and be large enough, and the inbox must hold one share from every
    /// other member of R2, under the signed root.
    fn read(
        &self,
        inbox: &Inbox,
        context: &Context<'_>,
    ) -> Result<Checked<SharesClosed>, Rejection> {
        let closed = read_closed(&inbox.closed, &self.roster, &self.terms, context.genesis)?;
        if !closed.members.contains(self.own) {
            return Err(Rejection::LeftOut);
        }
        if closed.members.len() < self.roster.threshold() {
            return Err(Rejection::TooFew);
        }
        let others = closed.members.iter().filter(|&member| member != self.own);
        if !others.eq(inbox.shares.iter().map(|share| share.member)) {
            return Err(Rejection::Members);
        }
        let leaf = inbox_leaf(self.own, &inbox.shares).map_err(|_| Rejection::Members)?;
        let (place, size) = (self.own.get(), self.roster.size());
        if !merkle::verify(&closed.shares.0, size, place, &leaf, &inbox.proof) {
            return Err(Rejection::Proof);
        }
        Ok(closed)
    }

    fn confirm(
        self,
        closed: Checked<SharesClosed>,
        shares: &[SealedShare],
        context: &mut Context<'_>,
    ) -> Phase {
        let Self { terms, trained, roster, own, secrets, own_pair } = self;
        let mut held = vec![own_pair];
        let mut dealers = MemberSet::default();
        for share in shares {
            match secrets.open(share.member, &share.ciphertext) {
                Ok(pair) => held.push(pair),
                Err(_) => {
                    context.reject(Rejection::SealBroken(share.member));
                    context.report(Event::BadDealer { member: share.member });
                    dealers.insert(share.member);
                }
            }
        }
        // Whoever goes on would be charged for a sum that may never be unmasked.
        if !dealers.is_empty() {
            let (task, round, closed) = (closed.task, closed.round, closed.hash());
            let complaint = context.sign(Complaint { task, round, closed, dealers });
            let complaint = ToCoordinator::Complaint(complaint.signed().clone());
            context.effects.push(Effect::Send(complaint));
            return context.stay_out(&terms, StayedOut::BadDealing);
        }
        let message = context.sign(Consistency {
            task: closed.task,
            round: closed.round,
            closed: closed.hash(),
        });
        let message = ToCoordinator::Consistency(message.signed().clone());
        context.answer(Question::Inbox(closed.hash()), message);
        Phase::AwaitingConsistency(AwaitingConsistency {
            terms,
            trained,
            roster,
            own,
            secrets,
            closed,
            held,
        })
    }
}

/// The Merkle leaf of one member's inbox.
pub(crate) fn inbox_leaf(
    target: MemberIndex,
    shares: &[SealedShare],
) -> Result<[u8; 32], SecaggError> {
    let sealed: Vec<(MemberIndex, &[u8])> =
        shares.iter().map(|share| (share.member, share.ciphertext.as_slice())).collect();
    secagg::inbox_hash(target, &sealed)
}

impl AwaitingConsistency {
    pub fn into_trained(self) -> Trained {
        self.trained
    }

    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message(ToNode::Consistencies(signatures)) => match self.count(&signatures) {
                Ok(()) => self.prepare(context),
                Err(rejection) => {
                    context.reject(rejection);
                    Phase::AwaitingConsistency(self)
                }
            },
            step => context.out_of_phase(step, Phase::AwaitingConsistency(self)),
        }
    }

    /// t signatures on the same roots, this node's own counted.
    fn count(&self, signatures: &[Signed<Consistency>]) -> Result<(), Rejection> {
        let mut agreed = BTreeSet::from([self.own]);
        for signed in signatures {
            let node = signed.claimed_signer();
            let place = self.roster.place(node).ok_or(Rejection::NotAMember)?;
            let seen = signed.check(node)?;
            if seen.task != self.closed.task || seen.round != self.closed.round {
                return Err(Rejection::OtherRound);
            }
            if seen.closed == self.closed.hash() && self.closed.members.contains(place) {
                agreed.insert(place);
            }
        }
        if agreed.len() < self.roster.threshold() { Err(Rejection::TooFew) } else { Ok(()) }
    }

    /// Phase 4 begins: the charge is admitted, noise and masks are ordered; nothing is durable
    /// or sent yet.
    fn prepare(self, context: &mut Context<'_>) -> Phase {
        let Self { terms, trained, roster, own, secrets, closed, held } = self;
        let Ok(charge) = context.ledger.admit(&terms.charge) else {
            return context.stay_out(&terms, StayedOut::Budget);
        };
        let masks = MaskContext {
            plan: terms.plan_hash(),
            closed: closed.hash(),
            model: terms.plan().base,
        };
        context.effects.push(Effect::Work(Job::Contribute(ContributeJob {
            task: terms.plan().task,
            closed: closed.hash(),
            update: trained.update,
            charge,
            shape: Shape { round: terms.round(), grid: terms.grid.clone() },
            secrets,
            masks,
            members: closed.members,
        })));
        let opened = context.now;
        let joined = Joined { terms, roster, own, closed, held };
        Phase::Preparing(Preparing { joined, opened })
    }
}
