//! What can go wrong: [`NetworkError`] at the start, [`RequestError`] with a message.

use std::io;

use thiserror::Error;
use wire::Refusal;

/// Why the network could not start.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// An address that cannot be read.
    #[error(
        "cannot read the address {address:?}: write host:port, such as 203.0.113.5:4001, \
         or a multiaddress, such as /dns/swarm.example.org/tcp/4001"
    )]
    Address {
        /// The address as it was given.
        address: String,
    },
    /// A node that was told no address of its coordinator.
    #[error("no address of the coordinator: ask for an invite that names one")]
    NoCoordinatorAddress,
    /// A coordinator key that is not an Ed25519 public key.
    #[error("the coordinator's key is not an Ed25519 public key: ask for a new invite")]
    CoordinatorKey,
    /// A limit that leaves nothing.
    #[error("network limit {name} is 0: give it a larger value, or leave it out for the default")]
    ZeroLimit {
        /// The name of the limit, as in the configuration.
        name: &'static str,
    },
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}: choose another address or port, or stop what uses it")]
    Listen {
        /// The address.
        address: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// `start` was called outside a tokio runtime.
    #[error("the network needs a tokio runtime: call start from an async function")]
    NoRuntime,
}

/// Why a message was not sent, or why its answer is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestError {
    /// There is no connection to the peer; nothing was sent.
    #[error("the peer is not connected")]
    Unreachable,
    /// No answer came in time; the peer may have got the message or not.
    #[error("no answer came in time")]
    TimedOut,
    /// The connection was lost before the answer; the peer may have got the message or not.
    #[error("the connection was lost before the answer came")]
    Interrupted,
    /// The peer got the message and refused it.
    #[error("it refused: {0}")]
    Refused(#[source] Refusal),
    /// Longer than anybody would read; nothing was sent.
    #[error("a message of {length} bytes, where at most {limit} are read")]
    TooLarge {
        /// Encoded bytes.
        length: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// The peer answered with bytes that are not an answer.
    #[error("the peer's answer cannot be read")]
    BadAnswer,
    /// Too many messages wait for this peer already; nothing was sent.
    #[error("too many messages are waiting already")]
    Busy,
    /// This side of the network is shut down.
    #[error("the network is shut down")]
    ShutDown,
}
