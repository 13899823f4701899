//! What a network is told at its start.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use libp2p::{Multiaddr, multiaddr::Protocol};
use serde::{Deserialize, Serialize};
use wire::{CoordinatorId, NodeId, TaskId};
use zeroize::Zeroizing;

use crate::{error::NetworkError, gossip::Validator};

/// Everything that [`crate::start`] needs.
pub struct NetworkConfig {
    /// The Ed25519 secret (RFC 8032) that also signs this peer's messages.
    pub secret: Zeroizing<[u8; 32]>,
    /// Which side of the protocol this peer is.
    pub role: Role,
    /// The task whose gossip is heard and told.
    pub task: TaskId,
    /// Who is a member already; [`crate::Handle::set_members`] replaces them.
    pub members: BTreeSet<NodeId>,
    /// Where to listen, as `host:port` or multiaddresses. A node may leave it empty and takes
    /// full part all the same.
    pub listen: Vec<String>,
    /// How much of everything.
    pub limits: Limits,
    /// Judges gossip before it is passed on.
    pub validator: Validator,
}

/// Which side of the protocol a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Waits for nodes and never dials.
    Coordinator,
    /// Keeps a connection to its coordinator.
    Node {
        /// The only key that is accepted at the other end.
        coordinator: CoordinatorId,
        /// Where it listens, as `host:port` or multiaddresses; tried in this order.
        addresses: Vec<String>,
    },
}

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
    pub(crate) fn check(&self) -> Result<(), NetworkError> {
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

/// Reads `host:port` or a multiaddress.
pub(crate) fn parse_address(text: &str) -> Result<Multiaddr, NetworkError> {
    let failure = || NetworkError::Address { address: text.to_owned() };
    let text = text.trim();
    if text.starts_with('/') {
        return text.parse().map_err(|_| failure());
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Ok(Multiaddr::from(socket.ip()).with(Protocol::Tcp(socket.port())));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(failure)?;
    let port = port.parse().map_err(|_| failure())?;
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if host.is_empty() || !host.chars().all(letters) {
        return Err(failure());
    }
    Ok(Multiaddr::from(Protocol::Dns(host.into())).with(Protocol::Tcp(port)))
}

pub(crate) fn parse_addresses(texts: &[String]) -> Result<Vec<Multiaddr>, NetworkError> {
    texts.iter().map(|text| parse_address(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_write_addresses_as_they_know_them() {
        for (written, meant) in [
            ("203.0.113.5:4001", "/ip4/203.0.113.5/tcp/4001"),
            ("[::1]:4001", "/ip6/::1/tcp/4001"),
            ("swarm.example.org:4001", "/dns/swarm.example.org/tcp/4001"),
            ("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0"),
        ] {
            assert_eq!(parse_address(written).unwrap().to_string(), meant);
        }
        for bad in ["", "4001", "host", "host:", ":4001", "host:70000", "a b:1", "/ip4/x/tcp/1"] {
            assert!(parse_address(bad).is_err(), "{bad:?}");
        }
    }

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
