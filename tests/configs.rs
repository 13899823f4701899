//! Every file in `configs/` is read by the program that it is for, and says what every key means.

use std::{collections::BTreeSet, fs, path::Path};

use coordinator::config::CoordinatorConfig;
use node::config::{ConversationsConfig, ModelConfig, NetworkConfig, NodeConfig, TrainingConfig};
use protocol::{
    Choices, Policy, Preset,
    policy::{Fraction, Limits},
};
use toml::{Table, Value};

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Keys that are shown commented out, since they have no value that fits everybody.
fn with_examples(text: &str, keys: &[&str]) -> String {
    keys.iter().fold(text.to_owned(), |text, key| {
        let (commented, shown) = (format!("\n# {key} = "), format!("\n{key} = "));
        assert!(text.contains(&commented), "{key} is not shown");
        text.replace(&commented, &shown)
    })
}

/// `network.limits.guests` and so on.
fn paths(table: &Table, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (key, value) in table {
        let path = format!("{prefix}{key}");
        match value {
            Value::Table(inner) => found.extend(paths(inner, &format!("{path}."))),
            _ => drop(found.insert(path)),
        }
    }
    found
}

/// Every line `key = value` stands below a comment, or below a line that shares one.
fn undocumented(text: &str) -> Vec<&str> {
    let mut documented = false;
    let mut missing = Vec::new();
    for line in text.lines() {
        let is_key = line.starts_with(|c: char| c.is_ascii_lowercase());
        if is_key && !documented {
            missing.push(line);
        }
        documented = line.starts_with('#');
    }
    missing
}

#[test]
fn coordinator_toml_is_read_by_the_coordinator() {
    let config: CoordinatorConfig = toml::from_str(&text("coordinator.toml")).unwrap();
    assert!(config.privacy.survivors_min >= 4, "no node's policy takes fewer");
}

#[test]
fn coordinator_toml_shows_and_documents_every_key() {
    let text = text("coordinator.toml");
    assert_eq!(undocumented(&text), Vec::<&str>::new());
    let shown: Table = toml::from_str(&text).unwrap();
    let config: CoordinatorConfig = toml::from_str(&text).unwrap();
    let known: Table = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
    assert_eq!(paths(&shown, ""), paths(&known, ""));
}

/// A file that nobody reads would be a promise that nobody keeps.
#[test]
fn every_file_is_known_to_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let names: BTreeSet<String> = files
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from(["coordinator.toml", "node.toml"].map(str::to_owned)));
}

#[test]
fn node_toml_is_read_by_the_node() {
    let config: NodeConfig = toml::from_str(&text("node.toml")).unwrap();
    assert_eq!(config.privacy.policy, Preset::Default);
}

/// What the file says of defaults is true: leaving a key out changes nothing.
#[test]
fn node_toml_shows_the_defaults() {
    let config: NodeConfig = toml::from_str(&text("node.toml")).unwrap();
    assert_eq!(config.training, TrainingConfig::default());
    assert_eq!(config.conversations, ConversationsConfig::default());
    assert_eq!(config.network, NetworkConfig::default());
    // The limits stand there with the numbers of the preset; those without one are commented out.
    assert_eq!(config.privacy.policy(None), Ok(Policy::preset(Preset::Default).unwrap()));
}

/// Every key of `[privacy]` that is not a table of the owner's swarms.
fn every_choice() -> Choices {
    let (number, count, fraction) = (Some(1.0), Some(1), "1/10".parse::<Fraction>().ok());
    Choices {
        epsilon: number,
        delta: number,
        swarm_epsilon: number,
        limits: Limits {
            rho_per_round_max: number,
            corrupt_min: fraction,
            cohort_min: Some(1),
            survivors_min: Some(1),
            own_noise_min: number,
            familiar_min: Some(1),
            participations_max: count,
            separation_min: count,
            unfinished_max: count,
            attempts_per_day_max: count,
            clip_max: number,
            dimension_max: count,
            steps_max: count,
            batch_tokens_max: count,
            random_window_ms_min: count,
            window_ms_max: count,
        },
        ..Choices::preset(Preset::Default)
    }
}

#[test]
fn node_toml_shows_and_documents_every_key() {
    let text = text("node.toml");
    assert_eq!(undocumented(&text), Vec::<&str>::new());
    let examples = [
        "private_words",
        "epsilon",
        "delta",
        "swarm_epsilon",
        "rho_per_round_max",
        "participations_max",
    ];
    let shown: Table = toml::from_str(&with_examples(&text, &examples)).unwrap();
    let full = NodeConfig {
        model: ModelConfig { folder: "model".into() },
        privacy: every_choice(),
        training: TrainingConfig::default(),
        conversations: ConversationsConfig {
            private_words: Some("words.txt".into()),
            train_on_chat: false,
        },
        network: NetworkConfig::default(),
    };
    let known: Table = toml::from_str(&toml::to_string(&full).unwrap()).unwrap();
    assert_eq!(paths(&shown, ""), paths(&known, ""));
}
