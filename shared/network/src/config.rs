//! What a network is told at its start.

use std::{collections::BTreeSet, net::SocketAddr};

use libp2p::{Multiaddr, multiaddr::Protocol};
use wire::{CoordinatorId, NodeId, TaskId};
use zeroize::Zeroizing;

use crate::{error::NetworkError, gossip::Validator, limits::Limits};

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

/// Whether an address can be read: `host:port` or a multiaddress.
///
/// # Errors
/// [`NetworkError::Address`] with how to write one.
pub fn check_address(text: &str) -> Result<(), NetworkError> {
    parse_address(text).map(|_| ())
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
}
