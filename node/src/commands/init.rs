//! `murmur-node init`: the folder, its keys, and the owner's decision about privacy.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use program::{Exit, Output, Paint, note, paint};
use protocol::Preset;
use serde_json::json;
use store::{Conversations, DatabaseKey, Folder, keyfile};

use crate::config;

/// Creates the node's private folder. Nothing is sent anywhere.
#[derive(clap::Args)]
pub struct Options {
    /// How much privacy this node may ever spend: strict (ε ≤ 2), default (ε ≤ 8), research
    /// (ε ≤ 16), or none (no budget: nothing is promised; type it in full)
    #[arg(long, value_parser = parse_preset)]
    policy: Preset,
    /// The base model: a Hugging Face model folder
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
}

fn parse_preset(text: &str) -> Result<Preset, String> {
    text.parse().map_err(|error: protocol::policy::UnknownPreset| error.to_string())
}

/// Runs the command.
///
/// # Errors
/// If the folder holds a node already, or cannot be written.
pub fn run(folder: &Path, options: Options, output: Output) -> anyhow::Result<Exit> {
    if folder.join("node.toml").exists() {
        bail!("{} holds a node already: its keys and ledger are not replaced", folder.display());
    }
    let model = std::path::absolute(&options.model)?;
    let language = model::LanguageModel::load(&model, model::Device::Cpu)
        .with_context(|| format!("{} is not a model that can be used", model.display()))?;
    let home = Folder::open(folder)?;
    let restored = home.join("node.key").exists();
    // What `keys import`, or an `init` that was cut short, has left here is gone on with.
    let key = |name: &str| match home.join(name) {
        path if path.exists() => keyfile::load_key(&path),
        path => keyfile::create_key(&path),
    };
    let (secret, chats) = (key("node.key")?, key("chats.key")?);
    Conversations::open(&home.join("chats.db"), &DatabaseKey::Raw(&chats))?;
    let text = config::first_text(&model, options.policy)?;
    program::write_atomically(&home.join("node.toml"), text.as_bytes())?;
    if restored {
        note("The keys were here already: this node goes on with them.");
    }
    let key = ed25519_dalek::SigningKey::from_bytes(&secret);
    let id = wire::NodeId(key.verifying_key().to_bytes());
    let base = wire::ModelHash(language.hash());
    let answer = json!({
        "node": id.to_string(),
        "folder": folder,
        "policy": options.policy.to_string(),
        "epsilon": options.policy.epsilon(),
        "model": base.to_string(),
    });
    output.answer(&answer, |_| told(folder, options.policy, &id.short()))?;
    Ok(Exit::Success)
}

fn told(folder: &Path, policy: Preset, id: &str) -> String {
    let promise = match policy.epsilon() {
        Some(epsilon) => format!(
            "This node spends at most ε = {epsilon} (δ = 1e-6) over its lifetime, whatever a coordinator asks."
        ),
        None => paint(
            Paint::Red,
            "Policy none: no budget. Updates are clipped, noised and masked, but NO MEANINGFUL PRIVACY GUARANTEE is kept over time.",
        ),
    };
    format!(
        "Node {id} lives in {}.\n{promise}\nIts keys are node.key and chats.key: without them nobody, you included, can read the chats or go on with the ledger. Save them with `murmur-node keys export`.\nWhat else it may and may not do is explained and set in node.toml.\nNext: `murmur-node import <chats>`, then `murmur-node join <invite>`.",
        folder.display()
    )
}
