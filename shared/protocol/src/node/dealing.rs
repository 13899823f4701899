//! Phase 3: shares of this node's secrets for every neighbour, sealed.

use wire::{MemberIndex, SealedShares, ToCoordinator};

use super::{
    Output, Phase, Step, Trained, confirming::AwaitingInbox, context::Context, effect::StayedOut,
    journal::Question,
};
use crate::{job::DealtOutput, roster::RosterView, terms::Terms};

/// Waits for the shares that were ordered.
pub(super) struct Dealing {
    terms: Terms,
    trained: Trained,
    roster: RosterView,
    own: MemberIndex,
}

impl Dealing {
    pub fn new(terms: Terms, trained: Trained, roster: RosterView, own: MemberIndex) -> Self {
        Self { terms, trained, roster, own }
    }

    pub fn into_trained(self) -> Trained {
        self.trained
    }

    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Worked(Output::Dealt(dealt)) if dealt.round == self.terms.round() => {
                self.send(dealt, context)
            }
            step => context.out_of_phase(step, Phase::Dealing(self)),
        }
    }

    fn send(self, dealt: DealtOutput, context: &mut Context<'_>) -> Phase {
        let Self { terms, trained, roster, own } = self;
        let Ok((secrets, own_pair, shares)) = dealt.result else {
            return context.stay_out(&terms, StayedOut::Secagg);
        };
        let message = context.sign(SealedShares {
            task: terms.plan().task,
            round: terms.round(),
            roster: roster.hash(),
            shares,
        });
        let question = Question::Roster(roster.hash().into());
        context.answer(question, ToCoordinator::SealedShares(message.signed().clone()));
        Phase::AwaitingInbox(AwaitingInbox { terms, trained, roster, own, secrets, own_pair })
    }
}
