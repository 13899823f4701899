//! The shape of a model: what config.json of a Llama or Qwen2 folder says, checked.
//!
//! A configuration that asks for something this crate does not compute is refused by name, never ignored.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::ModelError;

/// Which of the two layouts a folder declares. They differ in where biases are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Family {
    /// `model_type: llama`.
    Llama,
    /// `model_type: qwen2`: biases on q, k and v.
    Qwen2,
}

/// Llama 3's stretching of rotary frequencies to a longer context (transformers, `rope_type: llama3`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Llama3Scaling {
    /// By how much long wavelengths are slowed down.
    pub factor: f64,
    /// Wavelengths above `original_positions / low_frequency_factor` are slowed down wholly.
    pub low_frequency_factor: f64,
    /// Wavelengths below `original_positions / high_frequency_factor` are left alone.
    pub high_frequency_factor: f64,
    /// Positions of the context before stretching.
    pub original_positions: usize,
}

/// Rotary position embedding (Su et al. 2021, arXiv:2104.09864).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// Stretching, if any.
    pub scaling: Option<Llama3Scaling>,
}

/// The shape of a decoder-only transformer in the Llama layout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// Llama or Qwen2.
    pub family: Family,
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width inside the feed-forward part.
    pub intermediate: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads of a block.
    pub heads: usize,
    /// Key and value heads of a block; divides `heads`.
    pub key_value_heads: usize,
    /// Width of one head; even.
    pub head_dimension: usize,
    /// Positions the model was made for.
    pub maximum_positions: usize,
    /// Added to the mean square before the root.
    pub norm_epsilon: f64,
    /// Rotary position embedding.
    pub rope: Rope,
    /// Whether the output layer is the embedding itself.
    pub tied_embeddings: bool,
    /// Biases on q, k and v.
    pub query_key_value_bias: bool,
    /// Bias on o.
    pub output_bias: bool,
    /// Biases on gate, up and down.
    pub feed_forward_bias: bool,
    /// Tokens that end a text (`eos_token_id`).
    pub end_tokens: Vec<u32>,
}

/// One of the seven linear maps of a block, in the order in which their parameters travel.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize,
)]
pub enum Projection {
    /// Query.
    #[serde(rename = "q")]
    Query,
    /// Key.
    #[serde(rename = "k")]
    Key,
    /// Value.
    #[serde(rename = "v")]
    Value,
    /// Output of attention.
    #[serde(rename = "o")]
    Output,
    /// Gate of the feed-forward part.
    #[serde(rename = "gate")]
    Gate,
    /// Up of the feed-forward part.
    #[serde(rename = "up")]
    Up,
    /// Down of the feed-forward part.
    #[serde(rename = "down")]
    Down,
}

impl Projection {
    /// All seven, in canonical order.
    pub const ALL: [Projection; 7] = [
        Projection::Query,
        Projection::Key,
        Projection::Value,
        Projection::Output,
        Projection::Gate,
        Projection::Up,
        Projection::Down,
    ];

    /// The module's name in Hugging Face files, such as `q_proj`.
    pub fn module(self) -> &'static str {
        match self {
            Projection::Query => "q_proj",
            Projection::Key => "k_proj",
            Projection::Value => "v_proj",
            Projection::Output => "o_proj",
            Projection::Gate => "gate_proj",
            Projection::Up => "up_proj",
            Projection::Down => "down_proj",
        }
    }

    /// The module's path inside a block, such as `self_attn.q_proj`.
    pub fn path(self) -> String {
        let part = match self {
            Projection::Query | Projection::Key | Projection::Value | Projection::Output => {
                "self_attn"
            }
            Projection::Gate | Projection::Up | Projection::Down => "mlp",
        };
        format!("{part}.{}", self.module())
    }
}

