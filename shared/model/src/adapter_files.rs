//! Adapters in PEFT's folder format: adapter_config.json and adapter_model.safetensors.
//!
//! PEFT can load what is written here. What PEFT does not know (that A is frozen, and the seed it comes from)
//! stands in the safetensors file's own notes, which PEFT ignores.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::ModelError;
use crate::adapter::{Adapter, AdapterKind, AdapterSpec};
use crate::config::{Config, Keys, Projection};
use crate::loss::floats;
use crate::pretrain::pretty;
use crate::safetensors_file::{Saved, TensorFile, read_file, write, write_file};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const KIND_NOTE: &str = "murmuration.kind";
const SEED_NOTE: &str = "murmuration.seed";

impl Adapter {
    /// Writes the folder. `base_model` is the name or path under which PEFT finds the base model, if it should.
    pub fn save(&self, folder: &Path, base_model: Option<&str>) -> Result<(), ModelError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| ModelError::Write { file: folder.to_owned(), source })?;
        let rank = self.spec().rank;
        let mut tensors = BTreeMap::new();
        for pair in &self.pairs {
            let (a, b) = names(pair.layer, pair.projection);
            tensors.insert(a, Saved::from_slice(&pair.a, &[rank, pair.inputs]));
            tensors.insert(b, Saved::from_slice(&pair.b, &[pair.outputs, rank]));
        }
        let kind = match self.spec().kind {
            AdapterKind::FfaLora => "ffa-lora",
            AdapterKind::Lora => "lora",
        };
        let seed: String = self.spec().seed.iter().map(|byte| format!("{byte:02x}")).collect();
        let notes = [("format", "pt".to_owned()), (KIND_NOTE, kind.to_owned()), (SEED_NOTE, seed)];
        write(&folder.join(WEIGHTS), &tensors, &notes)?;
        write_file(&folder.join(CONFIG), pretty(&peft_config(self.spec(), base_model)).as_bytes())
    }

    /// Reads a folder written by [`Adapter::save`] or by PEFT, for a model of this shape.
    ///
    /// A folder of PEFT's own is taken as LoRA with a seed of zeros. A frozen A that is not what its seed draws is
    /// refused.
    pub fn load(folder: &Path, config: &Config) -> Result<Adapter, ModelError> {
        let mut weights = TensorFile::open(&folder.join(WEIGHTS))?;
        let spec = read_spec(folder, &weights)?;
        let mut adapter = Adapter::initial(config, &spec)?;
        let mut left: std::collections::BTreeSet<String> = weights.names().into_iter().collect();
        for pair in &mut adapter.pairs {
            let (a_name, b_name) = names(pair.layer, pair.projection);
            let a = numbers(&mut weights, &a_name, &[spec.rank, pair.inputs])?;
            if spec.kind == AdapterKind::FfaLora && !same_bits(&a, &pair.a) {
                return Err(ModelError::FrozenPart {
                    place: weights.path().to_owned(),
                    name: a_name,
                });
            }
            pair.a = a;
            pair.b = numbers(&mut weights, &b_name, &[pair.outputs, spec.rank])?;
            left.remove(&a_name);
            left.remove(&b_name);
        }
        match left.pop_first() {
            Some(name) => Err(ModelError::ExtraTensor { place: weights.path().to_owned(), name }),
            None => Ok(adapter),
        }
    }
}

/// Names of A and B as PEFT writes them.
fn names(layer: usize, projection: Projection) -> (String, String) {
    let path = format!("base_model.model.model.layers.{layer}.{}", projection.path());
    (format!("{path}.lora_A.weight"), format!("{path}.lora_B.weight"))
}

fn numbers(file: &mut TensorFile, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
    let values = floats(&file.read_as(name, shape)?.to_tensor());
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(ModelError::NotFinite { index }),
        None => Ok(values),
    }
}

fn same_bits(left: &[f32], right: &[f32]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| left.to_bits() == right.to_bits())
}

