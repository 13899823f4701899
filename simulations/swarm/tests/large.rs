//! Large swarms: the largest roster with real cryptography, and far more nodes than a roster holds.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use swarm::{Behaviour, Masking, Scenario, Shipped, replay, run_with};
use wire::ToCoordinator;

/// How many nodes have contributed in each round.
#[derive(Default)]
struct Counts(Rc<RefCell<BTreeMap<u64, usize>>>);

impl Behaviour for Counts {
    fn to_coordinator(&mut self, _: usize, message: ToCoordinator) -> Vec<ToCoordinator> {
        if let ToCoordinator::Contribution(contribution) = &message {
            let contribution = contribution.check(contribution.claimed_signer()).expect("honest");
            *self.0.borrow_mut().entry(contribution.round.0).or_default() += 1;
        }
        vec![message]
    }
}

/// Contributions by round; nothing goes wrong, and at the end everybody holds the newest version.
fn contributions(nodes: usize, masking: Masking) -> Vec<usize> {
    let counts = Counts::default();
    let seen = counts.0.clone();
    let scenario = Scenario::calm().sized(&[nodes]).masked(masking);
    let scenario = Scenario { faulty_ms: 1_000, ..scenario };
    let outcome = run_with(&scenario, 1, Box::new(counts));
    assert_eq!(outcome.violations, [], "{outcome}");
    assert_eq!(outcome.versions, outcome.rounds, "{outcome}");
    assert_eq!(outcome.nodes, nodes);
    seen.take().into_values().collect()
}

#[test]
fn sixty_four_nodes_make_a_round_with_real_cryptography() {
    let rounds = contributions(64, Masking::Real);
    assert!(rounds.contains(&64), "{rounds:?}");
}

/// Whoever comes first is on the roster; the others are idle in that round, and follow.
#[test]
fn of_two_hundred_nodes_sixty_four_are_in_a_round() {
    let rounds = contributions(200, Masking::Dummy);
    assert!(!rounds.is_empty() && rounds.iter().all(|&members| members == 64), "{rounds:?}");
}

/// Thousands of nodes, most of them idle in a round: each takes as many steps as in a smaller swarm, and
/// what a whole roster signs is verified once and not by every node. (The table of signatures that were found
/// good had one place for all agreements of a round: 64 verifications for each node and round.)
#[test]
fn idle_nodes_cost_a_few_steps_each_and_no_signatures() {
    let work = |nodes: usize| {
        let scenario = Scenario::calm().sized(&[nodes]).masked(Masking::Dummy);
        let before = wire::verifications();
        let outcome = swarm::run(&Scenario { faulty_ms: 12_000, ..scenario }, 1);
        assert_eq!(outcome.violations, [], "{outcome}");
        assert!(outcome.versions >= 2 && outcome.versions == outcome.rounds, "{outcome}");
        let per = |count: u64| count as f64 / (nodes as f64 * outcome.rounds as f64);
        (per(outcome.steps), per(wire::verifications() - before))
    };
    let (few, many) = (work(200), work(2_000));
    eprintln!("steps and verifications a node and round: {few:?} of 200, {many:?} of 2,000");
    assert!(many.0 <= few.0, "a node takes {few:?} among 200 and {many:?} among 2,000");
    assert!(many.0 < 10.0 && many.1 < 2.0, "{many:?}");
}

/// A roster of 64 was full long before its window closed, and waited for the nodes that it had no place
/// for.
#[test]
fn a_full_roster_waits_for_nobody() {
    let scenario = Scenario::calm().sized(&[200]).masked(Masking::Dummy);
    let scenario = Scenario { faulty_ms: 1_000, ..scenario };
    let trace = replay(&scenario, 1, Box::new(Shipped)).trace;
    let first = |words: &str| {
        let line = trace.iter().find(|line| line.contains(words)).expect(words);
        line.split_whitespace().next().and_then(|ms| ms.parse::<u64>().ok()).expect("a time")
    };
    let took = first("sending Roster") - first("sending Plan");
    // Nodes advertise in the first three seconds; the window would have closed after 3.75.
    assert!(took < 3_000, "{took} ms");
}
