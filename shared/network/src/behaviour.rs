//! Which libp2p protocols are spoken.
//!
//! `identify` is left out on purpose: it tells addresses and software, which nobody needs before
//! nodes connect to each other.

use std::{collections::BTreeSet, time::Duration};

use libp2p::{
    connection_limits::{self, ConnectionLimits},
    gossipsub::IdentTopic,
    identity::Keypair,
    ping,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
};
use wire::NodeId;

use crate::{
    codec::{Codec, PROTOCOL},
    gate::Gate,
    gossip,
    limits::Limits,
    standing::Side,
    traffic::Meters,
};

/// What decides about connections comes first: a later part must not see a connection that an
/// earlier one refuses (rust-libp2p#4773).
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    pub(crate) gate: Gate,
    ping: ping::Behaviour,
    pub(crate) exchange: request_response::Behaviour<Codec>,
    pub(crate) gossip: gossip::Behaviour,
}

impl Behaviour {
    pub(crate) fn new(
        keys: &Keypair,
        side: Side,
        members: BTreeSet<NodeId>,
        topic: &IdentTopic,
        limits: &Limits,
        meters: &Meters,
    ) -> Self {
        Self {
            limits: connection_limits::Behaviour::new(connections(limits)),
            gate: Gate::new(side, members, limits, meters.clone()),
            ping: ping::Behaviour::new(
                ping::Config::new()
                    .with_interval(Duration::from_millis(limits.ping_ms))
                    .with_timeout(Duration::from_millis(limits.ping_timeout_ms)),
            ),
            exchange: exchange(limits),
            gossip: gossip::behaviour(keys, topic, limits),
        }
    }
}

fn connections(limits: &Limits) -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.handshakes))
        .with_max_established(Some(limits.connections))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER))
}

fn exchange(limits: &Limits) -> request_response::Behaviour<Codec> {
    // Both directions share a connection's streams; one that finds no place is dropped silently,
    // so there are places for twice what two well-behaved peers can have under way.
    let config = request_response::Config::default()
        .with_request_timeout(limits.exchange())
        .with_max_concurrent_streams(4 * limits.requests);
    let protocols = [(PROTOCOL, ProtocolSupport::Full)];
    request_response::Behaviour::with_codec(Codec::new(limits), protocols, config)
}

/// One, and room for those that are being closed.
const CONNECTIONS_PER_PEER: u32 = 3;
