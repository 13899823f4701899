//! The beginning of the privacy path, on one screen: conversations → scrubbed → trained → clipped.
//!
//! This is the one place where the model meets the mechanism. What comes out is
//! [`privacy::Clipped`]; the rest of the path (quantised, released, masked) is
//! `protocol::job::ContributeJob`'s, and nothing else leaves the device.

use anyhow::Context as _;
use chatlogs::{Conversation, ScrubCounts, Scrubber};
use model::{
    Adapter, LanguageModel, Messages, Optimizer, Resources, TrainingProgress, TrainingRecipe,
};
use privacy::Clipped;
use protocol::node::{TrainOrder, Trained};
use store::Conversations;
use wire::{Precision, TrainingOptimizer};

use crate::{config::TrainingConfig, language};

/// Trains as ordered, and clips. The local loss stays in this function.
///
/// # Errors
/// If the model refuses the recipe or the data, or training was stopped.
pub fn train(
    model: &LanguageModel,
    order: TrainOrder,
    adapter: &wire::AdapterSpec,
    conversations: &[Conversation],
    config: &TrainingConfig,
    resources: &Resources,
    progress: &mut (dyn FnMut(TrainingProgress) + Send),
) -> anyhow::Result<Trained> {
    let spec = language::adapter_spec(adapter);
    let start = Adapter::from_flat(model.config(), &spec, &order.parameters)?;
    let recipe = recipe(&order, config);
    let turns: Vec<Messages<'_>> = conversations.iter().map(Conversation::as_turns).collect();
    let (update, _private_loss) = model.train(&start, &turns, &recipe, resources, progress)?;
    let update = Clipped::new(update.as_slice(), order.clip)?;
    Ok(Trained { key: order.key, update })
}

/// Everything that may be trained on, scrubbed, with how much was replaced.
///
/// # Errors
/// If the store cannot be read or holds something that is no conversation.
pub fn training_conversations(
    store: &Conversations,
    private_words: &[String],
) -> anyhow::Result<(Vec<Conversation>, ScrubCounts)> {
    let scrubber = Scrubber::new(private_words)?;
    let (mut all, mut counts) = (Vec::new(), ScrubCounts::default());
    let mut unreadable = None;
    store.for_each_training(|stored| match Conversation::from_json(&stored.messages) {
        Ok(conversation) => {
            let (conversation, found) = scrubber.scrub_conversation(conversation);
            counts.add(&found);
            all.push(conversation);
            true
        }
        Err(error) => {
            unreadable = Some(error);
            false
        }
    })?;
    match unreadable {
        None => Ok((all, counts)),
        Some(error) => {
            Err(error).context("a stored conversation cannot be read: delete and import it again")
        }
    }
}

/// The plan's recipe with this device's choice of roles. The round decides the order of batches: other
/// conversations come first in every round.
fn recipe(order: &TrainOrder, config: &TrainingConfig) -> TrainingRecipe {
    let plan = &order.recipe;
    let learning_rate = grid::Q32::from_raw(plan.learning_rate_q32).to_f64();
    let share = |raw: u64| grid::Q32::from_raw(raw).to_f64();
    TrainingRecipe {
        steps: plan.steps as usize,
        batch: usize::from(plan.batch),
        sequence_length: usize::from(plan.sequence),
        optimizer: match plan.optimizer {
            TrainingOptimizer::Sgd { momentum_q32 } => {
                Optimizer::Sgd { learning_rate, momentum: share(momentum_q32) }
            }
            TrainingOptimizer::AdamW { weight_decay_q32 } => Optimizer::AdamW {
                learning_rate,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                weight_decay: share(weight_decay_q32),
            },
        },
        precision: match plan.precision {
            Precision::F32 => model::Precision::F32,
            Precision::Bf16 => model::Precision::Bf16,
        },
        roles: config.roles.clone(),
        seed: order.round.0,
        max_gradient_norm: Some(1.0),
    }
}
