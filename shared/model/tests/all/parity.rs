//! The forward pass against transformers, on golden files made once by golden/make.py.

use model::{Device, LanguageModel, Precision};

use crate::support::{distance, expected, golden, load};

fn assert_parity(name: &str) {
    let (tokens, reference) = expected(name);
    let ours = load(name).logits(&tokens, None).unwrap();
    let deviation = standard_deviation(&reference);
    assert!(deviation >= 1.0, "{name}: the reference's scores are too flat to tell ({deviation})");
    let distance = distance(&ours, &reference);
    assert!(distance <= 1e-4, "{name}: off by {distance}");
}

fn standard_deviation(scores: &[Vec<f32>]) -> f32 {
    let flat: Vec<f32> = scores.iter().flatten().copied().collect();
    let mean = flat.iter().sum::<f32>() / flat.len() as f32;
    (flat.iter().map(|score| (score - mean).powi(2)).sum::<f32>() / flat.len() as f32).sqrt()
}

#[test]
fn llama_with_grouped_queries_and_its_own_head_width() {
    assert_parity("llama");
}

#[test]
fn llama_with_biases_and_llama3_scaling_beyond_the_original_context() {
    let (tokens, _) = expected("llama3-scaling");
    assert!(tokens.len() > 3 * 16, "the golden text must be longer than the original 16 positions");
    assert_parity("llama3-scaling");
}

#[test]
fn qwen2_with_biases_and_tied_embeddings() {
    assert_parity("qwen2");
}

#[test]
fn bf16_stays_near_f32() {
    let (tokens, reference) = expected("llama");
    let model = LanguageModel::load_in(&golden("llama"), Device::Cpu, Precision::Bf16).unwrap();
    let ours = model.logits(&tokens, None).unwrap();
    let distance = distance(&ours, &reference);
    assert!(distance > 1e-4, "bf16 was not used: the result equals f32");
    assert!(distance < 0.5, "off by {distance}");
}
