//! A small random model for tests: grouped queries, biases, an untied head.

use std::path::Path;

use serde_json::json;
use tch::{Device, Kind, Tensor};

use crate::adapter::{Adapter, AdapterKind, AdapterSpec};
use crate::config::{Config, Projection};
use crate::loss::floats;
use crate::transformer::Transformer;

pub(crate) fn transformer() -> Transformer {
    let config = json!({
        "model_type": "llama", "vocab_size": 50, "hidden_size": 24, "intermediate_size": 40,
        "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "max_position_embeddings": 64, "tie_word_embeddings": false, "attention_bias": true, "mlp_bias": true,
    });
    let config = Config::from_json(config.to_string().as_bytes(), Path::new("config.json"));
    let config = config.unwrap();
    let random = |shape: &[usize]| {
        let sides: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
        let noise = Tensor::randn(sides.as_slice(), (Kind::Float, Device::Cpu));
        if shape.len() == 1 { noise * 0.3 + 1.0 } else { noise / (shape[1] as f64).sqrt() }
    };
    let tensors = config.tensors().into_iter().map(|(name, shape)| (name, random(&shape)));
    let tensors = tensors.collect();
    Transformer::from_tensors(config, tensors)
}

/// An adapter of rank 3 as in the middle of training.
pub(crate) fn adapter(model: &Transformer, kind: AdapterKind, targets: &[Projection]) -> Adapter {
    let targets = targets.to_vec();
    let spec = AdapterSpec { kind, rank: 3, alpha: 4.0, targets, seed: [2; 32] };
    let count = spec.parameter_count(&model.config) as i64;
    let flat = Tensor::randn([count], (Kind::Float, Device::Cpu)) * 0.3;
    Adapter::from_flat(&model.config, &spec, &floats(&flat)).unwrap()
}
