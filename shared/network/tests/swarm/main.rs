//! The network over real loopback TCP.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exchange;
mod gossip;
mod hostile;
mod links;
mod load;
mod members;
mod raw;
mod support;
