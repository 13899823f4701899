//! Mutants: programs with one fault each, around the shipped machines or with settings that no program
//! gives them. Each must be found by the invariant meant for it, within the seeds that the shipped
//! programs pass, or the made world is not good enough.

mod accepted_fork;
mod double_reveal;
mod forgotten_persist;
mod redrawn_noise;
mod skipped_floor;
#[path = "../shared/stolen.rs"]
mod stolen;
mod twice_counted;
mod two_lists;

use swarm::{Behaviour, Invariant, Scenario, run_with};

/// The most seeds that a mutant may need.
const SEEDS: u64 = 1_000;

/// Finds the first seed in which the mutant shows, and asserts that it shows as what it is: by the
/// invariant meant for it, in these words.
fn find(name: &str, expected: Invariant, words: &str, mutant: impl Fn() -> Box<dyn Behaviour>) {
    find_in(&Scenario::rough(), name, expected, words, mutant);
}

fn find_in(
    scenario: &Scenario,
    name: &str,
    expected: Invariant,
    words: &str,
    mutant: impl Fn() -> Box<dyn Behaviour>,
) {
    for seed in 0..SEEDS {
        let outcome = run_with(scenario, seed, mutant());
        if let Some(violation) = outcome.violations.first() {
            eprintln!("{name}: found in {} seeds: {violation}", seed + 1);
            assert_eq!(violation.invariant, expected, "{name}, seed {seed}: {violation}");
            assert!(violation.what.contains(words), "{name}, seed {seed}: {violation}");
            return;
        }
    }
    panic!("{name}: not found in {SEEDS} seeds");
}
