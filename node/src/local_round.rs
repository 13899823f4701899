//! The beginning of the privacy path, on one screen: conversations → scrubbed → trained → clipped.
//!
//! This is the one place where the model meets the mechanism. What comes out is
//! [`privacy::Clipped`]; the rest of the path (quantised, released, masked) is
//! `protocol::job::ContributeJob`'s, and nothing else leaves the device.

use anyhow::Context as _;
use chatlogs::{Conversation, Message, ScrubCounts, Scrubber};
use model::{
    Adapter, LanguageModel, Messages, ModelError, Optimizer, Resources, TrainingProgress,
    TrainingRecipe,
};
use privacy::{Clipped, PrivacyError};
use protocol::node::{TrainOrder, Trained};
use store::Conversations;
use wire::{Precision, Recipe, Round, TrainingOptimizer};
use zeroize::Zeroizing;

use crate::{config::TrainingConfig, language};

/// Trains as ordered, and clips. The local loss stays in this function.
///
/// # Errors
/// If the model refuses the recipe, or training was stopped.
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
    let trained = model.train(&start, &turns, &recipe, resources, progress);
    let update = trained.map(|(update, _private_loss)| update.into_vec());
    let update = clipped(update, order.parameters.len(), order.clip)?;
    Ok(Trained { key: order.key, update })
}

/// Clips an update. Where training met no numbers, or found nothing to learn, that is because of private text: a
/// node that then stayed away would tell something of it, unnoised and uncharged, about whatever recipe it is
/// asked with. So it takes part with zeros, at the same cost, and only its owner is told.
fn clipped(
    update: Result<Vec<f32>, ModelError>,
    dimension: usize,
    clip: grid::Q32,
) -> anyhow::Result<Clipped> {
    let why = match update.map(Zeroizing::new) {
        Ok(update) => match Clipped::new(&update, clip) {
            Err(error @ PrivacyError::NotFinite { .. }) => error.to_string(),
            clipped => return Ok(clipped?),
        },
        Err(error) if error.is_of_the_text() => error.to_string(),
        Err(error) => return Err(error.into()),
    };
    tracing::warn!("this training gave no update, and the node contributes zeros: {why}");
    Ok(Clipped::zeros(dimension, clip)?)
}

/// What one training can take of what may be trained on, scrubbed, with how much was replaced.
///
/// As many conversations are drawn as the recipe has rows, anew for each round, only they are read, and of a
/// long one only an [`excerpt`] is scrubbed and turned into tokens: how long that takes depends on the plan
/// and not on how much there is (promise 1; a list of ids and the reading apart). One in which nobody says
/// anything that is learned is passed over.
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
    let most = rows.saturating_mul(usize::from(recipe.sequence)).saturating_mul(BYTES_A_TOKEN);
    let most = most.max(EXCERPT_LEAST);
    let scrubber = Scrubber::new(private_words)?;
    let (mut drawn, mut counts) = (Vec::new(), ScrubCounts::default());
    for id in shuffled(store.training_ids()?, round) {
        if drawn.len() >= rows {
            break;
        }
        let Some(stored) = store.find(&id)? else { continue };
        let conversation = Conversation::from_json(&stored.messages)
            .context("a stored conversation cannot be read: delete and import it again")?;
        if let Some(conversation) = excerpt(conversation, most, drawn_of(&id, round), roles) {
            let (conversation, found) = scrubber.scrub_conversation(conversation);
            counts.add(&found);
            drawn.push(conversation);
        }
    }
    Ok((drawn, counts))
}

/// More bytes than a token has on average, in every script.
const BYTES_A_TOKEN: usize = 16;
/// However little a plan asks for: a few messages, at a cost that nobody can tell from none.
const EXCERPT_LEAST: usize = 4096;

/// The round's own order.
fn shuffled(mut ids: Vec<[u8; 32]>, round: Round) -> Vec<[u8; 32]> {
    ids.sort_by_cached_key(|id| *keyed(id, round).as_bytes());
    ids
}

/// A number that the round draws for a conversation.
fn drawn_of(id: &[u8; 32], round: Round) -> u64 {
    let hash = keyed(id, round);
    let (words, _) = hash.as_bytes().as_chunks::<8>();
    u64::from_le_bytes(words[3])
}