fn peft_config(spec: &AdapterSpec, base_model: Option<&str>) -> Value {
    let mut targets = spec.targets.clone();
    targets.sort();
    targets.dedup();
    let targets: Vec<&str> = targets.into_iter().map(Projection::module).collect();
    // PEFT writes a whole number where it has one.
    let alpha =
        if spec.alpha.fract() == 0.0 { json!(spec.alpha as i64) } else { json!(spec.alpha) };
    json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base_model, "r": spec.rank,
        "lora_alpha": alpha, "target_modules": targets, "lora_dropout": 0.0, "bias": "none",
        "inference_mode": true, "init_lora_weights": true, "fan_in_fan_out": false, "use_rslora": false,
        "use_dora": false, "modules_to_save": null, "rank_pattern": {}, "alpha_pattern": {}, "revision": null,
    })
}

fn read_spec(folder: &Path, weights: &TensorFile) -> Result<AdapterSpec, ModelError> {
    let file = folder.join(CONFIG);
    let bytes = read_file(&file)?;
    let keys: Map<String, Value> = serde_json::from_slice(&bytes)
        .map_err(|source| ModelError::Json { file: file.clone(), source })?;
    let keys = Keys { file: &file, keys: &keys };
    refuse_unsupported(&keys)?;
    let kind = match weights.note(KIND_NOTE) {
        None | Some("lora") => AdapterKind::Lora,
        Some("ffa-lora") => AdapterKind::FfaLora,
        Some(other) => return Err(unsupported_note(weights, KIND_NOTE, other, "lora, ffa-lora")),
    };
    let seed = match weights.note(SEED_NOTE) {
        None => [0; 32],
        Some(text) => seed(text)
            .ok_or_else(|| unsupported_note(weights, SEED_NOTE, text, "64 hexadecimal digits"))?,
    };
    let spec = AdapterSpec {
        kind,
        rank: keys.count("r")?,
        alpha: keys.number("lora_alpha", None)?,
        targets: targets(&keys)?,
        seed,
    };
    spec.check()?;
    Ok(spec)
}

fn unsupported_note(
    weights: &TensorFile,
    key: &str,
    found: &str,
    supported: &'static str,
) -> ModelError {
    let found = found.chars().take(80).collect();
    ModelError::Unsupported {
        file: weights.path().to_owned(),
        key: key.to_owned(),
        found,
        supported,
    }
}

fn seed(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut seed = [0; 32];
    for (index, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(seed)
}

fn targets(keys: &Keys) -> Result<Vec<Projection>, ModelError> {
    const SUPPORTED: &str = "a list of q_proj k_proj v_proj o_proj gate_proj up_proj down_proj";
    let Some(Value::Array(list)) = keys.present("target_modules") else {
        let found = keys.present("target_modules").map_or("absent".to_owned(), Value::to_string);
        return Err(keys.unsupported("target_modules", &found, SUPPORTED));
    };
    let known = |value: &Value| {
        let found = Projection::ALL
            .into_iter()
            .find(|projection| value.as_str() == Some(projection.module()));
        found.ok_or_else(|| keys.unsupported("target_modules", &value.to_string(), SUPPORTED))
    };
    let mut targets = list.iter().map(known).collect::<Result<Vec<Projection>, ModelError>>()?;
    targets.sort();
    targets.dedup();
    Ok(targets)
}

/// Variants of LoRA that compute something else.
fn refuse_unsupported(keys: &Keys) -> Result<(), ModelError> {
    let kind = keys.optional_text("peft_type")?.unwrap_or("absent");
    if kind != "LORA" {
        return Err(keys.unsupported("peft_type", kind, "LORA"));
    }
    for key in ["use_rslora", "use_dora", "use_qalora", "use_bdlora", "fan_in_fan_out", "lora_bias"]
    {
        if keys.flag(key, false)? {
            return Err(keys.unsupported(key, "true", "false"));
        }
    }
    let bias = keys.optional_text("bias")?.unwrap_or("none");
    if bias != "none" {
        return Err(keys.unsupported("bias", bias, "none"));
    }
    let empty = |value: &Value| match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    let must_be_empty = [
        "modules_to_save",
        "rank_pattern",
        "alpha_pattern",
        "layers_to_transform",
        "layer_replication",
        "target_parameters",
        "trainable_token_indices",
    ];
    for key in must_be_empty {
        if let Some(value) = keys.present(key).filter(|value| !empty(value)) {
            return Err(keys.unsupported(key, &value.to_string(), "null or empty"));
        }
    }
    Ok(())
}
