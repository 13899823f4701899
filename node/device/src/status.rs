//! What a running node tells its owner through a file, for `status` and for scripts. It holds
//! nothing about the content of conversations.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The contents of `status.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The node's public name.
    pub node: String,
    /// The process that wrote this.
    pub process: u32,
    /// When, in Unix milliseconds.
    pub written_ms: u64,
    /// Whether there is a connection to the coordinator.
    pub connected: bool,
    /// What the node waits for.
    pub waits_for: String,
    /// The swarm's name.
    pub task: String,
    /// The last attempt that the node took part in.
    pub round: u64,
    /// The newest global version that was verified.
    pub version: u64,
    /// The head of the verified chain.
    pub head: String,
    /// Contributions sent since the program started.
    pub contributions: u64,
    /// Spent in this task: ρ.
    pub rho: f64,
    /// Bytes sent and received since the program started.
    pub bytes_sent: u64,
    /// Bytes received since the program started.
    pub bytes_received: u64,
    /// The last plan that was refused, and why.
    pub refused: Option<Refused>,
    /// Whether the node has no link to another node, and so could not see a fork by itself.
    pub fork_blind: bool,
    /// Files with headers of other histories that the coordinator has signed.
    #[serde(default)]
    pub forks: Vec<String>,
    /// What happened last, newest last.
    pub events: Vec<String>,
}

/// A plan that the node refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Which round.
    pub round: u64,
    /// Why.
    pub why: String,
    /// The number with which the node would have taken part, where one would.
    #[serde(default)]
    pub would_do: Option<String>,
}

impl Refused {
    /// As the machine remembers it.
    pub fn of(refused: &protocol::node::memory::Refused) -> Self {
        let (why, would_do) = (refused.why.clone(), refused.would_do.clone());
        Self { round: refused.round.0, why, would_do }
    }
}

/// How many events are kept.
const EVENTS: usize = 20;

impl Status {
    /// Notes what happened.
    pub fn note(&mut self, event: String) {
        self.events.push(event);
        let superfluous = self.events.len().saturating_sub(EVENTS);
        self.events.drain(..superfluous);
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        Ok(program::write_atomically(file, &text)?)
    }

    /// Reads what a node wrote last, if any did.
    pub fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(file).ok()?).ok()
    }
}

/// What would do, as the end of a sentence that says why it does not.
pub fn hint(would_do: Option<&str>) -> String {
    would_do.map(|would_do| format!(" ({would_do})")).unwrap_or_default()
}
