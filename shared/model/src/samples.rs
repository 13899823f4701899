//! A small random model for tests: grouped queries, biases, an untied head.

use std::path::Path;

use serde_json::json;
use tch::Tensor;

use crate::adapter::{Adapter, AdapterKind, AdapterSpec};
use crate::config::{Config, Projection};
use crate::gradient::Part;
use crate::random::{normal, short_generator};
use crate::transformer::Transformer;

pub(crate) fn transformer() -> Transformer {
    let config = json!({
        "model_type": "llama", "vocab_size": 50, "hidden_size": 24, "intermediate_size": 40,
        "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "max_position_embeddings": 64, "tie_word_embeddings": false, "attention_bias": true, "mlp_bias": true,
    });
    let config = Config::from_json(config.to_string().as_bytes(), Path::new("config.json"));
    let config = config.unwrap();
    let random = |(index, (name, shape)): (usize, (String, Vec<usize>))| {
        let sides: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
        let noise =
            Tensor::from_slice(&noise(shape.iter().product(), index as u64)).view(&sides[..]);
        match shape[..] {
            [_, inputs] => (name, noise / (inputs as f64).sqrt()),
            _ => (name, noise * 0.3 + 1.0),
        }
    };
    let tensors = config.tensors().into_iter().enumerate().map(random).collect();
    Transformer::from_tensors(config, tensors)
}

/// Normal numbers, the same each time: libtorch's own generator is shared by all tests that run at once.
pub(crate) fn noise(count: usize, stream: u64) -> Vec<f32> {
    let mut generator = short_generator(5, stream);
    (0..count).map(|_| normal(&mut generator)).collect()
}

/// An adapter of rank 3 as in the middle of training.
pub(crate) fn adapter(model: &Transformer, kind: AdapterKind, targets: &[Projection]) -> Adapter {
    let targets = targets.to_vec();
    let spec = AdapterSpec { kind, rank: 3, alpha: 4.0, targets, seed: [2; 32] };
    let mut flat = noise(spec.parameter_count(&model.config), 1000);
    flat.iter_mut().for_each(|value| *value *= 0.3);
    Adapter::from_flat(&model.config, &spec, &flat).unwrap()
}

/// Two rows of 13 tokens, each weighed differently.
pub(crate) fn part() -> Part {
    let tokens = |stream| -> Vec<i64> {
        let noise = noise(26, stream).into_iter();
        noise.map(|value| (value.abs() * 20.0) as i64 % 50).collect()
    };
    let shaped = |tensor: Tensor| tensor.view([2, 13]);
    Part {
        tokens: shaped(Tensor::from_slice(&tokens(2000))),
        targets: shaped(Tensor::from_slice(&tokens(2001))),
        weights: shaped(Tensor::from_slice(&noise(26, 2002)).abs()),
    }
}
