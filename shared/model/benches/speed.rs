//! Tokens a second of what a device does most. Run with `cargo bench -p model`.

use std::ops::ControlFlow;
use std::path::Path;

use divan::Bencher;
use divan::counter::ItemsCount;
use model::{
    Adapter, AdapterKind, AdapterSpec, Config, Device, GenerationRecipe, LanguageModel, Optimizer,
    Precision, Pretraining, PretrainingRecipe, Projection, Resources, StopToken, TrainingRecipe,
    train_byte_level_bpe,
};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

fn config(value: Value) -> Config {
    Config::from_json(value.to_string().as_bytes(), Path::new("config.json"))
        .expect("a valid shape")
}

/// About the size of seedling.
fn seedling() -> Config {
    config(json!({
        "model_type": "llama", "vocab_size": 4096, "hidden_size": 192, "intermediate_size": 512,
        "num_hidden_layers": 5, "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "tie_word_embeddings": true,
    }))
}

/// SmolLM-135M's shape.
fn small_llama() -> Config {
    config(json!({
        "model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 2048,
        "tie_word_embeddings": true,
    }))
}

fn recipe(threads: usize) -> PretrainingRecipe {
    PretrainingRecipe {
        steps: 4,
        batch: 16,
        sequence_length: 256,
        learning_rate: 1e-3,
        matrix_learning_rate: 0.02,
        warm_up_steps: 1,
        final_share: 0.1,
        weight_decay: 0.1,
        beta2: 0.95,
        max_gradient_norm: 1.0,
        seed: 1,
        measure_every: 1000,
        threads,
    }
}

/// A model of random weights, by way of a folder.
fn random(config: &Config, precision: Precision) -> LanguageModel {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tokenizer = train_byte_level_bpe(["a b c"].iter(), 260, &["<|end|>"]).expect("a tokenizer");
    let training = Pretraining::new(config, recipe(1), Device::Cpu).expect("a valid recipe");
    training.save(folder.path(), precision, &tokenizer, &json!({})).expect("room for a model");
    LanguageModel::load_in(folder.path(), Device::Cpu, precision).expect("what was just saved")
}

fn resources(threads: usize) -> Resources {
    Resources { threads, stop: StopToken::new() }
}

/// Four optimiser steps of pre-training, 16 × 256 tokens each.
#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn pretraining_seedling(bencher: Bencher, threads: usize) {
    let training =
        Pretraining::new(&seedling(), recipe(threads), Device::Cpu).expect("a valid recipe");
    let stream: Vec<u32> =
        (0..100_000u32).map(|index| index.wrapping_mul(2_654_435_761) >> 20).collect();
    bencher.counter(ItemsCount::new(4 * 16 * 256_usize)).bench_local(|| {
        training
            .run(&stream, &stream[..300], &StopToken::new(), &mut |_, _| {})
            .expect("nothing stops it");
    });
}

/// Two optimiser steps of LoRA (rank 8 on q and v), 4 × 256 tokens each.
///
/// bf16 is faster only on processors that multiply it natively; on others it saves memory.
#[divan::bench(args = [Precision::F32, Precision::Bf16], sample_count = 3, sample_size = 1)]
fn fine_tuning_small_llama(bencher: Bencher, precision: Precision) {
    let model = random(&small_llama(), precision);
    let targets = vec![Projection::Query, Projection::Value];
    let spec =
        AdapterSpec { kind: AdapterKind::Lora, rank: 8, alpha: 16.0, targets, seed: [1; 32] };
    let adapter = Adapter::initial(model.config(), &spec).expect("a valid specification");
    let text = "abc ".repeat(2000);
    let conversations = vec![vec![("user", text.as_str())]];
    let recipe = TrainingRecipe {
        steps: 2,
        batch: 4,
        sequence_length: 256,
        optimizer: Optimizer::adamw(1e-3),
        precision,
        roles: vec!["user".to_owned()],
        seed: 1,
        max_gradient_norm: None,
    };
    bencher.counter(ItemsCount::new(2 * 4 * 256_usize)).bench_local(|| {
        model
            .train(&adapter, &conversations, &recipe, &resources(2), &mut |_| {})
            .expect("nothing stops it")
    });
}

/// 64 tokens, one text.
#[divan::bench(args = [Precision::F32, Precision::Bf16], sample_count = 3, sample_size = 1)]
fn generation_small_llama(bencher: Bencher, precision: Precision) {
    let model = random(&small_llama(), precision);
    let recipe = GenerationRecipe { temperature: 1.0, top_p: 0.9, maximum_tokens: 64, seed: 1 };
    bencher.counter(ItemsCount::new(64_usize)).bench_local(|| {
        model.generate(None, &[1, 2, 3], &recipe, &resources(2), &mut |_| ControlFlow::Continue(()))
    });
}
