//! How much of everything a network takes on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::NetworkError;

/// How much of everything; the defaults fit a coordinator of a few hundred nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once.
    pub connections: u32,
    /// Incoming connections at once that have not shown their key yet.
    pub handshakes: u32,
    /// Connections at once of peers that are not members; they may only ask to enrol.
    pub guests: u32,
    /// A guest's connection is closed after this time.
    pub guest_ms: u64,
    /// A guest's connection is closed after this many bytes.
    pub guest_bytes: u64,
    /// From opening a connection to both keys shown.
    pub handshake_ms: u64,
    /// From handing over a request to its answer.
    pub exchange_ms: u64,
    /// From the first byte of one message to its last.
    pub message_ms: u64,
    /// The longest pause within one message.
    pub progress_ms: u64,
    /// Requests under way to one peer at once; others wait.
    pub requests: usize,
    /// Requests that wait for one peer; more are refused as busy.
    pub waiting: usize,
    /// Events that wait for the program. While they are full, requests are refused as busy and
    /// gossip is dropped.
    pub events: usize,
    /// Pause between two pings, which keep address translators awake.
    pub ping_ms: u64,
    /// A connection whose ping takes longer is closed.
    pub ping_timeout_ms: u64,
    /// The first pause before a node dials again; it doubles with every failure.
    pub redial_min_ms: u64,
    /// The longest pause before a node dials again.
    pub redial_max_ms: u64,
    /// A connection that lasts so long makes the pause the shortest again.
    pub stable_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            handshakes: 256,
            guests: 16,
            guest_ms: 30_000,
            guest_bytes: 64 * 1024,
            handshake_ms: 20_000,
            exchange_ms: 300_000,
            message_ms: 180_000,
            progress_ms: 20_000,
            requests: 8,
            waiting: 64,
            events: 256,
            ping_ms: 15_000,
            ping_timeout_ms: 60_000,
            redial_min_ms: 250,
            redial_max_ms: 60_000,
            stable_ms: 30_000,
        }
    }
}

impl Limits {
    /// Whether something can be done within them.
    ///
    /// # Errors
    /// [`NetworkError::ZeroLimit`] for one that is 0.
    pub fn check(&self) -> Result<(), NetworkError> {
        let values = [
            ("connections", u64::from(self.connections)),
            ("handshakes", u64::from(self.handshakes)),
            ("guests", u64::from(self.guests)),
            ("guest_ms", self.guest_ms),
            ("guest_bytes", self.guest_bytes),
            ("handshake_ms", self.handshake_ms),
            ("exchange_ms", self.exchange_ms),
            ("message_ms", self.message_ms),
            ("progress_ms", self.progress_ms),
            ("requests", self.requests as u64),
            ("waiting", self.waiting as u64),
            ("events", self.events as u64),
            ("ping_ms", self.ping_ms),
            ("ping_timeout_ms", self.ping_timeout_ms),
            ("redial_min_ms", self.redial_min_ms),
            ("redial_max_ms", self.redial_max_ms),
            ("stable_ms", self.stable_ms),
        ];
        match values.iter().find(|(_, value)| *value == 0) {
            Some(&(name, _)) => Err(NetworkError::ZeroLimit { name }),
            None => Ok(()),
        }
    }

    pub(crate) fn exchange(&self) -> Duration {
        Duration::from_millis(self.exchange_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_strictly() {
        let limits: Limits = toml::from_str("connections = 7").unwrap();
        assert_eq!(limits, Limits { connections: 7, ..Limits::default() });
        assert!(toml::from_str::<Limits>("conections = 7").is_err());
        assert!(Limits::default().check().is_ok());
        let zero = Limits { waiting: 0, ..Limits::default() };
        assert!(matches!(zero.check(), Err(NetworkError::ZeroLimit { name: "waiting" })));
    }
}
