//! Who a peer is: its Ed25519 public key, the same one that signs its messages.

use std::fmt;

use libp2p::{
    PeerId,
    identity::{Keypair, PublicKey, ed25519},
};
use wire::{CoordinatorId, NodeId};
use zeroize::Zeroizing;

/// A peer of the network: its 32-byte Ed25519 public key (RFC 8032).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 32]);

impl PeerKey {
    /// The key that a libp2p peer id holds; `None` for every other kind of key. An Ed25519 peer
    /// id is the key itself under the identity multihash (libp2p specs, peer-ids).
    pub(crate) fn of(peer: &PeerId) -> Option<Self> {
        const IDENTITY: u64 = 0;
        let hash = peer.as_ref();
        if hash.code() != IDENTITY {
            return None;
        }
        let key = PublicKey::try_decode_protobuf(hash.digest()).ok()?.try_into_ed25519().ok()?;
        Some(Self(key.to_bytes()))
    }

    /// The libp2p peer id; `None` where the bytes are not a point of the curve.
    pub(crate) fn peer_id(&self) -> Option<PeerId> {
        let key = ed25519::PublicKey::try_from_bytes(&self.0).ok()?;
        Some(PublicKey::from(key).to_peer_id())
    }
}

/// The libp2p identity of the secret that also signs this peer's messages.
pub(crate) fn keypair(secret: &Zeroizing<[u8; 32]>) -> Keypair {
    let mut copy = secret.clone();
    Keypair::ed25519_from_bytes(&mut copy[..]).expect("every 32 bytes are an Ed25519 secret")
}

impl From<NodeId> for PeerKey {
    fn from(id: NodeId) -> Self {
        Self(id.0)
    }
}

impl From<CoordinatorId> for PeerKey {
    fn from(id: CoordinatorId) -> Self {
        Self(id.0)
    }
}

impl From<PeerKey> for NodeId {
    fn from(key: PeerKey) -> Self {
        Self(key.0)
    }
}

impl From<PeerKey> for CoordinatorId {
    fn from(key: PeerKey) -> Self {
        Self(key.0)
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NodeId::from(*self).fmt(f)
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({})", NodeId::from(*self).short())
    }
}

#[cfg(test)]
mod tests {
    use libp2p::multihash::Multihash;

    use super::*;

    #[test]
    fn one_secret_gives_one_key_to_libp2p_and_to_the_messages() {
        let secret = [7; 32];
        let signer = ed25519_dalek::SigningKey::from_bytes(&secret);
        let peer = keypair(&Zeroizing::new(secret)).public().to_peer_id();
        let key = PeerKey(signer.verifying_key().to_bytes());
        assert_eq!(PeerKey::of(&peer), Some(key));
        assert_eq!(key.peer_id(), Some(peer));
    }

    #[test]
    fn keys_of_other_kinds_are_nobody() {
        let hashed = PeerId::from_multihash(Multihash::wrap(0x12, &[3; 32]).unwrap()).unwrap();
        assert_eq!(PeerKey::of(&hashed), None);
        // A secp256k1 key: type 2, 33 bytes.
        let mut encoded = vec![8, 2, 18, 33, 2];
        encoded.extend([5; 32]);
        let other = PeerId::from_multihash(Multihash::wrap(0, &encoded).unwrap()).unwrap();
        assert_eq!(PeerKey::of(&other), None);
        let nothing = PeerId::from_multihash(Multihash::wrap(0, &[]).unwrap()).unwrap();
        assert_eq!(PeerKey::of(&nothing), None);
    }

    #[test]
    fn bytes_that_are_no_point_have_no_peer_id() {
        // y = 2 is on no point of the curve.
        let mut bytes = [0; 32];
        bytes[0] = 2;
        assert_eq!(PeerKey(bytes).peer_id(), None);
    }
}
