//! Phase 2: keys for this round alone, advertised at a random instant of the plan's window, so
//! that the instant does not tell how long training took.

use secagg::{EphemeralSecrets, SealContext};
use wire::{Advertise, Signed, ToCoordinator, ToNode};

use super::{
    Effect, Job, Output, Phase, Step, Trained, context::Context, dealing::Dealing,
    journal::Question,
};
use crate::{
    job::{DealJob, KeysJob},
    rejection::Rejection,
    roster::RosterView,
    terms::Terms,
    time::Time,
};

/// Waits for the keys that were ordered.
pub(super) struct Keying {
    terms: Terms,
    trained: Trained,
    received: Time,
}

/// Waits for the drawn instant.
pub(super) struct Advertising {
    terms: Terms,
    trained: Trained,
    secrets: EphemeralSecrets,
    at: Time,
}

/// Has advertised.
pub(super) struct AwaitingRoster {
    terms: Terms,
    trained: Trained,
    secrets: EphemeralSecrets,
}

impl Keying {
    pub fn begin(
        terms: Terms,
        trained: Trained,
        received: Time,
        effects: &mut Vec<Effect>,
    ) -> Self {
        effects.push(Effect::Work(Job::Keys(KeysJob { round: terms.round() })));
        Self { terms, trained, received }
    }

    pub fn into_trained(self) -> Trained {
        self.trained
    }

    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Worked(Output::Keys(keys)) if keys.round == self.terms.round() => {
                let Self { terms, trained, received } = self;
                let windows = &terms.plan().windows;
                let opening = received + windows.train_ms;
                let drawn = keys.instant.within(opening, windows.advertise_ms);
                let at = if drawn >= context.now {
                    drawn
                } else {
                    // Late: a whole window from now, never the very instant at which training ended.
                    keys.instant.within(context.now, windows.advertise_ms)
                };
                context.effects.push(Effect::Wake(at));
                Phase::Advertising(Advertising { terms, trained, secrets: keys.secrets, at })
            }
            step => context.out_of_phase(step, Phase::Keying(self)),
        }
    }
}

impl Advertising {
    /// When it must look at the clock again.
    pub fn alarm(&self) -> Time {
        self.at
    }

    pub fn into_trained(self) -> Trained {
        self.trained
    }

    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Wake if context.now >= self.at => self.advertise(context),
            step => context.out_of_phase(step, Phase::Advertising(self)),
        }
    }

    fn advertise(self, context: &mut Context<'_>) -> Phase {
        let Self { terms, trained, secrets, .. } = self;
        let public = secrets.public();
        let (task, round) = (terms.plan().task, terms.round());
        let advertise = context.sign(Advertise {
            task,
            round,
            plan: terms.plan_hash(),
            mask_key: *public.mask_key.as_bytes(),
            seal_key: *public.seal_key.as_bytes(),
            seed_commitment: public.seed_commitment,
            ledger: context.ledger.head(task).signed().clone(),
        });
        let message = ToCoordinator::Advertise(advertise.signed().clone());
        context.answer(Question::Plan, message);
        Phase::AwaitingRoster(AwaitingRoster { terms, trained, secrets })
    }
}

impl AwaitingRoster {
    pub fn into_trained(self) -> Trained {
        self.trained
    }

    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message(ToNode::Roster(roster)) => match self.read(&roster, context) {
                Ok(view) => self.deal(view, context),
                Err(rejection) => {
                    context.reject(rejection);
                    Phase::AwaitingRoster(self)
                }
            },
            step => context.out_of_phase(step, Phase::AwaitingRoster(self)),
        }
    }

    /// The roster must hold this node with the very keys that it advertised.
    fn read(
        &self,
        roster: &Signed<wire::Roster>,
        context: &Context<'_>,
    ) -> Result<RosterView, Rejection> {
        let view = RosterView::read(roster, context.genesis.coordinator, &self.terms)?;
        let own = view.place(context.id).and_then(|place| view.member(place));
        match own {
            Some(member) if member.keys == self.secrets.public() => Ok(view),
            Some(_) => Err(Rejection::Contradiction),
            None => Err(Rejection::LeftOut),
        }
    }

    fn deal(self, roster: RosterView, context: &mut Context<'_>) -> Phase {
        let Self { terms, trained, secrets } = self;
        let Some(own) = roster.place(context.id) else {
            return Phase::Waiting;
        };
        context.compare_heads(&roster);
        if let Err(why) = context.judge_cohort(&roster, roster.everybody()) {
            return context.refuse(&terms, why);
        }
        context.effects.push(Effect::Work(Job::Deal(DealJob {
            round: terms.round(),
            secrets,
            context: SealContext { plan: terms.plan_hash(), roster: roster.hash() },
            roster: roster.keys(),
            own,
            thresholds: roster.thresholds(),
        })));
        Phase::Dealing(Dealing::new(terms, trained, roster, own))
    }
}
