//! Mutants: programs with one fault each, around the shipped machines. Each must be found by the
//! invariant meant for it within the seeds that the shipped programs pass, or the made world is not
//! good enough.

mod double_reveal;
mod forgotten_persist;
mod redrawn_noise;
#[path = "../shared/stolen.rs"]
mod stolen;
mod twice_counted;

use swarm::{Behaviour, Invariant, Scenario, run_with};

/// As many as in `seeds.rs`.
const SEEDS: u64 = 200;

/// Finds the first seed in which the mutant shows, and asserts that it shows as what it is.
fn find(name: &str, expected: Invariant, mutant: impl Fn() -> Box<dyn Behaviour>) {
    for seed in 0..SEEDS {
        let outcome = run_with(&Scenario::rough(), seed, mutant());
        if let Some(violation) = outcome.violations.first() {
            eprintln!("{name}: found by seed {seed}: {violation}");
            assert_eq!(violation.invariant, expected, "{name}, seed {seed}: {violation}");
            return;
        }
    }
    panic!("{name}: not found in {SEEDS} seeds");
}
