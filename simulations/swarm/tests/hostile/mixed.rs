//! Every lie that a fault mix can have, alone: it is told, and breaks nothing.

use swarm::{
    FaultKind, Masking, Scenario,
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
        for seed in 0..3 {
            let liar = Box::new(LyingCoordinator::seeded(lie, 8, seed));
            let outcome = run_with(&Scenario::calm().masked(Masking::Dummy), seed, liar);
            assert_eq!(outcome.violations, [], "{lie:?}, seed {seed}: {outcome}");
            assert!(outcome.faults.contains_key(&FaultKind::CoordinatorLied), "{lie:?}: {outcome}");
        }
    }
}
