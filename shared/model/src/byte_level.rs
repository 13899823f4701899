//! Models without a tokenizer of their own: the number of a token is the value of a byte.
//!
//! For measurements that must not depend on a vocabulary, and for weights drawn from a seed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::ModelError;
use crate::config::Config;
use crate::device::{Device, Precision};
use crate::model::{LanguageModel, companions};
use crate::pretrain::{pretty, random_weights};
use crate::tokenizer::ChatTokenizer;

impl LanguageModel {
    /// Weights drawn from a seed, as [`crate::Pretraining::new`] draws them, and bytes as tokens.
    ///
    /// # Errors
    /// [`ModelError::Vocabulary`] for a vocabulary below 256, [`ModelError::Device`].
    pub fn drawn(config: &Config, seed: u64, device: Device) -> Result<LanguageModel, ModelError> {
        let tokenizer = byte_tokenizer(Path::new("tokenizer.json"))?;
        if config.vocabulary < tokenizer.vocabulary() {
            let (tokens, vocabulary) = (tokenizer.vocabulary(), config.vocabulary);
            return Err(ModelError::Vocabulary {
                file: "tokenizer.json".into(),
                tokens,
                vocabulary,
            });
        }
        let transformer = random_weights(config, seed, device.checked()?);
        let config = pretty(&config.to_json(Precision::F32.name())).into_bytes();
        let files = BTreeMap::from([("config.json", config), ("tokenizer.json", byte_json())]);
        Ok(LanguageModel::from_parts(transformer, tokenizer, files))
    }

    /// The weights of a Hugging Face folder in f32, with bytes as tokens whatever tokenizer the folder has.
    ///
    /// # Errors
    /// As [`LanguageModel::load`].
    pub fn load_for_bytes(folder: &Path, device: Device) -> Result<LanguageModel, ModelError> {
        let mut files = companions(folder)?;
        files.retain(|name, _| matches!(*name, "config.json" | "generation_config.json"));
        files.insert("tokenizer.json", byte_json());
        let tokenizer = byte_tokenizer(folder)?;
        LanguageModel::load_with(folder, device, Precision::F32, tokenizer, files)
    }
}

fn byte_tokenizer(folder: &Path) -> Result<ChatTokenizer, ModelError> {
    ChatTokenizer::from_bytes(&byte_json(), b"{}", None, folder)
}

/// tokenizer.json: the 256 characters that GPT-2 writes bytes as (Radford et al. 2019), in the order of bytes.
fn byte_json() -> Vec<u8> {
    let mut stand_ins = (256..).filter_map(char::from_u32);
    let character = |byte: u8| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        _ => stand_ins.next().expect("far fewer than there are characters"),
    };
    let vocabulary: Map<String, Value> = (0..=u8::MAX)
        .map(character)
        .enumerate()
        .map(|(id, character)| (character.to_string(), json!(id)))
        .collect();
    let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false });
    let file = json!({
        "version": "1.0", "added_tokens": [], "pre_tokenizer": bytes, "decoder": bytes,
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] },
    });
    file.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_byte() {
        let tokenizer = byte_tokenizer(Path::new("made-up")).unwrap();
        let every: String = (0..0x300).filter_map(char::from_u32).collect();
        for text in ["user: hello\n", "\u{0}\t\r\n \u{7f}", "日本語 👋🏽 e\u{301}", &every] {
            let bytes: Vec<u32> = text.bytes().map(u32::from).collect();
            assert_eq!(tokenizer.encode(text).unwrap(), bytes);
            assert_eq!(tokenizer.decode(&bytes).unwrap(), text);
        }
        let rendered = tokenizer.render(&[("user", "hi"), ("assistant", "ho")]).unwrap();
        let text: Vec<u32> = b"user: hi\nassistant: ho\n".iter().map(|&b| u32::from(b)).collect();
        assert_eq!(rendered.tokens, text);
        assert_eq!(tokenizer.vocabulary(), 256);
    }

    #[test]
    fn a_seed_decides_every_weight() {
        let config = json!({
            "model_type": "llama", "vocab_size": 300, "hidden_size": 16, "intermediate_size": 24,
            "num_hidden_layers": 1, "num_attention_heads": 2, "tie_word_embeddings": true,
        });
        let config = Config::from_json(config.to_string().as_bytes(), Path::new("x")).unwrap();
        let drawn = |seed| LanguageModel::drawn(&config, seed, Device::Cpu).unwrap();
        assert_eq!(drawn(1).hash(), drawn(1).hash());
        assert_ne!(drawn(1).hash(), drawn(2).hash());
        let folder = tempfile::tempdir().unwrap();
        drawn(1).save(folder.path(), Precision::F32).unwrap();
        let again = LanguageModel::load_for_bytes(folder.path(), Device::Cpu).unwrap();
        assert_eq!(again.hash(), drawn(1).hash());
        let small = Config { vocabulary: 255, ..config };
        let refused = LanguageModel::drawn(&small, 1, Device::Cpu);
        assert!(matches!(refused, Err(ModelError::Vocabulary { tokens: 256, .. })));
    }
}
