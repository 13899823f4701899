//! A base model from nothing.

use model::train_byte_level_bpe;
use model::{
    ChatTokenizer, Config, Device, LanguageModel, ModelError, Precision, Pretraining,
    PretrainingRecipe, StopToken,
};
use serde_json::json;

fn recipe() -> PretrainingRecipe {
    PretrainingRecipe {
        steps: 40,
        batch: 4,
        sequence_length: 16,
        learning_rate: 1e-2,
        matrix_learning_rate: 0.02,
        warm_up_steps: 4,
        final_share: 0.1,
        weight_decay: 0.1,
        beta2: 0.95,
        max_gradient_norm: 1.0,
        seed: 7,
        measure_every: 20,
        threads: 1,
    }
}

fn tiny(vocabulary: usize, tied: bool) -> Config {
    let config = json!({
        "model_type": "llama", "vocab_size": vocabulary, "hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64,
        "tie_word_embeddings": tied, "eos_token_id": 0,
    });
    Config::from_json(config.to_string().as_bytes(), std::path::Path::new("config.json")).unwrap()
}

/// A stream that can be learned: each token is followed by its successor.
fn stream(vocabulary: u32, length: u32) -> Vec<u32> {
    (0..length).map(|index| index % vocabulary).collect()
}

fn losses(config: &Config, recipe: &PretrainingRecipe) -> (Vec<f64>, f64) {
    let training = Pretraining::new(config, recipe.clone(), Device::Cpu).unwrap();
    let (mut losses, mut held_out) = (Vec::new(), Vec::new());
    let tokens = stream(20, 500);
    training
        .run(&tokens, &tokens[..100], &StopToken::new(), &mut |_, progress| {
            losses.push(progress.loss);
            held_out.extend(progress.held_out_loss);
        })
        .unwrap();
    assert_eq!((losses.len(), held_out.len()), (recipe.steps, recipe.steps / recipe.measure_every));
    (losses, held_out[held_out.len() - 1])
}

#[test]
fn the_loss_starts_uniform_falls_and_repeats() {
    for tied in [true, false] {
        let (first, held_out) = losses(&tiny(20, tied), &recipe());
        assert!(
            (first[0] - 20f64.ln()).abs() < 0.1,
            "random weights predict uniformly, not {}",
            first[0]
        );
        assert!(first[39] < 1.0 && held_out < 1.0, "tied {tied}: {} {held_out}", first[39]);
        let (second, _) = losses(&tiny(20, tied), &recipe());
        assert_eq!(first, second, "the same seed gave another run");
        let (other, _) = losses(&tiny(20, tied), &PretrainingRecipe { seed: 8, ..recipe() });
        assert_ne!(first, other, "another seed gave the same run");
    }
}

#[test]
fn a_saved_model_loads_with_the_same_loss() {
    let tokenizer_json =
        train_byte_level_bpe(["one two three four"].iter(), 280, &["<|end|>"]).unwrap();
    let tokenizer =
        ChatTokenizer::from_bytes(&tokenizer_json, b"{}", None, std::path::Path::new("made-up"))
            .unwrap();
    let config = tiny(tokenizer.vocabulary(), true);
    let training = Pretraining::new(&config, recipe(), Device::Cpu).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tokenizer_config = json!({"eos_token": "<|end|>"});
    training.save(folder.path(), Precision::F32, &tokenizer_json, &tokenizer_config).unwrap();
    let model = LanguageModel::load(folder.path(), Device::Cpu).unwrap();
    assert_eq!(model.config(), &config);
    let tokens = stream(20, 17);
    let measured = training.measure(&tokens, &StopToken::new()).unwrap();
    let scores = model.logits(&tokens[..16], None).unwrap();
    let loss = |(scores, &target): (&Vec<f32>, &u32)| {
        let sum: f64 = scores.iter().map(|&score| f64::from(score).exp()).sum();
        sum.ln() - f64::from(scores[target as usize])
    };
    let by_hand = scores.iter().zip(&tokens[1..]).map(loss).sum::<f64>() / 16.0;
    assert!((measured - by_hand).abs() < 1e-5, "{measured} {by_hand}");
    let further = Pretraining::continued(&model, recipe()).unwrap();
    assert_eq!(further.measure(&tokens, &StopToken::new()).unwrap(), measured);
    let stream = stream(20, 500);
    further.run(&stream, &tokens, &StopToken::new(), &mut |_, _| {}).unwrap();
    assert!(further.measure(&tokens, &StopToken::new()).unwrap() < measured - 0.5);
    assert_eq!(model.logits(&tokens[..16], None).unwrap(), scores, "the model itself was trained");
    let half = tempfile::tempdir().unwrap();
    training.save(half.path(), Precision::Bf16, &tokenizer_json, &tokenizer_config).unwrap();
    let length = |folder: &std::path::Path| {
        std::fs::metadata(folder.join("model.safetensors")).unwrap().len()
    };
    assert!(length(half.path()) < length(folder.path()) * 6 / 10, "bf16 must halve the file");
    let rounded = LanguageModel::load(half.path(), Device::Cpu).unwrap();
    assert_ne!(rounded.hash(), model.hash());
}

#[test]
fn what_cannot_be_is_refused_and_stop_stops() {
    let config = tiny(20, true);
    let run = |recipe, tokens: &[u32], stop: &StopToken| {
        Pretraining::new(&config, recipe, Device::Cpu)?.run(
            tokens,
            &stream(20, 100),
            stop,
            &mut |_, _| {},
        )
    };
    let go = StopToken::new();
    let long = PretrainingRecipe { sequence_length: 65, ..recipe() };
    assert!(matches!(
        run(long, &stream(20, 100), &go),
        Err(ModelError::TooLong { tokens: 65, positions: 64 })
    ));
    let none = PretrainingRecipe { steps: 0, ..recipe() };
    assert!(matches!(
        run(none, &stream(20, 100), &go),
        Err(ModelError::Recipe { key: "steps", .. })
    ));
    assert!(matches!(
        run(recipe(), &stream(20, 16), &go),
        Err(ModelError::Recipe { key: "sequence_length", .. })
    ));
    assert!(matches!(
        run(recipe(), &[20; 100], &go),
        Err(ModelError::Token { token: 20, vocabulary: 20 })
    ));
    go.stop();
    assert!(matches!(run(recipe(), &stream(20, 100), &go), Err(ModelError::Stopped)));
}
