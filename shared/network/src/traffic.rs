//! Counts the bytes of all streams, per peer and in total.
//!
//! What is counted is what the protocols write into and read from their streams: requests,
//! answers, gossip, pings and the negotiation of streams. What Yamux, Noise, TCP and IP add (a
//! few per cent on large messages) is not.

mod metered;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use libp2p::PeerId;

pub(crate) use metered::{GuestBytes, Metered};

use crate::identity::PeerKey;

/// Bytes of all streams, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that this side wrote.
    pub bytes_sent: u64,
    /// Bytes that this side read.
    pub bytes_received: u64,
}

/// Traffic since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficReport {
    /// With everybody, members or not.
    pub total: Traffic,
    /// With each member (seen from a coordinator) or the coordinator (seen from a node).
    pub peers: BTreeMap<PeerKey, Traffic>,
}

/// The bytes of one peer, over all its connections.
pub(crate) struct Meter {
    sent: AtomicU64,
    received: AtomicU64,
    guest: AtomicBool,
}

/// All meters of this network.
#[derive(Clone)]
pub(crate) struct Meters(Arc<Inner>);

struct Inner {
    total: Meter,
    peers: Mutex<BTreeMap<PeerId, Arc<Meter>>>,
    guest_bytes: u64,
}

impl Meters {
    /// `guest_bytes`: what one connection of a guest may send before it is cut.
    pub(crate) fn new(guest_bytes: u64) -> Self {
        Self(Arc::new(Inner { total: Meter::default(), peers: Mutex::default(), guest_bytes }))
    }

    /// The meter of a peer, which is a guest until [`Meters::set_guest`] says otherwise.
    fn of(&self, peer: &PeerId) -> Arc<Meter> {
        let mut peers = self.peers();
        if peers.len() > PRUNE_ABOVE {
            peers.retain(|_, meter| Arc::strong_count(meter) > 1 || !meter.is_guest());
        }
        Arc::clone(peers.entry(*peer).or_default())
    }

    pub(crate) fn set_guest(&self, peer: &PeerId, guest: bool) {
        self.of(peer).guest.store(guest, Relaxed);
    }

    pub(crate) fn report(&self) -> TrafficReport {
        let peers = self.peers();
        let known = peers.iter().filter(|(_, meter)| !meter.is_guest());
        let peers =
            known.filter_map(|(peer, meter)| Some((PeerKey::of(peer)?, meter.read()))).collect();
        TrafficReport { total: self.0.total.read(), peers }
    }

    fn peers(&self) -> MutexGuard<'_, BTreeMap<PeerId, Arc<Meter>>> {
        self.0.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Meter {
    fn default() -> Self {
        let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { sent, received, guest: AtomicBool::new(true) }
    }
}

impl Meter {
    fn is_guest(&self) -> bool {
        self.guest.load(Relaxed)
    }

    fn read(&self) -> Traffic {
        Traffic { bytes_sent: self.sent.load(Relaxed), bytes_received: self.received.load(Relaxed) }
    }
}

/// Above so many peers, those that are neither connected nor members are forgotten, so that
/// strangers with ever new keys cannot fill the memory.
const PRUNE_ABOVE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::keypair;

    fn peer(seed: u8) -> PeerId {
        keypair(&zeroize::Zeroizing::new([seed; 32])).public().to_peer_id()
    }

    #[test]
    fn guests_are_in_the_total_alone() {
        let meters = Meters::new(100);
        meters.of(&peer(1)).sent.store(5, Relaxed);
        assert!(meters.report().peers.is_empty());
        meters.set_guest(&peer(1), false);
        let key = PeerKey::of(&peer(1)).unwrap();
        assert_eq!(meters.report().peers[&key], Traffic { bytes_sent: 5, bytes_received: 0 });
    }

    #[test]
    fn strangers_cannot_fill_the_memory() {
        let meters = Meters::new(100);
        meters.set_guest(&peer(1), false);
        let held = meters.of(&peer(2));
        for number in 0..2 * PRUNE_ABOVE as u64 {
            let mut secret = [9; 32];
            secret[..8].copy_from_slice(&number.to_le_bytes());
            let stranger = keypair(&zeroize::Zeroizing::new(secret)).public().to_peer_id();
            meters.of(&stranger);
        }
        assert!(meters.peers().len() <= PRUNE_ABOVE + 1);
        assert!(meters.peers().contains_key(&peer(1)));
        assert!(meters.peers().contains_key(&peer(2)));
        drop(held);
    }
}
