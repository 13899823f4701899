//! A base model so small that a round takes seconds: made once for all tests of a run.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use model::{
    ChatTokenizer, Config, Device, Family, Precision, Pretraining, PretrainingRecipe, Rope,
    StopToken, train_byte_level_bpe,
};
use serde_json::json;

use super::people::DIALOGUES;

const CONTROL: [&str; 7] =
    ["<|end|>", "<|start|>", "<|system|>", "<|user|>", "<|assistant|>", "<|partner|>", "<|text|>"];
const TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}\
{{ '<|' + message.role + '|>' + message.content + '<|end|>' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";
const SEQUENCE: usize = 32;

/// The model's folder.
pub fn model_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("model");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        make(&folder);
        folder
    })
}

fn make(folder: &Path) {
    let texts = DIALOGUES.iter().flat_map(|dialogue| dialogue.iter().copied());
    let tokenizer_json = train_byte_level_bpe(texts, 300, &CONTROL).unwrap();
    let tokenizer_config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|start|>",
        "eos_token": "<|end|>",
        "pad_token": "<|end|>",
        "chat_template": TEMPLATE,
    });
    let config_bytes = tokenizer_config.to_string();
    let tokenizer =
        ChatTokenizer::from_bytes(&tokenizer_json, config_bytes.as_bytes(), None, folder).unwrap();
    let stream = stream(&tokenizer);
    let pretraining = Pretraining::new(&shape(&tokenizer), recipe(), Device::Cpu).unwrap();
    pretraining
        .run(&stream, &stream, &StopToken::new(), &mut |now, step| {
            if step.held_out_loss.is_some() {
                now.save(folder, Precision::F32, &tokenizer_json, &tokenizer_config).unwrap();
            }
        })
        .unwrap();
    assert!(folder.join("config.json").exists(), "the model was not saved");
}

fn stream(tokenizer: &ChatTokenizer) -> Vec<u32> {
    let mut stream = Vec::new();
    for dialogue in DIALOGUES {
        let messages: Vec<(&str, &str)> = dialogue
            .iter()
            .zip(["user", "assistant"].iter().cycle())
            .map(|(text, role)| (*role, *text))
            .collect();
        stream.extend(tokenizer.render(&messages).unwrap().tokens);
    }
    stream
}

fn shape(tokenizer: &ChatTokenizer) -> Config {
    Config {
        family: Family::Llama,
        vocabulary: tokenizer.vocabulary(),
        hidden: 32,
        intermediate: 64,
        layers: 2,
        heads: 2,
        key_value_heads: 1,
        head_dimension: 16,
        maximum_positions: 128,
        norm_epsilon: 1e-5,
        rope: Rope { theta: 10_000.0, scaling: None },
        tied_embeddings: true,
        query_key_value_bias: false,
        output_bias: false,
        feed_forward_bias: false,
        end_tokens: vec![tokenizer.end_token().unwrap()],
    }
}

fn recipe() -> PretrainingRecipe {
    PretrainingRecipe {
        steps: 20,
        batch: 4,
        sequence_length: SEQUENCE,
        learning_rate: 3e-3,
        matrix_learning_rate: 0.02,
        warm_up_steps: 2,
        final_share: 0.1,
        weight_decay: 0.1,
        beta2: 0.98,
        max_gradient_norm: 1.0,
        seed: 1,
        measure_every: 20,
        threads: 1,
    }
}
