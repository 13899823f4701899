//! `murmur-node keys`: the two keys of a node in one file that its owner keeps safe.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use program::{Exit, Output};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Folder, keyfile};
use wire::ContentHash;

/// Save or restore the keys. Without `chats.key` nobody can read the stored chats any more;
/// without `node.key` the ledger cannot go on and the node is a new one to its swarm.
#[derive(clap::Subcommand)]
pub enum Options {
    /// Write both keys to a file of your own; whoever has it can read the chats
    Export {
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Restore keys into a folder that has none
    Import {
        /// The file that `export` wrote
        file: PathBuf,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    node_key: String,
    chats_key: String,
}

/// Runs the command.
///
/// # Errors
/// If a file exists that would be overwritten, or keys cannot be read.
pub fn run(folder: &Path, options: Options, output: Output) -> anyhow::Result<Exit> {
    match options {
        Options::Export { file } => {
            let hex = |name: &str| -> anyhow::Result<String> {
                Ok(ContentHash(*keyfile::load_key(&folder.join(name))?).to_string())
            };
            let keys = Keys { node_key: hex("node.key")?, chats_key: hex("chats.key")? };
            program::create_secret(&file, serde_json::to_string_pretty(&keys)?.as_bytes())?;
            output.answer(&json!({ "file": file }), |_| {
                format!("Both keys are in {}: keep it where only you can read it.", file.display())
            })?;
        }
        Options::Import { file } => {
            let text = std::fs::read(&file)
                .with_context(|| format!("cannot read the keys in {}", file.display()))?;
            let keys: Keys = serde_json::from_slice(&text)
                .with_context(|| format!("{} is not a file of `keys export`", file.display()))?;
            restore(folder, &keys)
                .with_context(|| format!("the keys in {} were not restored", file.display()))?;
            output.answer(&json!({ "folder": folder }), |_| {
                format!("The keys are in {}.", folder.display())
            })?;
        }
    }
    Ok(Exit::Success)
}

fn restore(folder: &Path, keys: &Keys) -> anyhow::Result<()> {
    let home = Folder::open(folder)?;
    let (node, chats) = (home.join("node.key"), home.join("chats.key"));
    if node.exists() || chats.exists() {
        bail!("{} has keys already: they are not replaced", folder.display());
    }
    let bytes =
        |text: &str| ContentHash::from_hex(text).context("a key must be 64 hexadecimal digits");
    let (node_key, chats_key) = (bytes(&keys.node_key)?, bytes(&keys.chats_key)?);
    keyfile::create(&node, &node_key.0)?;
    keyfile::create(&chats, &chats_key.0)?;
    Ok(())
}
