//! What several tests need: golden folders and their expected numbers.

use std::path::PathBuf;

use model::{Device, LanguageModel};
use safetensors::SafeTensors;

pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

pub fn load(name: &str) -> LanguageModel {
    LanguageModel::load(&golden(name), Device::Cpu).unwrap()
}

/// Tokens, and the reference's scores [tokens][vocabulary].
pub fn expected(name: &str) -> (Vec<u32>, Vec<Vec<f32>>) {
    let bytes = std::fs::read(golden(name).join("expected.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let words = |name: &str| -> Vec<[u8; 4]> {
        file.tensor(name).unwrap().data().chunks(4).map(|word| word.try_into().unwrap()).collect()
    };
    let tokens = words("tokens").into_iter().map(u32::from_le_bytes).collect();
    let vocabulary = file.tensor("logits").unwrap().shape()[1];
    let flat: Vec<f32> = words("logits").into_iter().map(f32::from_le_bytes).collect();
    (tokens, flat.chunks(vocabulary).map(<[f32]>::to_vec).collect())
}

/// Largest absolute difference.
pub fn distance(left: &[Vec<f32>], right: &[Vec<f32>]) -> f32 {
    assert_eq!(left.len(), right.len());
    let pairs = left.iter().flatten().zip(right.iter().flatten());
    pairs.map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}
