//! What a running coordinator tells its operator through a file, for `status` and for scripts.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A running coordinator writes at least this often.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// After this long without a word it is taken for dead.
const SILENCE: Duration = Duration::from_secs(30);

/// The contents of `status.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The process that wrote this.
    pub process: u32,
    /// Whether it was running then; it writes once more when it ends.
    pub running: bool,
    /// When, in Unix milliseconds.
    pub written_ms: u64,
    /// Where it listens.
    pub listening: Vec<String>,
    /// What it waits for.
    pub waits_for: String,
    /// The last round that a header or a plan is known of.
    pub round: u64,
    /// The newest global version.
    pub version: u64,
    /// The head of the chain.
    pub head: String,
    /// How many members there are.
    pub members: usize,
    /// The nodes that are present, by id.
    pub present: Vec<String>,
    /// How the last candidate was judged.
    pub gate: Option<Judgement>,
    /// Rounds that ended without a sum since the program started.
    pub aborted: u64,
    /// Bytes sent since the program started.
    pub bytes_sent: u64,
    /// Bytes received since the program started.
    pub bytes_received: u64,
    /// Faults of peers since the program started, by kind.
    pub rejections: BTreeMap<String, u64>,
    /// What happened last, newest last.
    pub events: Vec<String>,
}

/// How a candidate was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Which round's.
    pub round: u64,
    /// Its loss, in millionths of a nat per token.
    pub loss_micro: u64,
    /// The largest loss that passes.
    pub limit_micro: u64,
    /// Whether it became a version.
    pub issued: bool,
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
        Ok(program::write_atomically(file, &serde_json::to_vec_pretty(self)?)?)
    }

    /// Reads what a coordinator wrote last, if any did.
    pub fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(file).ok()?).ok()
    }

    /// Whether the coordinator that wrote this is still there, as far as its words tell.
    pub fn is_alive(&self, now_ms: u64) -> bool {
        self.running && now_ms.saturating_sub(self.written_ms) < SILENCE.as_millis() as u64
    }
}

/// Unix milliseconds.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_or_stopped_coordinator_is_not_alive() {
        let status = Status { running: true, written_ms: 1000, ..Status::default() };
        assert!(status.is_alive(1000) && status.is_alive(30_999) && !status.is_alive(31_000));
        assert!(!Status { running: false, ..status }.is_alive(1000));
    }

    #[test]
    fn the_last_events_are_kept() {
        let mut status = Status::default();
        (0..50).for_each(|number| status.note(number.to_string()));
        assert_eq!((status.events.len(), status.events[EVENTS - 1].as_str()), (EVENTS, "49"));
    }
}
