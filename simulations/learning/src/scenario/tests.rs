//! Every file in `configs/scenarios` is a scenario, and says what every key means.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::*;

fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/scenarios");
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|file| {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&file).unwrap())
        })
        .collect()
}

fn text_of(wanted: &str) -> String {
    files().into_iter().find(|(name, _)| name == wanted).unwrap().1
}

fn read(text: &str) -> Scenario {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// Every line `key = value` stands below a comment.
fn undocumented(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let is_key = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase());
    let pairs = lines.windows(2).filter(|two| is_key(two[1]) && !two[0].starts_with('#'));
    pairs.map(|two| two[1]).collect()
}

#[test]
fn every_file_is_a_scenario_with_every_key_explained() {
    let files = files();
    assert!(files.len() >= 4, "the scenarios were not found");
    for (name, text) in files {
        assert_eq!(undocumented(&text), Vec::<&str>::new(), "{name}");
        assert_eq!(read(&text).title, name);
    }
}

/// A scenario in which nothing is left out.
fn full() -> Scenario {
    let mut full = read(&text_of("quick"));
    full.model.shape = read(&text_of("benchmark")).model.shape;
    full.data.path = Some("x".into());
    full.data.me = Some("x".into());
    full.privacy.noise_multiplier = Some(1.0);
    full.personal = read(&text_of("personalisation")).personal;
    full.attack = read(&text_of("attack")).attack;
    full.canaries = read(&text_of("canaries")).canaries;
    full
}

/// Keys of tables; those of inline tables belong to the key that holds them.
fn keys(table: &Table, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        found.insert(key.clone());
        let section = [
            "model", "adapter", "data", "cohort", "local", "server", "schedule", "privacy",
            "attack", "personal", "canaries",
        ];
        if let Value::Table(inner) = value
            && (section.contains(&key.as_str())
                || ["evaluation", "machine"].contains(&key.as_str()))
        {
            keys(inner, found);
        }
    }
}

#[test]
fn quick_shows_every_key_there_is() {
    let text = text_of("quick");
    let known: Table = toml::from_str(&toml::to_string(&full()).unwrap()).unwrap();
    let mut wanted = BTreeSet::new();
    keys(&known, &mut wanted);
    let shown = |key: &String| {
        let forms =
            [format!("{key} = "), format!("# {key} = "), format!("[{key}]"), format!("# [{key}]")];
        text.lines().any(|line| forms.iter().any(|form| line.starts_with(form)))
    };
    let missing: Vec<&String> = wanted.iter().filter(|key| !shown(key)).collect();
    assert_eq!(missing, Vec::<&String>::new());
    assert!(wanted.len() > 40, "{}", wanted.len());
}

/// "Left out: as here" is true.
#[test]
fn quick_says_what_is_left_out_means() {
    let mut table: Table = toml::from_str(&text_of("quick")).unwrap();
    let shown = read(&text_of("quick"));
    for section in ["server", "schedule", "machine"] {
        table.remove(section);
    }
    for (section, key) in [
        ("data", "rows"),
        ("data", "roles"),
        ("data", "held_out"),
        ("data", "pseudo_users"),
        ("data", "split"),
        ("data", "conversations_max"),
        ("cohort", "sampling"),
        ("local", "proximal"),
        ("privacy", "delta"),
        ("privacy", "honest"),
        ("privacy", "modulus_bits"),
        ("model", "tokens"),
        ("model", "precision"),
    ] {
        table[section].as_table_mut().unwrap().remove(key).unwrap();
    }
    table.remove("seed");
    assert_eq!(read(&toml::to_string(&table).unwrap()), shown);
    let other = EvaluationTerms { every: shown.evaluation.every, ..EvaluationTerms::default() };
    assert_eq!(shown.evaluation, other);
}

#[test]
fn a_mistyped_key_is_an_error() {
    let wrong = text_of("quick").replace("roles = ", "rolls = ");
    let error = toml::from_str::<Scenario>(&wrong).unwrap_err();
    assert!(error.message().contains("unknown field `rolls`"), "{error}");
}

#[test]
fn the_benchmark_is_the_one_that_is_agreed_on() {
    let benchmark = read(&text_of("benchmark"));
    let config = crate::federation::config(benchmark.model.shape.unwrap());
    assert_eq!(benchmark.adapter_spec().parameter_count(&config), 21_248);
    assert_eq!(config.parameter_count(), 857_216);
    assert_eq!(benchmark.cohort.nodes, 200);
    let local = benchmark.local;
    assert_eq!((local.steps, local.batch, local.sequence, local.learning_rate), (1, 8, 128, 0.5));
}

#[test]
fn nodes_train_in_the_precision_that_is_named() {
    let text = text_of("quick").replace("precision = \"f32\"", "precision = \"bf16\"");
    let precision = |text: &str| read(text).recipe_in(1).training.precision;
    assert_eq!(precision(&text), model::Precision::Bf16);
    assert_eq!(precision(&text_of("quick")), model::Precision::F32);
}
