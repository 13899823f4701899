//! The campaign in words.

use std::time::Duration;

use program::human;
use swarm::{Masking, Scenario, Tally};

use super::{count, rounds_per_minute};

/// A few words beside the bar.
pub fn detail(tally: &Tally, took: Duration) -> String {
    let rate = rounds_per_minute(&tally.all, took);
    let broken = match tally.broken.len() {
        0 => String::new(),
        broken => format!(", {broken} BROKEN"),
    };
    format!("{} rounds, {} a minute{broken}", count(tally.all.rounds), count(rate as u64))
}

/// What happened, and how often.
pub fn summary(scenario: &Scenario, tally: &Tally, took: Duration) -> String {
    let masks = match scenario.masking {
        Masking::Real => "real masks",
        Masking::Dummy => "dummy masks",
    };
    let (all, seeds) = (&tally.all, tally.seeds);
    format!(
        "{all}{} of \"{}\" with {masks}, {} nodes in all, in {}; {} issued a version in trouble\n\
         {} rounds ended, {} of them with a version: {} rounds a minute\n\
         {} broke an invariant",
        human::plural(seeds, "seed"),
        scenario.name,
        count(all.nodes as u64),
        human::duration(took),
        count(tally.in_trouble),
        count(all.rounds),
        count(all.versions),
        count(rounds_per_minute(all, took) as u64),
        human::plural(tally.broken.len() as u64, "seed"),
    )
}
