//! Model folders: what is refused, by which name, and what makes the hash.

use std::path::{Path, PathBuf};

use model::{Config, Device, LanguageModel, ModelError, Rope};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use crate::support::{expected, golden, load};

/// A copy of a golden folder that a test may damage.
fn copy(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(golden(name)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

fn error_of(folder: &Path) -> ModelError {
    match LanguageModel::load(folder, Device::Cpu) {
        Ok(_) => panic!("a damaged folder was loaded"),
        Err(error) => error,
    }
}

type Tensors = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

fn read(folder: &Path) -> Tensors {
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter();
    tensors
        .map(|(name, view)| (name, view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        .collect()
}

fn write(file: PathBuf, tensors: &[(String, Dtype, Vec<usize>, Vec<u8>)]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    std::fs::write(file, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn change_config(folder: &Path, change: impl Fn(&mut Value)) {
    let file = folder.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(file, config.to_string()).unwrap();
}

#[test]
fn every_cut_of_a_weight_file_is_an_error() {
    let folder = copy("llama");
    let file = folder.path().join("model.safetensors");
    let whole = std::fs::read(&file).unwrap();
    for length in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..length]).unwrap();
        let error = error_of(folder.path());
        assert!(matches!(error, ModelError::Safetensors { .. }), "{length}: {error}");
        assert!(error.to_string().contains("model.safetensors"), "{error}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    std::fs::write(&file, longer).unwrap();
    assert!(matches!(error_of(folder.path()), ModelError::Safetensors { .. }));
    let mut header = whole;
    header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    std::fs::write(&file, header).unwrap();
    assert!(matches!(error_of(folder.path()), ModelError::Safetensors { .. }));
}

#[test]
fn missing_extra_and_misshapen_tensors_are_named() {
    let folder = copy("llama");
    let file = || folder.path().join("model.safetensors");
    let good = read(&golden("llama"));
    let named = "model.layers.1.mlp.up_proj.weight";
    let place = good.iter().position(|(name, ..)| name == named).unwrap();

    let mut missing = good.clone();
    missing.remove(place);
    write(file(), &missing);
    assert!(
        matches!(error_of(folder.path()), ModelError::MissingTensor { name, .. } if name == named)
    );

    let mut extra = good.clone();
    extra.push(("model.layers.2.mlp.up_proj.weight".to_owned(), Dtype::F32, vec![1], vec![0; 4]));
    write(file(), &extra);
    assert!(
        matches!(error_of(folder.path()), ModelError::ExtraTensor { name, .. } if name.contains("layers.2"))
    );

    let mut turned = good.clone();
    turned[place].2.reverse();
    write(file(), &turned);
    let error = error_of(folder.path());
    assert!(matches!(&error, ModelError::TensorShape { name, .. } if name == named));
    assert!(
        error.to_string().contains("model.safetensors") && error.to_string().contains("[24, 40]"),
        "{error}"
    );

    let mut whole_numbers = good;
    whole_numbers[place].1 = Dtype::I32;
    write(file(), &whole_numbers);
    assert!(
        matches!(error_of(folder.path()), ModelError::TensorType { name, .. } if name == named)
    );
}

#[test]
fn shards_are_the_same_model() {
    let folder = copy("qwen2");
    let good = read(folder.path());
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let (first, second) = good.split_at(good.len() / 2);
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let mut map = serde_json::Map::new();
    for (name, part) in names.iter().zip([first, second]) {
        write(folder.path().join(name), part);
        map.extend(part.iter().map(|(tensor, ..)| (tensor.clone(), json!(name))));
    }
    let index = folder.path().join("model.safetensors.index.json");
    std::fs::write(&index, json!({"weight_map": map}).to_string()).unwrap();
    let sharded = LanguageModel::load(folder.path(), Device::Cpu).unwrap();
    let (tokens, _) = expected("qwen2");
    assert_eq!(
        sharded.logits(&tokens, None).unwrap(),
        load("qwen2").logits(&tokens, None).unwrap()
    );
    assert_eq!(sharded.hash(), load("qwen2").hash());

    std::fs::remove_file(folder.path().join(names[1])).unwrap();
    assert!(
        matches!(error_of(folder.path()), ModelError::Read { file, .. } if file.ends_with(names[1]))
    );
    std::fs::write(&index, json!({"weight_map": {"x": "../other.safetensors"}}).to_string())
        .unwrap();
    assert!(
        matches!(error_of(folder.path()), ModelError::Unsupported { key, .. } if key == "weight_map")
    );
    std::fs::write(&index, "{}").unwrap();
    assert!(
        matches!(error_of(folder.path()), ModelError::MissingKey { key, .. } if key == "weight_map")
    );
}

#[test]
fn configurations_that_we_do_not_compute_are_refused_by_name() {
    let cases: [(&str, Value); 10] = [
        ("model_type", json!("gpt2")),
        ("hidden_act", json!("gelu")),
        ("rope_parameters", json!({"rope_type": "yarn"})),
        ("quantization_config", json!({"bits": 4})),
        ("layer_types", json!(["sliding_attention", "full_attention"])),
        ("use_sliding_window", json!(true)),
        ("num_key_value_heads", json!(3)),
        ("head_dim", json!(7)),
        ("num_hidden_layers", json!(100_000)),
        ("hidden_size", json!(-1)),
    ];
    for (key, value) in cases {
        let folder = copy("llama");
        change_config(folder.path(), |config| config[key] = value.clone());
        let error = error_of(folder.path());
        assert!(
            matches!(&error, ModelError::Unsupported { key: found, .. } if found.starts_with(key)),
            "{key}: {error}"
        );
        assert!(
            error.to_string().contains("config.json") && error.to_string().contains("supported: "),
            "{error}"
        );
    }
    let folder = copy("llama");
    change_config(folder.path(), |config| {
        drop(config.as_object_mut().unwrap().remove("hidden_size"))
    });
    assert!(
        matches!(error_of(folder.path()), ModelError::MissingKey { key, .. } if key == "hidden_size")
    );
    std::fs::write(folder.path().join("config.json"), "{\"model_type\": \"lla").unwrap();
    assert!(matches!(error_of(folder.path()), ModelError::Json { .. }));
}

#[test]
fn sizes_from_a_foreign_file_never_overflow() {
    for key in [
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "head_dim",
        "max_position_embeddings",
    ] {
        for size in [1u64 << 24, u64::MAX] {
            let folder = copy("llama");
            change_config(folder.path(), |config| config[key] = json!(size));
            drop(LanguageModel::load(folder.path(), Device::Cpu));
        }
    }
}

#[test]
fn both_spellings_of_rotary_settings_mean_the_same() {
    let base = json!({
        "model_type": "llama", "vocab_size": 8, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2,
    });
    let stretch = json!({
        "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16,
    });
    let rope = |old: bool, kind: &str| -> Rope {
        let mut config = base.clone();
        let mut table = stretch.clone();
        table[kind] = json!("llama3");
        if old {
            config["rope_theta"] = json!(500_000.0);
            config["rope_scaling"] = table;
        } else {
            table["rope_theta"] = json!(500_000.0);
            config["rope_parameters"] = table;
        }
        Config::from_json(config.to_string().as_bytes(), Path::new("config.json")).unwrap().rope
    };
    let old = rope(true, "rope_type");
    assert_eq!(old, rope(false, "rope_type"));
    assert_eq!(old, rope(true, "type"));
    assert_eq!((old.theta, old.scaling.unwrap().factor), (500_000.0, 8.0));
    let plain = Config::from_json(base.to_string().as_bytes(), Path::new("config.json")).unwrap();
    assert_eq!((plain.rope.theta, plain.rope.scaling), (10_000.0, None));
    let again = Config::from_json(
        plain.to_json("float32").to_string().as_bytes(),
        Path::new("config.json"),
    )
    .unwrap();
    assert_eq!(again, plain);
}

#[test]
fn a_tokenizer_that_does_not_fit_or_is_broken_is_refused() {
    let folder = copy("llama");
    let file = folder.path().join("tokenizer.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("\"w47\":47", "\"w47\": 48").replace("\"w47\": 47", "\"w47\": 48"),
    )
    .unwrap();
    assert!(matches!(
        error_of(folder.path()),
        ModelError::Vocabulary { tokens: 49, vocabulary: 48, .. }
    ));
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    assert!(matches!(error_of(folder.path()), ModelError::Tokenizer { .. }));
    std::fs::remove_file(&file).unwrap();
    assert!(
        matches!(error_of(folder.path()), ModelError::Read { file, .. } if file.ends_with("tokenizer.json"))
    );
}

#[test]
fn the_hash_names_what_is_computed_and_nothing_else() {
    let original = load("llama").hash();
    let same = copy("llama");
    change_config(same.path(), |config| config["transformers_version"] = json!("0"));
    assert_eq!(LanguageModel::load(same.path(), Device::Cpu).unwrap().hash(), original);
    let bf16 = LanguageModel::load_in(same.path(), Device::Cpu, model::Precision::Bf16).unwrap();
    assert_eq!(bf16.hash(), original);

    let theta = copy("llama");
    change_config(theta.path(), |config| config["rope_parameters"]["rope_theta"] = json!(20_000.0));
    let template = copy("llama");
    std::fs::write(template.path().join("chat_template.jinja"), "{{ messages[0].content }}")
        .unwrap();
    let weights = copy("llama");
    let file = weights.path().join("model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    for changed in [theta, template, weights] {
        assert_ne!(LanguageModel::load(changed.path(), Device::Cpu).unwrap().hash(), original);
    }
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let missing = LanguageModel::load(&golden("llama"), Device::Cuda(99));
    assert!(matches!(missing, Err(ModelError::Device { index: 99, .. })));
}
