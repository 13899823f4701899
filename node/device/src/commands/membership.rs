//! `murmur-node pause` and `leave`.

use std::path::Path;

use program::{Exit, Output};
use serde_json::json;
use store::Folder;

use crate::home::Home;

/// The node takes part in no new round; a running one notices within a second.
///
/// # Errors
/// If the folder is no node's.
pub fn pause(folder: &Path, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    program::write_atomically(&home.join("paused"), b"")?;
    output.answer(&json!({ "paused": true }), |_| {
        "Paused: no new round until `murmur-node run`; a round that is under way is finished."
            .into()
    })?;
    Ok(Exit::Success)
}

/// Forgets the swarm. The ledger stays: what was spent stays spent.
///
/// # Errors
/// If the node runs, or has joined nothing.
pub fn leave(folder: &Path, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let _lock = Folder::open(folder)?;
    let task = home.task()?;
    let name = task.joined.genesis.name.clone();
    task.remove()?;
    output.answer(&json!({ "left": name }), |_| {
        format!("Left \"{name}\". Its ledger entries stay, and count for every swarm to come.")
    })?;
    Ok(Exit::Success)
}
