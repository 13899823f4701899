//! What a swarm's learning is compared with: the same steps without privacy on everybody's
//! conversations in one place, and the same rounds with updates of zero and the same noise.

mod rounds;

use chatlogs::Conversation;
use model::{
    Adapter, AdapterKind, AdapterSpec, LanguageModel, Messages, Optimizer, Precision, Projection,
    Resources, StopToken, TrainingRecipe,
};
pub use rounds::{Mechanism, simulate};

use crate::{LearningError, people::Person};

/// What one node trains in one round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalTraining {
    /// Optimiser steps (AdamW, its moments fresh each time).
    pub steps: u32,
    /// Rows a step.
    pub batch: u16,
    /// Tokens a row.
    pub sequence: u16,
    /// Step size.
    pub learning_rate: f64,
}

impl LocalTraining {
    /// As a node understands it: `murmur-node` trains these roles and limits gradients to length 1.
    fn recipe(&self, seed: u64) -> TrainingRecipe {
        TrainingRecipe {
            steps: self.steps as usize,
            batch: usize::from(self.batch),
            sequence_length: usize::from(self.sequence),
            optimizer: Optimizer::adamw(self.learning_rate),
            precision: Precision::F32,
            roles: vec!["user".into(), "assistant".into()],
            seed,
            max_gradient_norm: Some(1.0),
        }
    }
}

/// The demo's adapter: FFA-LoRA on q, v and o, alpha twice the rank.
pub fn adapter_spec(rank: u16, seed: [u8; 32]) -> AdapterSpec {
    AdapterSpec {
        kind: AdapterKind::FfaLora,
        rank: rank.into(),
        alpha: 2.0 * f64::from(rank),
        targets: vec![Projection::Query, Projection::Value, Projection::Output],
        seed,
    }
}

/// How far the adapter moves on these conversations.
///
/// # Errors
/// If nothing can be trained on, or `stop` was asked for.
pub fn update(
    model: &LanguageModel,
    start: &Adapter,
    conversations: &[&Conversation],
    training: &LocalTraining,
    seed: u64,
    resources: &Resources,
) -> Result<Vec<f32>, LearningError> {
    let turns: Vec<Messages<'_>> =
        conversations.iter().map(|conversation| conversation.as_turns()).collect();
    let recipe = training.recipe(seed);
    let (update, _) = model.train(start, &turns, &recipe, resources, &mut |_| {})?;
    Ok(update.into_vec())
}

/// The adapter after non-private fine-tuning on everybody's training conversations together:
/// `rounds` times the local training of one node, one after the other, from the same start, without
/// clip, noise or averaging.
///
/// # Errors
/// As [`update`].
pub fn pooled(
    model: &LanguageModel,
    start: &Adapter,
    people: &[Person],
    training: &LocalTraining,
    rounds: u32,
    threads: usize,
    stop: &StopToken,
) -> Result<Adapter, LearningError> {
    let everything: Vec<&Conversation> =
        people.iter().flat_map(|person| &person.training).collect();
    let resources = Resources { threads, stop: stop.clone() };
    let longer = LocalTraining { steps: training.steps * rounds, ..*training };
    let moved = update(model, start, &everything, &longer, 1, &resources)?;
    let flat: Vec<f32> = start.to_flat().iter().zip(&moved).map(|(from, by)| from + by).collect();
    Ok(Adapter::from_flat(model.config(), start.spec(), &flat)?)
}

/// The adapter after the same rounds with updates of zero: what the noise does by itself.
///
/// # Errors
/// If the terms make no grid, or no entropy can be had.
pub fn zeroed(
    model: &LanguageModel,
    start: &Adapter,
    mechanism: &Mechanism,
    survivors: &[usize],
) -> Result<Adapter, LearningError> {
    let dimension = start.to_flat().len();
    let flat = simulate(start.to_flat(), mechanism, survivors, |_, _, _| Ok(vec![0.0; dimension]))?;
    Ok(Adapter::from_flat(model.config(), start.spec(), &flat)?)
}
