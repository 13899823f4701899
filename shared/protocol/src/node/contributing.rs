//! Phase 4: charge, noise, contribute. Everything is prepared in memory, if all goes well before the
//! window opens ([`super::confirming`] orders it); at the drawn instant the
//! contribution is persisted, then the ledger entry that names its hash, then it is sent. An
//! abort before that instant has cost nothing.

use privacy::Charge;
use secagg::SharePair;
use wire::{Checked, Contribution, MemberIndex, SharesClosed, ToCoordinator};

use super::{
    Effect, Event, Output, Phase, Record, Step, agreeing::AwaitingSurvivors, context::Context,
    effect::StayedOut, journal::Question,
};
use crate::{
    job::{ContributeError, Prepared},
    roster::RosterView,
    terms::Terms,
    time::Time,
};

/// What a node holds from phase 4 on.
pub(super) struct Joined {
    pub terms: Terms,
    pub roster: RosterView,
    pub own: MemberIndex,
    pub closed: Checked<SharesClosed>,
    /// One pair of shares from every member of R2 whose dealing opened.
    pub held: Vec<SharePair>,
}

/// The window is open; waits for noise and masks.
pub(super) struct Preparing {
    pub joined: Joined,
    pub opened: Time,
}

/// Waits for the drawn instant.
pub(super) struct Holding {
    joined: Joined,
    contribution: Contribution,
    charge: Charge,
    at: Time,
    closes: Time,
}

impl Preparing {
    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Worked(Output::Prepared(prepared))
                if prepared.round == self.joined.terms.round() =>
            {
                self.hold(prepared, context)
            }
            step => context.out_of_phase(step, Phase::Preparing(self)),
        }
    }

    /// The contribution is there, and the window is open since `opened`.
    pub fn hold(self, prepared: Prepared, context: &mut Context<'_>) -> Phase {
        let Self { joined, opened } = self;
        let (contribution, charge) = match prepared.result {
            Ok(made) => made,
            Err(error) => {
                context.ledger.withdraw();
                let why = match error {
                    ContributeError::Privacy(_) => StayedOut::Privacy,
                    ContributeError::Masking(_) => StayedOut::Secagg,
                };
                return context.stay_out(&joined.terms, why);
            }
        };
        let window = joined.terms.plan().windows.contribute_ms;
        let closes = opened + window;
        let drawn = prepared.instant.within(opened, window);
        let at = if drawn >= context.now {
            drawn
        } else {
            // Noise and masks, ordered long before, took longer: drawn anew from what is left of the window.
            let left = u32::try_from(closes.since(context.now)).unwrap_or(u32::MAX);
            prepared.instant.within(context.now, left)
        };
        context.effects.push(Effect::Wake(at));
        Phase::Holding(Holding { joined, contribution, charge, at, closes })
    }
}

impl Holding {
    /// When it must look at the clock again.
    pub fn alarm(&self) -> Time {
        self.at
    }

    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Wake if context.now > self.closes => {
                context.ledger.withdraw();
                context.stay_out(&self.joined.terms, StayedOut::Late)
            }
            Step::Wake if context.now >= self.at => self.send(context),
            step => context.out_of_phase(step, Phase::Holding(self)),
        }
    }

    /// Contribution durable, then charge durable, then sent.
    fn send(self, context: &mut Context<'_>) -> Phase {
        let Self { joined, contribution, charge, .. } = self;
        let signed = context.sign(contribution);
        let Ok(entry) = context.ledger.record(charge, signed.hash(), context.now.0) else {
            return context.stay_out(&joined.terms, StayedOut::Budget);
        };
        let message = ToCoordinator::Contribution(signed.signed().clone());
        context.journal.note(Question::Consistencies, message.clone());
        context.effects.push(Effect::Persist(Record::Round(context.journal.clone())));
        context.effects.push(Effect::Persist(Record::Ledger(entry.into_vec())));
        context.effects.push(Effect::Send(message));
        // Promise 3: somebody else should know of this charge before a backup can forget it.
        let head = context.ledger.head(joined.terms.plan().task).signed().clone();
        context.effects.push(Effect::Send(ToCoordinator::LaterHead(head)));
        let (round, rho) = (joined.terms.round(), joined.terms.rho);
        context.report(Event::Contributed { round, rho });
        Phase::AwaitingSurvivors(AwaitingSurvivors { joined })
    }
}
