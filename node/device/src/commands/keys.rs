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
    /// Restore keys into a folder that has none; `init` then completes a new folder with them
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
            check_keys(folder)?;
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
            output.answer(&json!({ "folder": folder }), |_| restored(folder))?;
        }
    }
    Ok(Exit::Success)
}

fn check_keys(folder: &Path) -> anyhow::Result<()> {
    if ["node.key", "chats.key"].iter().any(|name| !folder.join(name).exists()) {
        bail!("{} holds no keys of a node: name the node's folder with --folder", folder.display());
    }
    Ok(())
}

/// What was restored, and what a file of keys cannot restore.
fn restored(folder: &Path) -> String {
    let mut text = format!("The keys are in {}.", folder.display());
    if !folder.join("node.toml").exists() {
        text.push_str(" Next: `murmur-node init` completes the folder with them.");
    }
    if !folder.join("ledger").exists() {
        text.push_str(
            "\nNo ledger is here. If the old folder still exists, copy all of it instead: without its ledger this node does not know what it has spent, and without chats.db the chats must be imported anew.",
        );
    }
    text
}

fn restore(folder: &Path, keys: &Keys) -> anyhow::Result<()> {
    let bytes =
        |text: &str| ContentHash::from_hex(text).context("a key must be 64 hexadecimal digits");
    let (node_key, chats_key) = (bytes(&keys.node_key)?, bytes(&keys.chats_key)?);
    let home = Folder::open(folder)?;
    let (node, chats) = (home.join("node.key"), home.join("chats.key"));
    if node.exists() || chats.exists() {
        bail!("{} has keys already: they are not replaced", folder.display());
    }
    keyfile::write_key(&node, &node_key.0)?;
    keyfile::write_key(&chats, &chats_key.0)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys { node_key: "01".repeat(32), chats_key: "ab".repeat(32) }
    }

    #[test]
    fn restored_keys_are_read_like_drawn_ones() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("node");
        restore(&home, &keys()).unwrap();
        assert_eq!(*keyfile::load_key(&home.join("node.key")).unwrap(), [1; 32]);
        assert_eq!(*keyfile::load_key(&home.join("chats.key")).unwrap(), [0xab; 32]);
        let again = restore(&home, &keys()).unwrap_err().to_string();
        assert!(again.contains("not replaced"), "{again}");
    }

    #[test]
    fn what_is_no_key_touches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("node");
        let wrong = Keys { chats_key: "no key".into(), ..keys() };
        assert!(restore(&home, &wrong).unwrap_err().to_string().contains("64 hexadecimal"));
        assert!(!home.exists(), "not even a folder is made");
    }
}
