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
    let joined = !home.tasks()?.is_empty();
    output.answer(&answer, |_| match &status {
        Some(status) => told(running, paused, status),
        None => not_yet(joined, paused),
    })?;
    Ok(Exit::Success)
}

/// What a node that has never run can say.
fn not_yet(joined: bool, paused: bool) -> String {
    match (joined, paused) {
        (false, _) => "This node has joined no swarm: `murmur-node join <invite>`.".into(),
        (true, false) => "This node has not run yet: `murmur-node run`.".into(),
        (true, true) => {
            "This node has not run yet, and is paused: `murmur-node run` resumes it.".into()
        }
    }
}

fn told(running: bool, paused: bool, status: &Status) -> String {
    let state = match (running, paused) {
        (true, true) => "running, paused by its owner (`murmur-node run` resumes it)",
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