impl Config {
    /// Reads config.json's bytes; `file` is named in errors.
    pub fn from_json(bytes: &[u8], file: &Path) -> Result<Config, ModelError> {
        let keys: Map<String, Value> = serde_json::from_slice(bytes)
            .map_err(|source| ModelError::Json { file: file.to_owned(), source })?;
        let keys = Keys { file, keys: &keys };
        let family = match keys.text("model_type")? {
            "llama" => Family::Llama,
            "qwen2" => Family::Qwen2,
            other => return Err(keys.unsupported("model_type", other, "llama, qwen2")),
        };
        refuse_unsupported(&keys)?;
        let hidden = keys.count("hidden_size")?;
        let heads = keys.count("num_attention_heads")?;
        let attention_bias = keys.flag("attention_bias", false)?;
        let config = Config {
            family,
            vocabulary: keys.count("vocab_size")?,
            hidden,
            intermediate: keys.count("intermediate_size")?,
            layers: keys.count("num_hidden_layers")?,
            heads,
            key_value_heads: keys.optional_count("num_key_value_heads")?.unwrap_or(heads),
            head_dimension: keys.optional_count("head_dim")?.unwrap_or(hidden / heads),
            maximum_positions: keys.optional_count("max_position_embeddings")?.unwrap_or(2048),
            norm_epsilon: keys.number("rms_norm_eps", Some(1e-6))?,
            rope: rope(&keys)?,
            tied_embeddings: keys.flag("tie_word_embeddings", false)?,
            query_key_value_bias: family == Family::Qwen2 || attention_bias,
            output_bias: family == Family::Llama && attention_bias,
            feed_forward_bias: family == Family::Llama && keys.flag("mlp_bias", false)?,
            end_tokens: keys.tokens("eos_token_id")?,
        };
        config.check_heads(&keys)?;
        Ok(config)
    }

    /// The configuration as a Hugging Face config.json, for folders that this crate writes itself.
    pub fn to_json(&self, stored: &str) -> Value {
        let (architecture, model_type) = match self.family {
            Family::Llama => ("LlamaForCausalLM", "llama"),
            Family::Qwen2 => ("Qwen2ForCausalLM", "qwen2"),
        };
        let mut value = json!({
            "architectures": [architecture], "model_type": model_type, "vocab_size": self.vocabulary,
            "hidden_size": self.hidden, "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_value_heads, "head_dim": self.head_dimension,
            "max_position_embeddings": self.maximum_positions, "rms_norm_eps": self.norm_epsilon,
            "rope_theta": self.rope.theta, "hidden_act": "silu", "tie_word_embeddings": self.tied_embeddings,
            "eos_token_id": self.end_tokens, "initializer_range": 0.02, "use_cache": true, "torch_dtype": stored,
        });
        if self.family == Family::Llama {
            value["attention_bias"] = json!(self.query_key_value_bias);
            value["mlp_bias"] = json!(self.feed_forward_bias);
        }
        if let Some(scaling) = self.rope.scaling {
            value["rope_scaling"] = json!({
                "rope_type": "llama3", "factor": scaling.factor, "low_freq_factor": scaling.low_frequency_factor,
                "high_freq_factor": scaling.high_frequency_factor,
                "original_max_position_embeddings": scaling.original_positions,
            });
        }
        value
    }

    /// (outputs, inputs) of one projection: the shape of its weight.
    pub fn projection_shape(&self, projection: Projection) -> (usize, usize) {
        let queries = self.heads * self.head_dimension;
        let keys = self.key_value_heads * self.head_dimension;
        match projection {
            Projection::Query => (queries, self.hidden),
            Projection::Key | Projection::Value => (keys, self.hidden),
            Projection::Output => (self.hidden, queries),
            Projection::Gate | Projection::Up => (self.intermediate, self.hidden),
            Projection::Down => (self.hidden, self.intermediate),
        }
    }

