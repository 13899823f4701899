//! Phases 3 and 3b: the node opens what the others dealt to it, confirms which roster, R2 and
//! shares it saw, and goes on only when t members have confirmed the same. Its noise is made meanwhile.

use secagg::{DealtSecrets, MaskContext, SecaggError, SharePair, merkle};
use wire::{
    Checked, Complaint, Consistency, Inbox, MemberIndex, MemberSet, SealedShare, SharesClosed,
    Signed, ToCoordinator, ToNode,
};

use super::{
    Effect, Event, Job, Output, Phase, Step, Trained,
    context::Context,
    contributing::{Joined, Preparing},
    effect::StayedOut,
    journal::Question,
    quorum,
};
use crate::{
    evidence::read_closed,
    job::{ContributeJob, Prepared, Shape},
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

/// Has signed what it saw; waits for t that saw the same, while noise and masks are made.
pub(super) struct AwaitingConsistency {
    joined: Joined,
    noise: Noise,
}

/// How far the noise is that was ordered with the signature.
enum Noise {
    Ordered,
    Made(Prepared),
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
        if let Err(why) = context.judge_cohort(&roster, closed.members) {
            return context.refuse(&terms, why);
        }
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
        let joined = Joined { terms, roster, own, closed, held };
        joined.confirm(trained, secrets, context)
    }
}

impl Joined {
    /// Signs what was seen. The charge is admitted, and noise and masks are ordered, now and not when the
    /// window opens: how long they take depends on what is drawn, and must not show in when the
    /// contribution leaves. Nothing of it is durable or sent yet; an abort costs the trained update, and
    /// no budget.
    fn confirm(self, trained: Trained, secrets: DealtSecrets, context: &mut Context<'_>) -> Phase {
        let Ok(charge) = context.ledger.admit(&self.terms.charge) else {
            return context.stay_out(&self.terms, StayedOut::Budget);
        };
        let Self { terms, closed, .. } = &self;
        let (task, round, hash) = (closed.task, closed.round, closed.hash());
        let message = context.sign(Consistency { task, round, closed: hash });
        let message = ToCoordinator::Consistency(message.signed().clone());
        context.answer(Question::Inbox(hash.into()), message);
        let (plan, model) = (terms.plan_hash(), terms.plan().base);
        context.effects.push(Effect::Work(Job::Contribute(ContributeJob {
            task,
            closed: hash,
            update: trained.update,
            charge,
            shape: Shape { round, grid: terms.grid.clone() },
            secrets,
            masks: MaskContext { plan, closed: hash, model },
            members: closed.members,
            sampler: context.sampler,
        })));
        Phase::AwaitingConsistency(AwaitingConsistency { joined: self, noise: Noise::Ordered })
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
    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message(ToNode::Consistencies(signatures)) => match self.count(&signatures) {
                Ok(()) => self.open(context),
                Err(rejection) => {
                    context.reject(rejection);
                    Phase::AwaitingConsistency(self)
                }
            },
            Step::Worked(Output::Prepared(made)) if made.round == self.joined.terms.round() => {
                Phase::AwaitingConsistency(Self { joined: self.joined, noise: Noise::Made(made) })
            }
            step => context.out_of_phase(step, Phase::AwaitingConsistency(self)),
        }
    }

    /// t signatures on the same roots, this node's own counted.
    fn count(&self, signatures: &[Signed<Consistency>]) -> Result<(), Rejection> {
        let closed = &self.joined.closed;
        quorum::check(signatures, &self.joined, closed.members, |seen| {
            if seen.task != closed.task || seen.round != closed.round {
                return Err(Rejection::OtherRound);
            }
            Ok(seen.closed == closed.hash())
        })
    }

    /// Phase 4 begins: the window in which to send opens.
    fn open(self, context: &mut Context<'_>) -> Phase {
        let preparing = Preparing { joined: self.joined, opened: context.now };
        match self.noise {
            Noise::Ordered => Phase::Preparing(preparing),
            Noise::Made(prepared) => preparing.hold(prepared, context),
        }
    }
}
