//! What a version says.

use std::ops::ControlFlow;

use model::{Adapter, GenerationRecipe, LanguageModel, Resources, StopToken};

use crate::LearningError;

/// Most tokens of a reply.
const TOKENS: usize = 60;

/// The reply to one thing said, raw. The same seed draws the same way.
///
/// # Errors
/// If the adapter does not fit the model, or what was said is too long for it.
pub fn reply(
    model: &LanguageModel,
    adapter: Option<&Adapter>,
    said: &str,
    seed: u64,
    threads: usize,
) -> Result<String, LearningError> {
    let prompt = model.tokenizer().prompt(&[("user", said)])?;
    let recipe = GenerationRecipe { temperature: 0.7, top_p: 0.9, maximum_tokens: TOKENS, seed };
    let resources = Resources { threads, stop: StopToken::new() };
    let mut reply = String::new();
    model.generate(adapter, &prompt, &recipe, &resources, &mut |piece| {
        reply.push_str(piece);
        ControlFlow::Continue(())
    })?;
    Ok(reply)
}
