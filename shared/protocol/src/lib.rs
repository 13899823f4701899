//! How a round goes: the rules of both sides as pure state machines.
//!
//! [`Node`] and [`Coordinator`] take plain inputs and the time, and answer with plain effects, in
//! order: same inputs, times and outputs of jobs, same effects. They never open a socket or a file, read no
//! clock, start no thread and draw no randomness; what is costly or random is a job among the
//! effects that the caller runs, and whose output it hands back. The programs perform the effects
//! on real networks and disks, the simulator in a made world.
//!
//! Two rules for whoever performs effects: **in order**, and a `Persist` is **durable before the
//! next one** (but for a contribution, which is durable with the next record of its round).
//!
//! Reading order: [`terms`] (what both compute from a plan), [`policy`] (what a node allows),
//! [`roster`], [`evidence`], then [`node`] and [`coordinator`], one file per phase, named for
//! what the phase waits for.

pub mod coordinator;
pub mod evidence;
pub mod job;
pub mod node;
pub mod policy;
pub mod rejection;
pub mod roster;
pub mod terms;
mod time;

pub use coordinator::Coordinator;
pub use job::Entropy;
pub use node::Node;
pub use policy::{Choices, Policy, Preset, Refusal};
pub use rejection::Rejection;
pub use time::{Instant, Time};