    /// Every tensor of the model with its shape, in canonical order.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut tensors =
            vec![("model.embed_tokens.weight".to_owned(), vec![self.vocabulary, self.hidden])];
        for layer in 0..self.layers {
            let prefix = format!("model.layers.{layer}");
            tensors.push((format!("{prefix}.input_layernorm.weight"), vec![self.hidden]));
            for projection in Projection::ALL {
                let (outputs, inputs) = self.projection_shape(projection);
                let path = projection.path();
                tensors.push((format!("{prefix}.{path}.weight"), vec![outputs, inputs]));
                if self.has_bias(projection) {
                    tensors.push((format!("{prefix}.{path}.bias"), vec![outputs]));
                }
            }
            tensors.push((format!("{prefix}.post_attention_layernorm.weight"), vec![self.hidden]));
        }
        tensors.push(("model.norm.weight".to_owned(), vec![self.hidden]));
        if !self.tied_embeddings {
            tensors.push(("lm_head.weight".to_owned(), vec![self.vocabulary, self.hidden]));
        }
        tensors
    }

    /// Numbers in all tensors together.
    pub fn parameter_count(&self) -> usize {
        self.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Whether a projection has a bias.
    pub fn has_bias(&self, projection: Projection) -> bool {
        match projection {
            Projection::Query | Projection::Key | Projection::Value => self.query_key_value_bias,
            Projection::Output => self.output_bias,
            Projection::Gate | Projection::Up | Projection::Down => self.feed_forward_bias,
        }
    }

    fn check_heads(&self, keys: &Keys) -> Result<(), ModelError> {
        if !self.heads.is_multiple_of(self.key_value_heads) {
            let found = self.key_value_heads.to_string();
            return Err(keys.unsupported(
                "num_key_value_heads",
                &found,
                "a divisor of num_attention_heads",
            ));
        }
        if self.head_dimension == 0 || !self.head_dimension.is_multiple_of(2) {
            return Err(keys.unsupported(
                "head_dim",
                &self.head_dimension.to_string(),
                "an even number above 0",
            ));
        }
        if self.layers > LARGEST_DEPTH {
            return Err(keys.unsupported(
                "num_hidden_layers",
                &self.layers.to_string(),
                "at most 1024",
            ));
        }
        if (self.heads * self.head_dimension) as u64 > LARGEST_COUNT {
            return Err(keys.unsupported(
                "num_attention_heads",
                &self.heads.to_string(),
                "heads × head_dim ≤ 16777216",
            ));
        }
        if !(self.norm_epsilon.is_finite() && self.norm_epsilon > 0.0) {
            return Err(keys.unsupported(
                "rms_norm_eps",
                &self.norm_epsilon.to_string(),
                "a number above 0",
            ));
        }
        Ok(())
    }
}

/// Refuses what would silently change the result.
fn refuse_unsupported(keys: &Keys) -> Result<(), ModelError> {
    let activation = keys.optional_text("hidden_act")?.unwrap_or("silu");
    if activation != "silu" {
        return Err(keys.unsupported("hidden_act", activation, "silu"));
    }
    if keys.flag("use_sliding_window", false)? {
        return Err(keys.unsupported("use_sliding_window", "true", "false"));
    }
    if let Some(Value::Array(kinds)) = keys.keys.get("layer_types")
        && let Some(other) = kinds.iter().find(|kind| kind.as_str() != Some("full_attention"))
    {
        return Err(keys.unsupported("layer_types", &other.to_string(), "full_attention"));
    }
    if keys.number("partial_rotary_factor", Some(1.0))? != 1.0 {
        return Err(keys.unsupported("partial_rotary_factor", "a part", "1"));
    }
    match keys.present("quantization_config") {
        Some(_) => {
            Err(keys.unsupported("quantization_config", "set", "weights that are not quantised"))
        }
        None => Ok(()),
    }
}

/// Reads rotary settings: `rope_parameters` (transformers 5) or `rope_theta` with `rope_scaling`.
fn rope(keys: &Keys) -> Result<Rope, ModelError> {
    let (name, table) = match (keys.present("rope_parameters"), keys.present("rope_scaling")) {
        (Some(table), _) => ("rope_parameters", Some(table)),
        (None, scaling) => ("rope_scaling", scaling),
    };
    let top_level = keys.number("rope_theta", Some(10_000.0))?;
    let Some(table) = table else { return positive_theta(keys, top_level, None) };
    let Value::Object(table) = table else {
        return Err(keys.unsupported(name, &table.to_string(), "an object or null"));
    };
    let inner = Keys { file: keys.file, keys: table };
    let theta = inner.number("rope_theta", Some(top_level))?;
    let kind =
        inner.optional_text("rope_type")?.or(inner.optional_text("type")?).unwrap_or("default");
    match kind {
        "default" => positive_theta(keys, theta, None),
        "llama3" => positive_theta(keys, theta, Some(llama3(&inner)?)),
        other => Err(keys.unsupported(&format!("{name}.rope_type"), other, "default, llama3")),
    }
}

