//! `murmur-node status`: what the node does and waits for, from the file that it writes.

use std::path::Path;

use program::{Exit, Output, human};
use serde_json::json;
use store::{Folder, StoreError};

use crate::{
    home::Home,
    status::{Status, hint},
};

/// Runs the command.
///
/// # Errors
/// If the folder is no node's.
pub fn run(folder: &Path, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let running = matches!(Folder::open(folder), Err(StoreError::Locked { .. }));
    let status = Status::read(&home.join("status.json"));
    let paused = home.is_paused();
    let answer = json!({ "running": running, "paused": paused, "status": status });
    output.answer(&answer, |_| told(running, paused, status.as_ref()))?;
    Ok(Exit::Success)
}

fn told(running: bool, paused: bool, status: Option<&Status>) -> String {
    let Some(status) = status else {
        return "This node has not run yet: `murmur-node run`.".into();
    };
    let state = match (running, paused) {
        (true, true) => "running, paused by its owner",
        (true, false) => "running",
        (false, _) => "not running (`murmur-node run`); this is how it was",
    };
    let mut lines = vec![
        format!("node      {} ({state})", &status.node[..8.min(status.node.len())]),
        format!("swarm     {}", status.task),
        format!("waits for {}", status.waits_for),
        format!("version   {} (head {})", status.version, &status.head[..8.min(status.head.len())]),
        format!(
            "round     {}; {} since the start",
            status.round,
            human::plural(status.contributions, "contribution")
        ),
        format!(
            "spent     ρ = {:.6} in this swarm (`murmur-node budget` says what that means)",
            status.rho
        ),
        format!(
            "traffic   {} sent, {} received",
            human::bytes(status.bytes_sent),
            human::bytes(status.bytes_received)
        ),
    ];
    if let Some(refused) = &status.refused {
        let hint = hint(refused.would_do.as_deref());
        lines.push(format!("refused   round {}: {}{hint}", refused.round, refused.why));
    }
    if let Some(first) = status.forks.first() {
        let count = human::plural(status.forks.len() as u64, "header");
        lines.push(format!(
            "FORK      the coordinator has signed two histories: {count} of another one kept, the first in {first}; show it to the others"
        ));
    }
    if status.fork_blind {
        lines.push(
            "forks     not seen from here: this node has a link to its coordinator alone".into(),
        );
    }
    lines.extend(status.events.iter().rev().take(5).rev().map(|event| format!("  · {event}")));
    lines.join("\n")
}
