//! A model folder in memory: weights, tokenizer, and the hash that names them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tch::Tensor;

use crate::ModelError;
use crate::adapter::Adapter;
use crate::config::{Config, Projection};
use crate::device::{Device, Precision};
use crate::pretrain::{pretty, save_weights};
use crate::safetensors_file::{Stored, open_folder, read_file, write_file};
use crate::tokenizer::ChatTokenizer;
use crate::transformer::Transformer;

/// A language model with its tokenizer.
pub struct LanguageModel {
    pub(crate) transformer: Transformer,
    tokenizer: ChatTokenizer,
    hash: [u8; 32],
    /// Everything of the folder but the weights, as it was read.
    files: BTreeMap<&'static str, Vec<u8>>,
}

/// Files of a folder that a saved model takes along unchanged.
const COMPANIONS: [&str; 6] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
];

impl LanguageModel {
    /// Loads a Hugging Face folder in f32.
    pub fn load(folder: &Path, device: Device) -> Result<LanguageModel, ModelError> {
        LanguageModel::load_in(folder, device, Precision::F32)
    }

    /// Loads a Hugging Face folder; the weights are held in the given precision.
    pub fn load_in(
        folder: &Path,
        device: Device,
        precision: Precision,
    ) -> Result<LanguageModel, ModelError> {
        let files = companions(folder)?;
        LanguageModel::load_with(folder, device, precision, ChatTokenizer::load(folder)?, files)
    }

    /// Weights and shape of a folder with a tokenizer that may be another one; `files` go with the model.
    pub(crate) fn load_with(
        folder: &Path,
        device: Device,
        precision: Precision,
        tokenizer: ChatTokenizer,
        files: BTreeMap<&'static str, Vec<u8>>,
    ) -> Result<LanguageModel, ModelError> {
        let device = device.checked()?;
        let file = folder.join("config.json");
        let bytes =
            files.get("config.json").map_or_else(|| read_file(&file), |bytes| Ok(bytes.clone()))?;
        let config =
            with_end_tokens(Config::from_json(&bytes, &file)?, files.get("generation_config.json"));
        if tokenizer.vocabulary() > config.vocabulary {
            return Err(ModelError::Vocabulary {
                file: folder.join("tokenizer.json"),
                tokens: tokenizer.vocabulary(),
                vocabulary: config.vocabulary,
            });
        }
        let mut hasher = hash_of_companions(&config, &tokenizer, &files);
        let mut tensors = BTreeMap::new();
        read_tensors(folder, &config, |name, stored| {
            hash_tensor(&mut hasher, name, stored);
            tensors.insert(name.to_owned(), precision.hold(stored.to_tensor().to_device(device)));
        })?;
        let transformer = Transformer::from_tensors(config, tensors);
        Ok(LanguageModel { transformer, tokenizer, hash: *hasher.finalize().as_bytes(), files })
    }

    /// From weights that are here already.
    pub(crate) fn from_parts(
        transformer: Transformer,
        tokenizer: ChatTokenizer,
        files: BTreeMap<&'static str, Vec<u8>>,
    ) -> LanguageModel {
        let mut hasher = hash_of_companions(&transformer.config, &tokenizer, &files);
        for (name, tensor) in transformer.tensors() {
            hash_tensor(&mut hasher, &name, &Stored::of_f32(&tensor));
        }
        LanguageModel { transformer, tokenizer, hash: *hasher.finalize().as_bytes(), files }
    }

    /// The model's shape.
    pub fn config(&self) -> &Config {
        &self.transformer.config
    }

    /// The tokenizer and chat template.
    pub fn tokenizer(&self) -> &ChatTokenizer {
        &self.tokenizer
    }

    /// BLAKE3 of all that decides what the model computes: shape, tokenizer, chat template and stored weights.
    ///
    /// It does not depend on the precision loaded in, on shards, or on how the JSON is written.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Scores of the next token after each token of one text, uncached: [tokens][vocabulary].
    ///
    /// For tests and measurements: a long text with a large vocabulary needs a lot of memory.
    pub fn logits(
        &self,
        tokens: &[u32],
        adapter: Option<&Adapter>,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        self.check_tokens(tokens)?;
        let low_rank = adapter.map(|adapter| adapter.on(&self.transformer)).transpose()?;
        let flat = tch::no_grad(|| {
            let row = self.row(tokens);
            let hidden = self.transformer.hidden(&row, low_rank.as_deref(), None);
            crate::loss::floats(&self.transformer.scores(&hidden))
        });
        Ok(flat.chunks(self.config().vocabulary).map(<[f32]>::to_vec).collect())
    }

    /// The model with an adapter worked into its weights: W + scale · B A. Its hash is that of the folder it
    /// becomes when saved with [`Precision::F32`] and loaded again.
    pub fn merge(&self, adapter: &Adapter) -> Result<LanguageModel, ModelError> {
        let additions = adapter.on(&self.transformer)?;
        let merged = tch::no_grad(|| {
            self.transformer.map(|name, weight| {
                let Some((layer, projection)) = place_of(name) else { return weight.copy() };
                let Some(low_rank) = &additions[layer][projection as usize] else {
                    return weight.copy();
                };
                let change = low_rank.b.matmul(&low_rank.a) * low_rank.scale;
                (weight.to_kind(tch::Kind::Float) + change).to_kind(weight.kind())
            })
        });
        let tokenizer = self.tokenizer_again()?;
        Ok(LanguageModel::from_parts(merged, tokenizer, self.files.clone()))
    }

