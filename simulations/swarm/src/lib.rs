//! The shipped rules in a made world: whole rounds on one thread, on a virtual clock, from one seed.
//!
//! What it does: it owns the very machines that ship ([`protocol::Node`], [`protocol::Coordinator`]),
//! performs their effects on made disks and made links with real cryptography at a small dimension,
//! breaks what a seed tells it to break (links, disks, processes), and checks after every step what
//! must hold whatever happens ([`Invariant`]).
//!
//! What it never does: it opens no socket and no file, reads no clock, trains nothing, and changes no
//! rule. Two runs of a seed are the same to the byte.
//!
//! Who uses it: `murmur-simulate protocol`, and the tests of this crate.
//!
//! Reading order: [`scenario`] (what is simulated), [`faults`] (what goes wrong), [`behaviour`] (what a
//! hostile or broken program does instead), [`hostile`] (those that a mix can have), [`world`] (the loop), [`invariants`] (what must hold),
//! [`outcome`] (what came of it), [`campaign`] (many seeds).

pub mod behaviour;
pub mod campaign;
mod clocks;
pub mod disk;
pub mod effects;
pub mod faults;
pub mod hostile;
pub mod invariants;
mod links;
pub mod outcome;
mod queue;
pub mod scenario;
mod trace;
mod words;
pub mod workload;
pub mod world;

pub use behaviour::{Actor, Behaviour, Shipped};
pub use campaign::{Broken, Campaign, Tally};
pub use effects::{Boundary, Moment, Side};
pub use faults::{FaultKind, FaultMix};
pub use invariants::{Invariant, Violation};
pub use outcome::Outcome;
pub use scenario::Scenario;
pub use workload::Masking;
pub use world::World;

/// Plays one seed of a scenario with the machines as they ship, and with the hostile programs of its mix.
pub fn run(scenario: &Scenario, seed: u64) -> Outcome {
    World::shipped(scenario, seed).run()
}

/// Plays one seed with other programs around the machines: mutants and attackers.
pub fn run_with(scenario: &Scenario, seed: u64, behaviour: Box<dyn Behaviour>) -> Outcome {
    World::new(scenario, seed, behaviour).run()
}

/// Plays one seed and keeps a line for everything that happens ([`Outcome::trace`]).
pub fn replay(scenario: &Scenario, seed: u64, behaviour: Box<dyn Behaviour>) -> Outcome {
    World::new(scenario, seed, behaviour).traced().run()
}
