//! What is read from disk, with the place in every error.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use program::UsageError;
use protocol::Policy;
use wire::NodeId;

/// A whole file of at most `limit` bytes.
///
/// # Errors
/// If it cannot be read, or is larger than anything of its kind can be.
pub fn read(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    let size = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    if size > limit as u64 {
        bail!("{} has {size} bytes, and no such file has more than {limit}", path.display());
    }
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A node's public name, as 64 hexadecimal digits.
///
/// # Errors
/// If it is none.
pub fn parse_node(text: &str) -> Result<NodeId, String> {
    NodeId::from_hex(text).ok_or_else(|| {
        "a node's name has 64 hexadecimal digits: `murmur-node status --json` prints it".to_owned()
    })
}

/// A policy by the name of its preset.
///
/// # Errors
/// If there is none of this name.
pub fn parse_policy(name: &str) -> Result<Policy, String> {
    let preset =
        name.parse().map_err(|error: protocol::policy::UnknownPreset| error.to_string())?;
    Policy::preset(preset).map_err(|error| error.to_string())
}

/// δ.
///
/// # Errors
/// If it is not between 0 and 1.
pub fn parse_delta(text: &str) -> Result<f64, String> {
    let delta: f64 = text.parse().map_err(|_| format!("{text} is not a number, such as 1e-6"))?;
    if delta > 0.0 && delta < 1.0 {
        return Ok(delta);
    }
    Err(format!("δ = {text} is not between 0 and 1: take less than 1 over the number of people"))
}

/// Whose ledger a file is: as told, or as the `status.json` beside it says.
///
/// # Errors
/// If neither says it.
pub fn owner(ledger: &Path, told: Option<NodeId>) -> anyhow::Result<NodeId> {
    if let Some(node) = told {
        return Ok(node);
    }
    let status = ledger.with_file_name("status.json");
    owner_in(&status).ok_or_else(|| {
        UsageError(format!(
            "whose ledger is {}? Say it with --node and 64 hexadecimal digits (`murmur-node status --json` prints \
             them); there is no {} that tells",
            ledger.display(),
            status.display()
        ))
        .into()
    })
}

fn owner_in(status: &Path) -> Option<NodeId> {
    let status: serde_json::Value = serde_json::from_slice(&fs::read(status).ok()?).ok()?;
    NodeId::from_hex(status.get("node")?.as_str()?)
}