    /// Writes a Hugging Face folder. Weights are rounded to `precision`; the other files are as they were read.
    pub fn save(&self, folder: &Path, precision: Precision) -> Result<(), ModelError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| ModelError::Write { file: folder.to_owned(), source })?;
        save_weights(&self.transformer, folder, precision)?;
        for (name, bytes) in &self.files {
            let bytes = if *name == "config.json" {
                with_precision(bytes, precision)
            } else {
                bytes.clone()
            };
            write_file(&folder.join(name), &bytes)?;
        }
        Ok(())
    }

    /// Refuses tokens and lengths that the model does not have.
    pub(crate) fn check_tokens(&self, tokens: &[u32]) -> Result<(), ModelError> {
        let (vocabulary, positions) = (self.config().vocabulary, self.config().maximum_positions);
        if let Some(&token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
            return Err(ModelError::Token { token, vocabulary });
        }
        if tokens.len() > positions {
            return Err(ModelError::TooLong { tokens: tokens.len(), positions });
        }
        Ok(())
    }

    /// One text as a batch: [1, t].
    pub(crate) fn row(&self, tokens: &[u32]) -> Tensor {
        let tokens: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
        Tensor::from_slice(&tokens).unsqueeze(0).to_device(self.transformer.device())
    }

    fn tokenizer_again(&self) -> Result<ChatTokenizer, ModelError> {
        let file = |name: &str, default: &'static [u8]| {
            self.files.get(name).map_or(default, Vec::as_slice)
        };
        let template = self.files.get("chat_template.jinja").map(Vec::as_slice);
        let config = file("tokenizer_config.json", b"{}");
        ChatTokenizer::from_bytes(file("tokenizer.json", b""), config, template, Path::new("."))
    }
}

pub(crate) fn companions(folder: &Path) -> Result<BTreeMap<&'static str, Vec<u8>>, ModelError> {
    let there = COMPANIONS.into_iter().filter(|name| folder.join(name).exists());
    there.map(|name| Ok((name, read_file(&folder.join(name))?))).collect()
}

/// generation_config.json may name more tokens that end a text.
fn with_end_tokens(mut config: Config, generation: Option<&Vec<u8>>) -> Config {
    let parsed = generation.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let named = match parsed.as_ref().and_then(|parsed| parsed.get("eos_token_id")) {
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    config.end_tokens.extend(
        named.iter().filter_map(Value::as_u64).filter_map(|token| u32::try_from(token).ok()),
    );
    config.end_tokens.sort_unstable();
    config.end_tokens.dedup();
    config
}

/// Reads every tensor of the configuration in canonical order; refuses missing, extra and mis-shaped ones.
fn read_tensors(
    folder: &Path,
    config: &Config,
    mut take: impl FnMut(&str, &Stored),
) -> Result<(), ModelError> {
    let mut files = open_folder(folder)?;
    let expected = config.tensors();
    let mut homes = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        for name in file.names() {
            let known = expected.iter().any(|(expected, _)| *expected == name);
            if !known && !is_harmless_extra(&name, config) {
                return Err(ModelError::ExtraTensor { place: file.path().to_owned(), name });
            }
            homes.insert(name, index);
        }
    }
    for (name, shape) in &expected {
        let Some(&home) = homes.get(name) else {
            return Err(ModelError::MissingTensor {
                place: files[0].path().to_owned(),
                name: name.clone(),
            });
        };
        take(name, &files[home].read_as(name, shape)?);
    }
    Ok(())
}

/// Old files carry rotary frequencies, and some repeat a tied output layer: transformers ignores both.
fn is_harmless_extra(name: &str, config: &Config) -> bool {
    name.ends_with("rotary_emb.inv_freq") || (config.tied_embeddings && name == "lm_head.weight")
}

/// Layer and projection of a weight such as `model.layers.3.mlp.up_proj.weight`.
fn place_of(name: &str) -> Option<(usize, Projection)> {
    let (layer, path) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let path = path.strip_suffix(".weight")?;
    let projection = Projection::ALL.into_iter().find(|projection| projection.path() == path)?;
    Some((layer.parse().ok()?, projection))
}

fn hash_of_companions(
    config: &Config,
    tokenizer: &ChatTokenizer,
    files: &BTreeMap<&'static str, Vec<u8>>,
) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_derive_key("murmuration 2026-11 language model");
    let shape = serde_json::to_vec(config).expect("a configuration holds only numbers and names");
    let tokens = files.get("tokenizer.json").map_or(&[][..], Vec::as_slice);
    for part in [&shape[..], tokens, tokenizer.chat_template().unwrap_or("").as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher
}

fn hash_tensor(hasher: &mut blake3::Hasher, name: &str, stored: &Stored) {
    let header = format!("{name} {:?} {:?}\n", stored.dtype, stored.shape);
    hasher.update(header.as_bytes());
    hasher.update(&stored.bytes);
}

/// config.json with the number format that the weights now have.
fn with_precision(config: &[u8], precision: Precision) -> Vec<u8> {
    let Ok(mut parsed) = serde_json::from_slice::<Value>(config) else { return config.to_vec() };
    let key = if parsed.get("dtype").is_some() { "dtype" } else { "torch_dtype" };
    parsed[key] = Value::from(precision.name());
    pretty(&parsed).into_bytes()
}
