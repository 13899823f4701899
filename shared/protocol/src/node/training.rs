//! Phase 1: training, free and private. Slow devices take their time here, before any key exists.

use version::State;

use super::{
    Effect, Phase, Step,
    advertising::Keying,
    context::Context,
    effect::{TrainKey, TrainOrder},
};
use crate::{terms::Terms, time::Time};

pub(super) struct Training {
    terms: Terms,
    received: Time,
    key: TrainKey,
}

impl Training {
    pub fn begin(terms: Terms, state: &State, now: Time, effects: &mut Vec<Effect>) -> Self {
        let key = TrainKey::new(terms.plan());
        effects.push(Effect::Train(TrainOrder {
            round: terms.round(),
            recipe: terms.plan().recipe.clone(),
            parameters: state.parameters().to_vec(),
            clip: terms.grid.clip(),
            key: key.clone(),
        }));
        Self { terms, received: now, key }
    }

    /// Whether this is the training that was ordered.
    pub fn is_for(&self, key: &TrainKey) -> bool {
        self.key == *key
    }

    pub fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Trained(trained) if trained.key == self.key => {
                Phase::Keying(Keying::begin(self.terms, trained, self.received, context.effects))
            }
            step => context.out_of_phase(step, Phase::Training(self)),
        }
    }
}
