//! Nodes that fall away: one before it contributes, one after. Either way the round of the others issues a version,
//! and what was contributed counts once.

use std::{thread, time::Duration};

use node::status::Status;
use wire::Round;

use crate::support::{
    evidence::{
        assert_contributions_are_charged_once, assert_one_history, coordinator_chain, genesis,
        issued, survivors, transcripts,
    },
    swarm::{Shape, Swarm},
};

const NODES: usize = 5;

#[test]
fn a_round_survives_a_node_that_dies_before_and_one_that_dies_after_contributing() {
    let mut swarm = Swarm::start(Shape::of(NODES));

    let before = 0;
    let round_before = swarm.kill_node_before_it_contributes(before);
    swarm.wait_for_the_end_of(round_before);
    swarm.start_node(before);
    swarm.wait_until_node(before, "the roster");

    let (after, round_after) = kill_a_node_after_it_contributed(&mut swarm);
    swarm.wait_for_the_end_of(round_after);
    swarm.start_node(after);
    swarm.wait_until_node(after, "its own training");
    swarm.stop();

    assert_one_history(&swarm, NODES);
    assert_contributions_are_charged_once(&swarm, NODES);
    let (chain, genesis, transcripts) =
        (coordinator_chain(&swarm), genesis(&swarm), transcripts(&swarm));
    let in_the_sum = |round: Round, number: usize| {
        assert!(issued(&chain).contains(&round), "round {round} issued no version");
        survivors(&transcripts[&round].rest, &genesis).contains(&swarm.node_id(number))
    };
    assert!(!in_the_sum(round_before, before), "nobody contributed for a dead node");
    assert!(in_the_sum(round_after, after), "what was contributed counts, also when its node dies");
}

/// How long a contribution may take to the coordinator; most are there in a hundredth of it.
const ON_ITS_WAY: Duration = Duration::from_millis(300);

/// Kills the first to contribute: the others' instants are still to come, so nobody has agreed on survivors yet.
fn kill_a_node_after_it_contributed(swarm: &mut Swarm) -> (usize, Round) {
    for _ in 0..5 {
        let (first, round) = first_contributor(swarm);
        thread::sleep(ON_ITS_WAY);
        let still_waits =
            has_contributed(swarm, first).is_some_and(|status| status.round == round.0);
        if still_waits {
            swarm.kill_node(first);
            return (first, round);
        }
    }
    panic!("the survivors were always faster");
}

fn has_contributed(swarm: &Swarm, number: usize) -> Option<Status> {
    swarm.status(number).filter(|status| status.waits_for == "the list of survivors")
}

/// The first node that is seen to have contributed, and in which round.
fn first_contributor(swarm: &Swarm) -> (usize, Round) {
    swarm.wait("a contribution", |swarm| {
        let seen =
            |number| has_contributed(swarm, number).map(|status| (number, Round(status.round)));
        (0..NODES).find_map(seen)
    })
}
