//! Tokens a second of what a device does most. Run with `cargo bench -p model`.

use divan::Bencher;
use divan::counter::ItemsCount;
use model::{Config, Device, Pretraining, PretrainingRecipe, StopToken};
use serde_json::json;

fn main() {
    divan::main();
}

/// About the size of seedling.
fn seedling() -> Config {
    let config = json!({
        "model_type": "llama", "vocab_size": 4096, "hidden_size": 192, "intermediate_size": 512,
        "num_hidden_layers": 5, "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "tie_word_embeddings": true, "eos_token_id": 0,
    });
    Config::from_json(config.to_string().as_bytes(), std::path::Path::new("config.json")).expect("a valid shape")
}

fn tokens(count: u32) -> Vec<u32> {
    (0..count).map(|index| index.wrapping_mul(2_654_435_761) >> 20).collect()
}

/// Four optimiser steps of pre-training, 16 × 256 tokens each, counted in tokens.
#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn pretraining_steps(bencher: Bencher, threads: usize) {
    let recipe = PretrainingRecipe {
        steps: 4,
        batch: 16,
        sequence_length: 256,
        learning_rate: 1e-3,
        warm_up_steps: 1,
        final_share: 0.1,
        weight_decay: 0.1,
        beta2: 0.95,
        max_gradient_norm: 1.0,
        seed: 1,
        measure_every: 1000,
        threads,
    };
    let training = Pretraining::new(&seedling(), recipe, Device::Cpu).expect("a valid recipe");
    let stream = tokens(100_000);
    bencher.counter(ItemsCount::new(4 * 16 * 256_usize)).bench_local(|| {
        training.run(&stream, &stream[..300], &StopToken::new(), &mut |_, _| {}).expect("nothing stops it");
    });
}
