//! A coordinator that is killed in the middle of a round and started again: the round is aborted, and the swarm goes on.

use wire::{AbortReason, Header, Outcome, Round};

use crate::support::{
    evidence::{
        assert_contributions_are_charged_once, assert_one_history, coordinator_chain, headers,
        issued,
    },
    swarm::{Shape, Swarm},
};

const NODES: usize = 5;

#[test]
fn a_coordinator_killed_in_the_middle_of_a_round_aborts_it_and_goes_on() {
    let mut swarm = Swarm::start(Shape::of(NODES));
    swarm.wait_for_version(1);
    let round = swarm.wait("contributions being collected", |swarm| {
        let told = swarm.coordinator_status();
        (told["waits_for"] == "contributions").then(|| Round(told["round"].as_u64().unwrap_or(0)))
    });
    swarm.kill_coordinator();
    swarm.start_coordinator();
    swarm.wait_for_the_end_of(round);
    swarm.wait_for_version(swarm.version() + 1);
    swarm.stop();

    let chain = coordinator_chain(&swarm);
    let aborted: Vec<Header> =
        headers(&chain).into_iter().filter(|header| header.round == round).collect();
    let interrupted = Outcome::Aborted { reason: AbortReason::Interrupted };
    assert_eq!(aborted.iter().map(|header| header.outcome).collect::<Vec<_>>(), [interrupted]);
    assert!(
        issued(&chain).range(round.next()..).next().is_some(),
        "no version after the interruption"
    );
    assert_one_history(&swarm, NODES);
    assert_contributions_are_charged_once(&swarm, NODES);
}
