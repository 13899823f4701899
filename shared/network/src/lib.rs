//! Carries the swarm's messages between a coordinator and its nodes, over libp2p.
//!
//! It never decides anything about a round, reads no file, and knows messages only as far as it
//! must: who may send which kind of request ([`wire::Request`]), how long they may be and how
//! long they may take. `murmur-node` and `murmur-coordinator` use it; it is the only crate that
//! names libp2p.
//!
//! Nodes open connections to the coordinator and keep them; the coordinator never dials. So a
//! node that listens nowhere takes full part. A peer is its Ed25519 key ([`PeerKey`]), proved by
//! the Noise handshake, and only members are heard (anybody else may ask to enrol, briefly).
//!
//! ```text
//!            Handle::request ─┐                            ┌─ Event::Request + Reply
//!            Handle::publish ─┤   one task owns the swarm  ├─ Event::Gossip
//!                             └──►  event_loop::run ───────┴─ Event::Connected, ...
//!                                  TCP → Noise → Yamux (counted: traffic)
//!                                  gate · ping · exchange (codec) · gossipsub
//! ```
//!
//! Everything is bounded: channels, connections, streams, message sizes, times ([`Limits`]).
//! Application work, encoding, decoding and signature checks run outside the task that owns the
//! swarm.

mod behaviour;
mod codec;
mod config;
mod error;
mod event;
mod event_loop;
mod gate;
mod gossip;
mod handle;
mod identity;
mod limits;
mod rejection;
mod standing;
mod traffic;
mod transport;

pub use config::{NetworkConfig, Role, check_address};
pub use error::{NetworkError, RequestError};
pub use event::{Event, Events, Reply};
pub use gossip::{Validator, Verdict};
pub use handle::{Handle, start};
pub use identity::PeerKey;
pub use limits::Limits;
pub use rejection::Rejection;
pub use traffic::{Traffic, TrafficReport};