fn keyed(id: &[u8; 32], round: Round) -> blake3::Hash {
    let key = blake3::derive_key("murmuration 2026-11 order of training", &round.0.to_le_bytes());
    blake3::keyed_hash(&key, id)
}

/// Of a conversation with more than `most` bytes of text, whole messages in a row that are no more, from the
/// first one on that is learned behind a drawn place; none where nothing of it is learned. Only whole messages:
/// half of a private detail would pass the scrubber.
fn excerpt(
    conversation: Conversation,
    most: usize,
    drawn: u64,
    roles: &[String],
) -> Option<Conversation> {
    let messages = conversation.messages();
    let learned = |message: &Message| {
        let (role, text) = (message.role.name(), message.text.trim());
        !text.is_empty() && roles.iter().any(|wanted| wanted == role)
    };
    if messages.iter().map(|message| message.text.len()).sum::<usize>() <= most {
        return messages.iter().any(learned).then_some(conversation);
    }
    let place = (drawn % messages.len() as u64) as usize;
    let fits = |&at: &usize| messages[at].text.len() <= most && learned(&messages[at]);
    let from = (place..messages.len()).chain(0..place).find(fits)?;
    let mut room = most;
    let whole = messages[from..].iter().map_while(|message| {
        room = room.checked_sub(message.text.len())?;
        Some(message.clone())
    });
    Conversation::new(conversation.source(), None, None, whole.collect(), conversation.started())
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

    use chatlogs::{Format, Role};
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

    /// A coordinator chooses rates and steps: were it to see which node has no update, it would be told of that
    /// node's text as often as it likes, at no cost.
    #[test]
    fn what_the_text_makes_of_a_training_does_not_show_in_taking_part() {
        let clip = grid::Q32::from_raw(1 << 32);
        let zeros = |update| {
            let clipped = clipped(update, 3, clip).expect("the node takes part");
            assert_eq!((clipped.dimension(), clipped.clip()), (3, clip));
        };
        zeros(Ok(vec![0.1, f32::NAN, 0.3]));
        zeros(Ok(vec![f32::INFINITY; 3]));
        zeros(Err(ModelError::Diverged { step: 2 }));
        zeros(Err(ModelError::NothingToTrain { conversations: 1, roles: Vec::new() }));
        zeros(Err(ModelError::TooManyMessages { messages: 9, most: 8 }));
        zeros(Ok(vec![0.1; 3]));
        let recipe = ModelError::Recipe { key: "steps", found: "0".into(), expected: "above 0" };
        for decided_by_others in [ModelError::Stopped, recipe] {
            assert!(clipped(Err(decided_by_others), 3, clip).is_err());
        }
    }

    /// Short plans must not be told by the time they take how long somebody's conversations are.
    #[test]
    fn of_a_long_conversation_no_more_is_looked_at_than_the_plan_can_use() {
        let message = |number: usize| {
            let role = if number.is_multiple_of(2) { Role::Me } else { Role::Assistant };
            Message { role, text: format!("number {number}, a@example.org {}", "x".repeat(80)) }
        };
        let long = |count| {
            let messages = (0..count).map(message).collect();
            Conversation::new(Format::OpenAi, None, None, messages, None).unwrap()
        };
        let roles = ["user".to_owned()];
        let texts = |drawn| {
            let part = excerpt(long(500), 4096, drawn, &roles).unwrap();
            part.messages().iter().map(|message| message.text.clone()).collect::<Vec<_>>()
        };
        for drawn in [0, 3, 250, 499, u64::MAX] {
            let part = texts(drawn);
            let length: usize = part.iter().map(String::len).sum();
            assert!((1..=4096).contains(&length), "{length}");
            let first: usize = (0..500).find(|&number| message(number).text == part[0]).unwrap();
            assert_eq!(first % 2, 0, "it begins with what is learned");
            let row = (first..).map(|number| message(number).text);
            assert!(row.zip(&part).all(|(one, other)| one == *other), "messages in a row");
        }
        assert_ne!(texts(3), texts(250));
        let short = excerpt(long(20), 4096, 7, &roles).unwrap();
        assert_eq!(short.messages().len(), 20, "a short one is whole");
        assert!(excerpt(long(500), 4096, 7, &["system".to_owned()]).is_none());
        assert!(excerpt(long(500), 50, 7, &roles).is_none(), "no half messages");
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
