//! The ways a peer can be wrong. Each is counted and told; none of them ends anything but the
//! message, or at most the peer's connection.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use thiserror::Error;
use wire::DecodeError;

/// A peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Rejection {
    /// A message that says it is longer than is allowed; none of it was read.
    #[error("a message of {length} bytes, where at most {limit} are allowed")]
    Oversized {
        /// The length that it says it has.
        length: usize,
        /// The length that is allowed.
        limit: usize,
    },
    /// A message that ended before its length.
    #[error("a message that ended after {received} of {length} bytes")]
    Truncated {
        /// Bytes that arrived.
        received: usize,
        /// Bytes that were announced.
        length: usize,
    },
    /// A message that stopped arriving, or arrived too slowly.
    #[error("a message that stopped after {received} of {length} bytes")]
    Stalled {
        /// Bytes that arrived.
        received: usize,
        /// Bytes that were announced.
        length: usize,
    },
    /// Bytes that are not a message in its one canonical form.
    #[error("bytes that are not a message")]
    Undecodable(#[source] DecodeError),
    /// A request from somebody who is not a member.
    #[error("a request from somebody who is not a member")]
    NotAMember,
    /// A request that this side does not answer, or not to this peer.
    #[error("a request that this peer may not make here")]
    NotMine,
    /// More bytes than somebody may send who is not a member.
    #[error("more bytes than a peer may send that is not a member")]
    GuestBytes,
    /// A connection beyond the number that is kept free for enrolling.
    #[error("too many connections of peers that are not members")]
    TooManyGuests,
    /// A connection to a node from somebody who is neither its coordinator nor a member.
    #[error("a connection from a stranger")]
    Stranger,
    /// The coordinator's address was answered by somebody with another key.
    #[error("the coordinator's address was answered with another key")]
    WrongCoordinator,
    /// A peer whose key is not an Ed25519 key.
    #[error("a key that is not an Ed25519 key")]
    ForeignKey,
    /// Gossip from somebody who is not a member.
    #[error("gossip from somebody who is not a member")]
    GossipNotAMember,
    /// Gossip that is not a message in its one canonical form.
    #[error("gossip that is not a message")]
    GossipUndecodable(#[source] DecodeError),
    /// Gossip that the validator rejected.
    #[error("gossip that is not valid")]
    GossipInvalid,
}

impl Rejection {
    /// A short name of its kind, for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Oversized { .. } => "oversized",
            Self::Truncated { .. } => "truncated",
            Self::Stalled { .. } => "stalled",
            Self::Undecodable(_) => "undecodable",
            Self::NotAMember => "not_a_member",
            Self::NotMine => "not_mine",
            Self::GuestBytes => "guest_bytes",
            Self::TooManyGuests => "too_many_guests",
            Self::Stranger => "stranger",
            Self::WrongCoordinator => "wrong_coordinator",
            Self::ForeignKey => "foreign_key",
            Self::GossipNotAMember => "gossip_not_a_member",
            Self::GossipUndecodable(_) => "gossip_undecodable",
            Self::GossipInvalid => "gossip_invalid",
        }
    }

    /// Whether the peer does not speak this protocol, so that its connection is closed.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self, Self::Oversized { .. } | Self::Undecodable(_))
    }
}

/// How many rejections of each kind there were.
#[derive(Clone, Default)]
pub(crate) struct Counts(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Counts {
    pub(crate) fn add(&self, rejection: &Rejection) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(rejection.kind()).or_default() += 1;
    }

    pub(crate) fn read(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
