//! Adapters: the frozen part's bits, the order of parameters, PEFT's folders, merging.

use std::path::Path;

use model::{
    Adapter, AdapterKind, AdapterSpec, Config, Device, LanguageModel, ModelError, Precision,
    Projection,
};
use serde_json::{Value, json};

use crate::support::{distance, expected, golden, load};

pub fn spec(kind: AdapterKind) -> AdapterSpec {
    AdapterSpec {
        kind,
        rank: 2,
        alpha: 8.0,
        targets: vec![Projection::Value, Projection::Query],
        seed: [7; 32],
    }
}

/// An adapter whose trained parameters are all different and not small.
pub fn busy(config: &Config, kind: AdapterKind, targets: &[Projection]) -> Adapter {
    let spec = AdapterSpec { targets: targets.to_vec(), ..spec(kind) };
    let count = spec.parameter_count(config);
    let flat: Vec<f32> =
        (0..count).map(|index| ((index * 37 % 101) as f32 - 50.0) / 120.0).collect();
    Adapter::from_flat(config, &spec, &flat).unwrap()
}

#[test]
fn parameters_are_counted_exactly() {
    let model = load("llama");
    // 2 layers; q is [32, 24], v is [16, 24]; rank 2.
    assert_eq!(spec(AdapterKind::FfaLora).parameter_count(model.config()), 2 * 2 * (32 + 16));
    assert_eq!(
        spec(AdapterKind::Lora).parameter_count(model.config()),
        2 * 2 * (32 + 24 + 16 + 24)
    );
    for kind in [AdapterKind::FfaLora, AdapterKind::Lora] {
        let adapter = busy(model.config(), kind, &Projection::ALL);
        assert_eq!(adapter.to_flat().len(), adapter.spec().parameter_count(model.config()));
        let again = Adapter::from_flat(model.config(), adapter.spec(), &adapter.to_flat()).unwrap();
        assert_eq!(again.to_flat(), adapter.to_flat());
    }
}

#[test]
fn the_frozen_part_has_the_same_bits_everywhere() {
    let model = load("llama");
    let hash = |seed: [u8; 32]| {
        let spec =
            AdapterSpec { seed, targets: Projection::ALL.to_vec(), ..spec(AdapterKind::Lora) };
        let flat = Adapter::initial(model.config(), &spec).unwrap().to_flat();
        let bytes: Vec<u8> = flat.iter().flat_map(|value| value.to_le_bytes()).collect();
        blake3::hash(&bytes).to_hex().to_string()
    };
    assert_eq!(hash([7; 32]), "b9fbbcb4e01557b3ecc9781fdc73af7c54741c5f82390436bb98ed6f3bb29bf3");
    assert_ne!(hash([8; 32]), hash([7; 32]));
    // What is drawn for one projection does not depend on what else is adapted.
    let alone = AdapterSpec { targets: vec![Projection::Value], ..spec(AdapterKind::Lora) };
    let alone = Adapter::initial(model.config(), &alone).unwrap().to_flat();
    let both = Adapter::initial(model.config(), &spec(AdapterKind::Lora)).unwrap().to_flat();
    let (query, value) = (2 * (24 + 32), 2 * 24);
    assert_eq!(alone[..value], both[query..query + value]);
    let bound = 1.0 / 24f32.sqrt();
    assert!(alone[..value].iter().all(|number| number.abs() <= bound));
    assert!(alone[..value].iter().any(|number| number.abs() > 0.8 * bound));
}

#[test]
fn an_initial_adapter_changes_nothing_and_a_busy_one_does() {
    let model = load("llama");
    let (tokens, _) = expected("llama");
    let bare = model.logits(&tokens, None).unwrap();
    let initial = Adapter::initial(model.config(), &spec(AdapterKind::FfaLora)).unwrap();
    assert_eq!(model.logits(&tokens, Some(&initial)).unwrap(), bare);
    for target in Projection::ALL {
        let one = busy(model.config(), AdapterKind::FfaLora, &[target]);
        assert!(
            distance(&model.logits(&tokens, Some(&one)).unwrap(), &bare) > 1e-2,
            "{target:?} has no effect"
        );
    }
}

#[test]
fn a_folder_of_pefts_own_gives_its_logits() {
    let model = load("llama");
    let adapter = Adapter::load(&golden("llama-adapter"), model.config()).unwrap();
    assert_eq!(
        (adapter.spec().kind, adapter.spec().rank, adapter.spec().alpha),
        (AdapterKind::Lora, 2, 6.0)
    );
    let (tokens, reference) = expected("llama-adapter");
    let distance = distance(&model.logits(&tokens, Some(&adapter)).unwrap(), &reference);
    assert!(distance <= 1e-4, "off by {distance}");
}

