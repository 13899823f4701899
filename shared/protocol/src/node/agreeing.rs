//! Phases 5a and 5b: the node agrees to one list of survivors that makes its charge sound, and
//! when t have agreed to the same, reveals exactly one kind of share of every member of R2, once.

use secagg::SharePair;
use wire::{
    Agreement, Checked, MemberSet, Reveal, RevealedShare, ShareKind, Signed, Survivors,
    ToCoordinator, ToNode,
};

use super::{Phase, Step, context::Context, contributing::Joined, journal::Question, quorum};
use crate::{evidence::read_survivors, rejection::Rejection};

/// Has contributed.
pub(super) struct AwaitingSurvivors {
    pub joined: Joined,
}

/// Has agreed to one U.
pub(super) struct AwaitingAgreements {
    joined: Joined,
    survivors: Checked<Survivors>,
}

/// Has revealed its shares, and holds nothing any more.
pub(super) struct AwaitingResult;

impl AwaitingSurvivors {
    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message(ToNode::Survivors(signed)) => match self.read(&signed, context) {
                Ok(survivors) => self.agree(survivors, context),
                Err(rejection) => {
                    context.reject(rejection);
                    Phase::AwaitingSurvivors(self)
                }
            },
            step => context.out_of_phase(step, Phase::AwaitingSurvivors(self)),
        }
    }

    /// U within R2, this node among them, and enough of them for the charge.
    fn read(
        &self,
        signed: &Signed<Survivors>,
        context: &Context<'_>,
    ) -> Result<Checked<Survivors>, Rejection> {
        let Joined { terms, roster, own, closed, .. } = &self.joined;
        let survivors = read_survivors(signed, closed, roster, terms, context.genesis)?;
        if survivors.members.contains(*own) { Ok(survivors) } else { Err(Rejection::LeftOut) }
    }

    fn agree(self, survivors: Checked<Survivors>, context: &mut Context<'_>) -> Phase {
        let message = context.sign(Agreement {
            task: survivors.task,
            round: survivors.round,
            survivors: survivors.hash(),
        });
        let message = ToCoordinator::Agreement(message.signed().clone());
        context.answer(Question::Survivors(survivors.hash()), message);
        Phase::AwaitingAgreements(AwaitingAgreements { joined: self.joined, survivors })
    }
}

impl AwaitingAgreements {
    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message(ToNode::Agreements(signatures)) => match self.count(&signatures) {
                Ok(()) => self.reveal(context),
                Err(rejection) => {
                    context.reject(rejection);
                    Phase::AwaitingAgreements(self)
                }
            },
            step => context.out_of_phase(step, Phase::AwaitingAgreements(self)),
        }
    }

    /// t signatures of survivors on the U that this node signed, its own counted.
    fn count(&self, signatures: &[Signed<Agreement>]) -> Result<(), Rejection> {
        let survivors = &self.survivors;
        quorum::check(signatures, &self.joined, survivors.members, |agreement| {
            if agreement.task != survivors.task || agreement.round != survivors.round {
                return Err(Rejection::OtherRound);
            }
            Ok(agreement.survivors == survivors.hash())
        })
    }

    fn reveal(self, context: &mut Context<'_>) -> Phase {
        let Self { joined, survivors } = self;
        let mut shares: Vec<RevealedShare> =
            joined.held.into_iter().map(|pair| reveal_one(pair, survivors.members)).collect();
        shares.sort_by_key(|share| share.member);
        let message = context.sign(Reveal {
            task: survivors.task,
            round: survivors.round,
            survivors: survivors.hash(),
            shares,
        });
        context.answer(Question::Agreements, ToCoordinator::Reveal(message.signed().clone()));
        Phase::AwaitingResult(AwaitingResult)
    }
}

/// The seed share of a survivor, or the mask-key share of a member that dropped out; taking one
/// wipes the other.
fn reveal_one(pair: SharePair, survivors: MemberSet) -> RevealedShare {
    let member = pair.owner();
    let kind = if survivors.contains(member) { ShareKind::Seed } else { ShareKind::MaskKey };
    let share = pair.reveal(kind);
    RevealedShare { member, kind, share: *share.value().as_bytes() }
}

impl AwaitingResult {
    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        context.out_of_phase(step, Phase::AwaitingResult(self))
    }
}