fn positive_theta(
    keys: &Keys,
    theta: f64,
    scaling: Option<Llama3Scaling>,
) -> Result<Rope, ModelError> {
    if !(theta.is_finite() && theta > 0.0) {
        return Err(keys.unsupported("rope_theta", &theta.to_string(), "a number above 0"));
    }
    Ok(Rope { theta, scaling })
}

fn llama3(keys: &Keys) -> Result<Llama3Scaling, ModelError> {
    let scaling = Llama3Scaling {
        factor: keys.number("factor", None)?,
        low_frequency_factor: keys.number("low_freq_factor", None)?,
        high_frequency_factor: keys.number("high_freq_factor", None)?,
        original_positions: keys.count("original_max_position_embeddings")?,
    };
    if !(scaling.factor >= 1.0 && scaling.factor.is_finite()) {
        return Err(keys.unsupported(
            "factor",
            &scaling.factor.to_string(),
            "a number of at least 1",
        ));
    }
    let ordered = 0.0 < scaling.low_frequency_factor
        && scaling.low_frequency_factor < scaling.high_frequency_factor;
    if !(ordered && scaling.high_frequency_factor.is_finite()) {
        return Err(keys.unsupported(
            "low_freq_factor",
            &scaling.low_frequency_factor.to_string(),
            "above 0 and below high_freq_factor",
        ));
    }
    Ok(scaling)
}

/// Typed access to the keys of one JSON object, with errors that name file and key.
pub(crate) struct Keys<'a> {
    pub(crate) file: &'a Path,
    pub(crate) keys: &'a Map<String, Value>,
}

impl<'a> Keys<'a> {
    /// The value, unless it is absent or null.
    pub(crate) fn present(&self, key: &str) -> Option<&'a Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn unsupported(
        &self,
        key: &str,
        found: &str,
        supported: &'static str,
    ) -> ModelError {
        ModelError::Unsupported {
            file: self.file.to_owned(),
            key: key.to_owned(),
            found: found.chars().take(80).collect(),
            supported,
        }
    }

    fn missing(&self, key: &str) -> ModelError {
        ModelError::MissingKey { file: self.file.to_owned(), key: key.to_owned() }
    }

    pub(crate) fn optional_text(&self, key: &str) -> Result<Option<&'a str>, ModelError> {
        match self.present(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.unsupported(key, &other.to_string(), "a text")),
        }
    }

    fn text(&self, key: &str) -> Result<&'a str, ModelError> {
        self.optional_text(key)?.ok_or_else(|| self.missing(key))
    }

    pub(crate) fn optional_count(&self, key: &str) -> Result<Option<usize>, ModelError> {
        let Some(value) = self.present(key) else { return Ok(None) };
        match value.as_u64() {
            Some(count) if (1..=LARGEST_COUNT).contains(&count) => Ok(Some(count as usize)),
            _ => {
                Err(self.unsupported(key, &value.to_string(), "a whole number from 1 to 16777216"))
            }
        }
    }

    pub(crate) fn count(&self, key: &str) -> Result<usize, ModelError> {
        self.optional_count(key)?.ok_or_else(|| self.missing(key))
    }

    pub(crate) fn number(&self, key: &str, default: Option<f64>) -> Result<f64, ModelError> {
        match (self.present(key), default) {
            (None, Some(default)) => Ok(default),
            (None, None) => Err(self.missing(key)),
            (Some(value), _) => {
                value.as_f64().ok_or_else(|| self.unsupported(key, &value.to_string(), "a number"))
            }
        }
    }

    pub(crate) fn flag(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        match self.present(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.unsupported(key, &other.to_string(), "true or false")),
        }
    }

    /// One token or a list of tokens.
    fn tokens(&self, key: &str) -> Result<Vec<u32>, ModelError> {
        let token = |value: &Value| {
            let token = value.as_u64().and_then(|token| u32::try_from(token).ok());
            token.ok_or_else(|| {
                self.unsupported(key, &value.to_string(), "a token or a list of tokens")
            })
        };
        match self.present(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list.iter().map(token).collect(),
            Some(one) => Ok(vec![token(one)?]),
        }
    }
}

/// Keeps products of two sizes far from overflow.
const LARGEST_COUNT: u64 = 1 << 24;
/// Keeps the list of tensors of a foreign configuration small.
const LARGEST_DEPTH: usize = 1024;
