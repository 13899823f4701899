//! The running coordinator: one task owns the machine; everything else talks to it by message.
//!
//! ```text
//! network ──events──┐                                ┌─Persist─→ disk, durable before the next effect
//! judge   ──────────┤→ Input → protocol::Coordinator ┤─Send────→ an outbox for each node (in order)
//! unmask  ──────────┤                                ├─Unmask──→ blocking pool, all cores (rayon)
//! clock   ──────────┘                                ├─Judge───→ the judge's thread (libtorch)
//!                                                    └─Report──→ a line for the operator, status.json
//! ```
//!
//! Presence is by `Hello`, not by the connection: a node says it after it has connected, and is
//! then asked again whatever it has not answered.

mod answer;
mod event_loop;
mod gossip;
mod judge;
mod outbox;
mod perform;
mod tell;

pub(crate) use event_loop::REMOVALS;
pub use event_loop::{RunOptions, run};
