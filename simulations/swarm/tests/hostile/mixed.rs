//! Every lie that a fault mix can have, alone: it is told, and breaks nothing.

use swarm::{
    FaultKind, Masking, Outcome, Scenario,
    hostile::{CoordinatorLie, LyingCoordinator, LyingNodes, NodeLie},
    run_with,
};

use crate::LIAR;

#[test]
fn every_lie_of_a_node_is_told_and_breaks_nothing() {
    for lie in NodeLie::ALL {
        let told: u64 = (0..3)
            .map(|seed| {
                let liar = Box::new(LyingNodes::alone(LIAR, lie, seed));
                let scenario = Scenario::calm().masked(Masking::Dummy);
                let outcome = run_with(&scenario, seed, liar);
                assert_eq!(outcome.violations, [], "{lie:?}, seed {seed}: {outcome}");
                assert!(outcome.versions > 0, "{lie:?}, seed {seed}: {outcome}");
                outcome.faults.get(&FaultKind::NodeLied).copied().unwrap_or_default()
            })
            .sum();
        assert!(told > 0, "{lie:?} was never told");
    }
}

#[test]
fn every_lie_of_a_coordinator_is_told_and_breaks_nothing() {
    for lie in CoordinatorLie::ALL {
        let mut told = 0;
        for seed in 0..6 {
            let liar = Box::new(LyingCoordinator::seeded(lie, 8, seed));
            let outcome = run_with(&Scenario::calm().masked(Masking::Dummy), seed, liar);
            assert_eq!(outcome.violations, [], "{lie:?}, seed {seed}: {outcome}");
            told += outcome.faults.get(&FaultKind::CoordinatorLied).copied().unwrap_or_default();
        }
        assert!(told > 0, "{lie:?} was never told");
    }
}

/// Yesterday's disk: the coordinator signs other steps in places that are taken, and rounds under numbers
/// that were used. Each node keeps the step that it has, takes part once under each number, and keeps the
/// evidence; with real masks, so that every computable sum is computed.
#[test]
fn a_coordinator_that_restores_its_disk_gets_one_sum_a_round_and_is_found_out() {
    let mut all = Outcome::default();
    for seed in 0..12 {
        let liar = Box::new(LyingCoordinator::seeded(CoordinatorLie::RestoresItsDisk, 8, seed));
        let outcome = run_with(&Scenario::rough().sized(&[4, 6, 8]), seed, liar);
        assert_eq!(outcome.violations, [], "seed {seed}: {outcome}");
        all.add(outcome);
    }
    assert!(all.faults.contains_key(&FaultKind::CoordinatorLied), "{all}");
    assert!(
        all.versions > 0 && all.reports.contains_key("the coordinator has signed two histories"),
        "{all}"
    );
    assert!(all.rejected("another round") > 0, "{all}");
}
