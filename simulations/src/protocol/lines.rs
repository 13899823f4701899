//! The campaign for scripts: one JSON value on one line for each broken seed, and one at the end.

use std::time::Duration;

use serde_json::{Map, Value, json};
use swarm::{Broken, FaultKind, Masking, Scenario, Tally};

use super::rounds_per_minute;

/// One seed that broke an invariant.
pub fn broken(broken: &Broken, replay: &str) -> Value {
    let violation = &broken.violation;
    json!({
        "seed": broken.seed,
        "invariant": format!("{:?}", violation.invariant),
        "at_ms": violation.at_ms,
        "round": violation.round.map(|round| round.0),
        "what": violation.what,
        "replay": replay,
    })
}

/// The last line.
pub fn last(scenario: &Scenario, tally: &Tally, took: Duration) -> Value {
    let faults: Map<String, Value> = FaultKind::ALL
        .iter()
        .map(|kind| {
            let count = tally.all.faults.get(kind).copied().unwrap_or_default();
            (kind.key().to_owned(), count.into())
        })
        .collect();
    json!({
        "mix": scenario.name,
        "masks": match scenario.masking {
            Masking::Real => "real",
            Masking::Dummy => "dummy",
        },
        "seeds": tally.seeds,
        "nodes": tally.all.nodes,
        "rounds": tally.all.rounds,
        "versions": tally.all.versions,
        "faults": faults,
        "violations": tally.broken.len(),
        "rounds_per_minute": rounds_per_minute(&tally.all, took).round(),
    })
}
