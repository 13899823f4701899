//! The network over real loopback TCP.

mod exchange;
mod gossip;
mod hostile;
mod links;
mod load;
mod members;
mod raw;
mod support;
