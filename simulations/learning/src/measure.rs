//! What a version predicts of held-out conversations.

use chatlogs::Conversation;
use model::{Adapter, EvaluationRecipe, LanguageModel, Resources, StopToken};

use crate::LearningError;

/// Loss of one conversation, its whole text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConversationLoss {
    /// Predicted tokens.
    pub tokens: u64,
    /// Their loss together, in nats.
    pub total: f64,
}

impl ConversationLoss {
    /// Nats per token; 0 of an empty conversation.
    pub fn mean(self) -> f64 {
        if self.tokens == 0 { 0.0 } else { self.total / self.tokens as f64 }
    }
}

/// Tokens of a window, as `murmur-node evaluate` cuts them.
const WINDOW: usize = 256;

/// The loss of each conversation, in their order; the same numbers as `murmur-node evaluate`.
///
/// # Errors
/// If the adapter does not fit the model.
pub fn losses(
    model: &LanguageModel,
    adapter: Option<&Adapter>,
    conversations: &[Conversation],
    threads: usize,
) -> Result<Vec<ConversationLoss>, LearningError> {
    let turns: Vec<_> = conversations.iter().map(Conversation::as_turns).collect();
    let window = WINDOW.min(model.config().maximum_positions);
    let recipe = EvaluationRecipe { sequence_length: window, batch: 16, roles: Vec::new() };
    let resources = Resources { threads, stop: StopToken::new() };
    let scores = model.evaluate(adapter, &turns, &recipe, &resources)?;
    let loss = |score: &model::Evaluation| ConversationLoss {
        tokens: score.whole.tokens,
        total: score.whole.total_loss,
    };
    Ok(scores.iter().map(loss).collect())
}

/// Nats per token over all of them; none without tokens.
pub fn mean(losses: &[ConversationLoss]) -> Option<f64> {
    let tokens: u64 = losses.iter().map(|loss| loss.tokens).sum();
    let total: f64 = losses.iter().map(|loss| loss.total).sum();
    (tokens > 0).then(|| total / tokens as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_tokens_and_not_over_conversations() {
        let losses = [
            ConversationLoss { tokens: 1, total: 1.0 },
            ConversationLoss { tokens: 3, total: 9.0 },
        ];
        assert_eq!(mean(&losses), Some(2.5));
        assert_eq!((losses[1].mean(), mean(&[])), (3.0, None));
    }
}
