//! Training a byte-level BPE tokenizer for a base model of our own.

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

use crate::ModelError;

/// Learns a byte-level BPE vocabulary (Sennrich et al. 2016, arXiv:1508.07909; bytes as in GPT-2) and returns the
/// contents of tokenizer.json.
///
/// `vocabulary` counts everything: the control tokens (first, in their order, from id 0), the 256 bytes, the
/// merges. Few texts give a smaller one. The same texts in the same order give the same bytes.
pub fn train_byte_level_bpe<Text: AsRef<str> + Send>(
    texts: impl Iterator<Item = Text> + Send,
    vocabulary: usize,
    control_tokens: &[&str],
) -> Result<Vec<u8>, ModelError> {
    let control = control_tokens.iter().map(|token| AddedToken::from(*token, true)).collect();
    let trainer = BpeTrainerBuilder::new()
        .vocab_size(vocabulary)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(control)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let bytes = ByteLevel::new(false, false, true);
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
    let failed = |source| ModelError::TokenizerTraining { source };
    tokenizer.train(&mut TrainerWrapper::from(trainer), texts).map_err(failed)?;
    Ok(tokenizer.to_string(true).map_err(failed)?.into_bytes())
}
