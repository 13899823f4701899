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
use wire::{Precision, Recipe, Round, TrainingOptimizer};

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

/// What one training can take of what may be trained on, scrubbed, with how much was replaced.
///
/// As many conversations are drawn as the recipe has rows, anew for each round, and only they are read
/// and scrubbed: how long that takes depends on the plan and not on how much there is (promise 1; a
/// list of ids apart). One in which nobody says anything that is learned is passed over.
///
/// # Errors
/// If the store cannot be read or holds something that is no conversation.
pub fn training_conversations(
    store: &Conversations,
    private_words: &[String],
    round: Round,
    recipe: &Recipe,
    roles: &[String],
) -> anyhow::Result<(Vec<Conversation>, ScrubCounts)> {
    let rows = (recipe.steps as usize).saturating_mul(usize::from(recipe.batch));
    let scrubber = Scrubber::new(private_words)?;
    let (mut drawn, mut counts) = (Vec::new(), ScrubCounts::default());
    for id in shuffled(store.training_ids()?, round) {
        if drawn.len() >= rows {
            break;
        }
        let Some(stored) = store.find(&id)? else { continue };
        let conversation = Conversation::from_json(&stored.messages)
            .context("a stored conversation cannot be read: delete and import it again")?;
        if teaches(&conversation, roles) {
            let (conversation, found) = scrubber.scrub_conversation(conversation);
            counts.add(&found);
            drawn.push(conversation);
        }
    }
    Ok((drawn, counts))
}

/// The round's own order.
fn shuffled(mut ids: Vec<[u8; 32]>, round: Round) -> Vec<[u8; 32]> {
    let key = blake3::derive_key("murmuration 2026-11 order of training", &round.0.to_le_bytes());
    ids.sort_by_cached_key(|id| *blake3::keyed_hash(&key, id).as_bytes());
    ids
}

/// Whether there is anything in it that is learned.
fn teaches(conversation: &Conversation, roles: &[String]) -> bool {
    let mut turns = conversation.as_turns().into_iter();
    turns.any(|(role, text)| !text.trim().is_empty() && roles.iter().any(|wanted| wanted == role))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chatlogs::{Format, Message, Role};
    use store::{DatabaseKey, StoredConversation};

    use super::*;

    fn stored(number: u8, messages: Vec<u8>) -> StoredConversation {
        StoredConversation {
            id: [number; 32],
            thread: [number; 32],
            source: "openai".into(),
            title: None,
            started: None,
            messages,
            split: None,
            excluded: false,
            imported_at: 0,
        }
    }

    fn said(role: Role, number: u8) -> Vec<u8> {
        let message = Message { role, text: format!("number {number}, a@example.org") };
        Conversation::new(Format::OpenAi, None, None, vec![message], None).unwrap().to_json()
    }

    fn recipe(steps: u32, batch: u16) -> Recipe {
        Recipe {
            steps,
            batch,
            sequence: 8,
            optimizer: TrainingOptimizer::Sgd { momentum_q32: 0 },
            learning_rate_q32: 1,
            precision: Precision::F32,
        }
    }

    #[test]
    fn a_round_reads_and_scrubs_no_more_than_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let key = DatabaseKey::Raw(&[3; 32]);
        let mut store = Conversations::open(&folder.path().join("chats.db"), &key).unwrap();
        let mine = (0..40).map(|number| stored(number, said(Role::Me, number)));
        // Nothing of these is learned.
        let rules = (40..80).map(|number| stored(number, said(Role::System, number)));
        let all: Vec<_> = mine.chain(rules).collect();
        store.insert_many(&all).unwrap();
        let roles = ["user".to_owned()];
        let drawn = |round, recipe: &Recipe| {
            let (drawn, counts) =
                training_conversations(&store, &[], Round(round), recipe, &roles).unwrap();
            assert_eq!(counts.total(), drawn.len() as u64, "only what was drawn is scrubbed");
            drawn.iter().map(|c| c.messages()[0].text.clone()).collect::<BTreeSet<_>>()
        };
        let six = recipe(2, 3);
        assert_eq!((drawn(1, &six).len(), drawn(2, &six).len()), (6, 6));
        assert_eq!(drawn(1, &six), drawn(1, &six), "a round is the same after a restart");
        assert_ne!(drawn(1, &six), drawn(2, &six), "another round draws others");
        assert_eq!(drawn(1, &recipe(100, 100)).len(), 40, "all that teaches, where rows are many");
        assert!(drawn(1, &recipe(0, 3)).is_empty());
    }
}
