//! The running node: one task owns the machine; everything else talks to it by message.
//!
//! ```text
//! network ──events──┐                         ┌─Persist─→ disk, durable before the next effect
//! trainer ──────────┤→ Input → protocol::Node ┤─Send────→ outbox (in order) → coordinator
//! jobs    ──────────┤                         ├─Train───→ trainer thread (libtorch)
//! fetches ──────────┤                         ├─Work────→ blocking pool
//! clock   ──────────┘                         └─Report──→ status.json, a line for the owner
//! ```

mod event_loop;
mod fetch;
mod gossip;
mod links;
mod outbox;
mod perform;
mod recover;
mod tell;
mod trainer;

pub use event_loop::{RunOptions, run};