#[test]
fn folders_keep_every_bit() {
    let model = load("qwen2");
    for kind in [AdapterKind::FfaLora, AdapterKind::Lora] {
        let folder = tempfile::tempdir().unwrap();
        let adapter = busy(model.config(), kind, &[Projection::Key, Projection::Down]);
        adapter.save(folder.path(), Some("someone/a-base")).unwrap();
        let again = Adapter::load(folder.path(), model.config()).unwrap();
        assert_eq!(again.to_flat(), adapter.to_flat());
        assert_eq!((again.spec().kind, again.spec().seed), (kind, [7; 32]));
        let config: Value = serde_json::from_slice(
            &std::fs::read(folder.path().join("adapter_config.json")).unwrap(),
        )
        .unwrap();
        assert_eq!(config["target_modules"], json!(["k_proj", "down_proj"]));
        assert_eq!(config["base_model_name_or_path"], "someone/a-base");
    }
}

#[test]
fn merging_equals_applying() {
    for name in ["llama", "qwen2", "llama3-scaling"] {
        let model = load(name);
        let (tokens, _) = expected(name);
        let adapter = busy(model.config(), AdapterKind::Lora, &Projection::ALL);
        let applied = model.logits(&tokens, Some(&adapter)).unwrap();
        let merged = model.merge(&adapter).unwrap();
        let distance = distance(&merged.logits(&tokens, None).unwrap(), &applied);
        assert!(distance < 1e-3, "{name}: off by {distance}");
        let folder = tempfile::tempdir().unwrap();
        merged.save(folder.path(), Precision::F32).unwrap();
        let loaded = LanguageModel::load(folder.path(), Device::Cpu).unwrap();
        assert_eq!(loaded.logits(&tokens, None).unwrap(), merged.logits(&tokens, None).unwrap());
        assert_eq!(loaded.hash(), merged.hash());
        assert_ne!(loaded.hash(), model.hash());
    }
}

#[test]
fn what_no_model_can_have_is_refused() {
    let model = load("llama");
    let config = model.config();
    let refused = |spec: AdapterSpec| Adapter::initial(config, &spec).unwrap_err();
    let good = spec(AdapterKind::FfaLora);
    for (changed, key) in [
        (AdapterSpec { rank: 0, ..good.clone() }, "rank"),
        (AdapterSpec { alpha: f64::NAN, ..good.clone() }, "alpha"),
        (AdapterSpec { targets: vec![], ..good.clone() }, "targets"),
    ] {
        assert!(
            matches!(refused(changed), ModelError::AdapterSpec { key: found, .. } if found == key)
        );
    }
    let count = good.parameter_count(config);
    let short = Adapter::from_flat(config, &good, &vec![0.0; count - 1]);
    assert!(matches!(short, Err(ModelError::ParameterCount { .. })));
    let mut flat = vec![0.0; count];
    flat[3] = f32::INFINITY;
    assert!(matches!(
        Adapter::from_flat(config, &good, &flat),
        Err(ModelError::NotFinite { index: 3 })
    ));
    let foreign = Adapter::initial(load("qwen2").config(), &good).unwrap();
    assert!(matches!(model.logits(&[1, 2], Some(&foreign)), Err(ModelError::AdapterModel)));
}

fn change_config(folder: &Path, key: &str, value: Value) {
    let file = folder.join("adapter_config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    config[key] = value;
    std::fs::write(file, config.to_string()).unwrap();
}

#[test]
fn folders_that_mean_something_else_are_refused_by_name() {
    let model = load("llama");
    let adapter = busy(model.config(), AdapterKind::FfaLora, &[Projection::Query]);
    for (key, value) in [
        ("peft_type", json!("IA3")),
        ("use_rslora", json!(true)),
        ("use_dora", json!(true)),
        ("bias", json!("all")),
        ("modules_to_save", json!(["lm_head"])),
        ("rank_pattern", json!({"q_proj": 4})),
        ("target_modules", json!("all-linear")),
        ("target_modules", json!(["embed_tokens"])),
    ] {
        let folder = tempfile::tempdir().unwrap();
        adapter.save(folder.path(), None).unwrap();
        change_config(folder.path(), key, value);
        let error = Adapter::load(folder.path(), model.config()).unwrap_err();
        assert!(
            matches!(&error, ModelError::Unsupported { key: found, .. } if found == key),
            "{key}: {error}"
        );
        assert!(error.to_string().contains("adapter_config.json"), "{error}");
    }
}

#[test]
fn a_frozen_part_that_was_changed_is_noticed() {
    let model = load("llama");
    let folder = tempfile::tempdir().unwrap();
    busy(model.config(), AdapterKind::FfaLora, &[Projection::Query])
        .save(folder.path(), None)
        .unwrap();
    let file = folder.path().join("adapter_model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    // lora_A of layer 0 is the first tensor: change its first number by one bit.
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let error = Adapter::load(folder.path(), model.config()).unwrap_err();
    assert!(
        matches!(&error, ModelError::FrozenPart { name, .. } if name.contains("layers.0.self_attn.q_proj.lora_A")),
        "{error}"
    );
}
