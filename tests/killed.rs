//! SIGKILL at a hundred random instants each, of a real node and of a real coordinator in a swarm that works: nothing
//! that was acknowledged is lost, and when the killing ends the swarm goes on.

use std::{thread, time::Duration};

use privacy::Entry;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wire::{Header, Signed};

use crate::support::{
    evidence::{
        assert_contributions_are_charged_once, assert_one_history, coordinator_chain, issued,
        node_chain,
    },
    process::answer,
    swarm::{Shape, Swarm},
};

const NODES: usize = 5;
const VICTIM: usize = 2;
const KILLS: u32 = 100;
/// Most lives of the coordinator end within its first round …
const SHORT_LIFE: Duration = Duration::from_millis(1500);
/// … and every tenth may last for several, although the node is killed in the middle of it.
const LONG_LIFE: Duration = Duration::from_secs(20);

#[test]
fn a_node_and_a_coordinator_killed_at_a_hundred_random_instants_lose_nothing() {
    let mut swarm = Swarm::found(Shape::brisk(NODES));
    for node in 0..NODES {
        swarm.redial_soon(node);
        swarm.start_node(node);
    }
    swarm.wait_for_version(1);
    let imported = conversations(&swarm);
    let mut kept = Kept::default();
    // The same instants in every run, as far as a machine can keep them.
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for kill in 0..KILLS {
        let longest = if kill % 10 == 9 { LONG_LIFE } else { SHORT_LIFE };
        let life = longest.mul_f64(random.random());
        let first = life.mul_f64(random.random());
        thread::sleep(first);
        kept.kill_the_node(&mut swarm, kill);
        thread::sleep(life - first);
        kept.kill_the_coordinator(&mut swarm, kill);
    }
    let before = swarm.version();
    assert!(before > 2, "no round ended between two kills");
    swarm.wait("a contribution of the node after all kills", |swarm| {
        (swarm.ledger(VICTIM).entries.len() > kept.ledger.len()).then_some(())
    });
    swarm.wait_for_version(before + 1);
    swarm.stop();
    assert_eq!(conversations(&swarm), imported, "conversations were lost");
    assert_one_history(&swarm, NODES);
    assert_contributions_are_charged_once(&swarm, NODES);
}

/// What was on disk at the last kill, and must be there at the next.
#[derive(Default)]
struct Kept {
    ledger: Vec<Entry>,
    node_chain: Vec<Signed<Header>>,
    coordinator_chain: Vec<Signed<Header>>,
}

impl Kept {
    fn kill_the_node(&mut self, swarm: &mut Swarm, kill: u32) {
        // It may have been started a moment ago: a life begins with the first sign of it.
        swarm.wait("the node's status", |swarm| swarm.status(VICTIM).map(drop));
        swarm.kill_node(VICTIM);
        let ledger = swarm.ledger(VICTIM).entries;
        let chain = node_chain(swarm, VICTIM).headers().to_vec();
        assert!(ledger.starts_with(&self.ledger), "kill {kill} took a charge from the ledger");
        assert!(chain.starts_with(&self.node_chain), "kill {kill} took a step from the node");
        (self.ledger, self.node_chain) = (ledger, chain);
        swarm.start_node(VICTIM);
    }

    fn kill_the_coordinator(&mut self, swarm: &mut Swarm, kill: u32) {
        // What anybody was told before the kill was durable before it was told.
        let told = swarm.version();
        let heard: Vec<_> = (0..NODES).map(|node| node_chain(swarm, node)).collect();
        swarm.kill_coordinator();
        let chain = coordinator_chain(swarm);
        let headers = chain.headers();
        assert!(headers.starts_with(&self.coordinator_chain), "kill {kill} took a step");
        assert!(issued(&chain).len() as u64 >= told, "kill {kill} took version {told}");
        for (node, heard) in heard.iter().enumerate() {
            let known = headers.starts_with(heard.headers());
            assert!(known, "kill {kill}: node {node} heard what the coordinator has not kept");
        }
        self.coordinator_chain = headers.to_vec();
        swarm.start_coordinator();
    }
}

/// How many conversations the node keeps.
fn conversations(swarm: &Swarm) -> usize {
    let told = answer(swarm.node_command(VICTIM).args(["conversations", "list"]));
    told.as_array().map_or(0, Vec::len)
}
