//! The gate: every candidate is measured on public held-out conversations before it may be issued.
//!
//! The measure never changes within a task: the same conversations, cut into the same windows, in
//! 32-bit floats on the processor. (That another machine finds the same loss to the last digit is
//! not needed: nodes check that header and gate fit each other, and anybody can measure again with
//! `murmur-node evaluate`.)

use std::path::Path;

use anyhow::{Context as _, bail};
use chatlogs::{Conversation, ImportError, ImportOptions};
use model::{
    Adapter, AdapterSpec, Evaluation, EvaluationRecipe, LanguageModel, Resources, StopToken,
};

/// Windows measured together.
const BATCH: usize = 16;
const MILLIONTHS: f64 = 1e6;

/// A base model, an adapter's shape, and what candidates are measured on.
pub struct Gate {
    model: LanguageModel,
    spec: AdapterSpec,
    conversations: Vec<Conversation>,
    sequence: usize,
    threads: usize,
}

impl Gate {
    /// A gate over these conversations, in windows of `sequence` tokens.
    pub fn new(
        model: LanguageModel,
        spec: AdapterSpec,
        conversations: Vec<Conversation>,
        sequence: usize,
        threads: usize,
    ) -> Self {
        let threads = threads.max(1);
        Self { model, spec, conversations, sequence, threads }
    }

    /// The loss of base model and adapter, in millionths of a nat per token, rounded. Parameters
    /// that blow the model up have the largest loss that there is.
    ///
    /// # Errors
    /// If the parameters do not fit the adapter, or `stop` was used.
    pub fn loss_micro(&self, parameters: &[f32], stop: &StopToken) -> anyhow::Result<u64> {
        let adapter = Adapter::from_flat(self.model.config(), &self.spec, parameters)?;
        let turns: Vec<_> = self.conversations.iter().map(Conversation::as_turns).collect();
        let recipe =
            EvaluationRecipe { sequence_length: self.sequence, batch: BATCH, roles: Vec::new() };
        let resources = Resources { threads: self.threads, stop: stop.clone() };
        let evaluations = self.model.evaluate(Some(&adapter), &turns, &recipe, &resources)?;
        let sum: Evaluation = evaluations.into_iter().sum();
        let loss = sum.whole.loss().context("the gate's conversations hold no token to predict")?;
        Ok(to_micro(loss))
    }

    /// How many conversations it measures.
    pub fn conversations(&self) -> usize {
        self.conversations.len()
    }
}

/// Reads the gate's conversations, of any format; of a data set, those of every user.
///
/// # Errors
/// If the file cannot be read or holds no conversation.
pub fn read_conversations(file: &Path) -> anyhow::Result<Vec<Conversation>> {
    let options = ImportOptions { everyone: true, ..ImportOptions::default() };
    let mut conversations = Vec::new();
    let report = chatlogs::import(file, &options)
        .and_then(|import| {
            import.each(|conversation| -> Result<(), ImportError> {
                conversations.push(conversation);
                Ok(())
            })
        })
        .map_err(|error| unowned(error, file))?;
    let skipped: u64 = report.skipped.values().map(|skipped| skipped.count).sum();
    if skipped > 0 {
        tracing::warn!(skipped, file = %file.display(), "parts of the gate's file were not read");
    }
    if conversations.is_empty() {
        bail!("{} holds no conversation: give the gate at least one", file.display());
    }
    Ok(conversations)
}

/// A gate belongs to nobody, so that nobody can be asked who "me" is.
fn unowned(error: ImportError, file: &Path) -> anyhow::Error {
    let file = file.display();
    match error {
        ImportError::WhoIsMe { .. } => anyhow::anyhow!(
            "{file} is somebody's own chat: give the gate public conversations, such as OpenAI messages JSONL"
        ),
        error => anyhow::Error::new(error)
            .context(format!("the gate's conversations in {file} cannot be used")),
    }
}

/// NaN is the largest loss, too.
fn to_micro(loss: f64) -> u64 {
    if loss.is_nan() { u64::MAX } else { (loss * MILLIONTHS).round() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_rounded_and_explosions_are_the_largest() {
        assert_eq!(to_micro(3.000_000_4), 3_000_000);
        assert_eq!(to_micro(3.000_000_6), 3_000_001);
        assert_eq!([f64::NAN, f64::INFINITY].map(to_micro), [u64::MAX; 2]);
    }
}
