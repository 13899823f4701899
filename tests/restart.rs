//! Programs that are killed in the middle of everything and started again: what was acknowledged is there, what was
//! under way is finished or aborted, and the swarm goes on.

use std::{thread, time::Duration};

use privacy::Entry;
use wire::{AbortReason, Header, Outcome, Round};

use crate::support::{
    evidence::{
        assert_contributions_are_charged_once, assert_one_history, coordinator_chain, headers,
        issued, node_chain,
    },
    swarm::{Shape, Swarm},
};

const NODES: usize = 5;
/// How often the node is killed.
const KILLS: u64 = 10;

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

#[test]
fn a_node_killed_at_any_instant_loses_nothing() {
    let victim = 2;
    let mut swarm = Swarm::start(Shape::of(NODES));
    swarm.wait_for_version(1);
    let mut known: (Vec<Entry>, Vec<_>) = Default::default();
    for kill in 0..KILLS {
        // Spread over a round's phases; the same instants in every run.
        thread::sleep(Duration::from_millis(300 + kill * 7919 % 3000));
        swarm.kill_node(victim);
        let ledger = swarm.ledger(victim).entries;
        let chain = node_chain(&swarm, victim).headers().to_vec();
        assert_eq!(
            ledger[..known.0.len()],
            known.0[..],
            "the ledger forgot something at kill {kill}"
        );
        assert_eq!(
            chain[..known.1.len()],
            known.1[..],
            "the chain forgot something at kill {kill}"
        );
        known = (ledger, chain);
        swarm.start_node(victim);
        swarm.wait("the node's connection", |swarm| {
            swarm.status(victim).filter(|s| s.connected).map(drop)
        });
    }
    let charges = known.0.len();
    swarm.wait("a contribution after all kills", |swarm| {
        (swarm.ledger(victim).entries.len() > charges).then_some(())
    });
    swarm.wait_for_version(swarm.version() + 1);
    swarm.stop();
    assert_one_history(&swarm, NODES);
    assert_contributions_are_charged_once(&swarm, NODES);
}
