//! Eight nodes and a coordinator, as real programs: versions, one of them while a node is killed between its shares
//! and its contribution.

use wire::{HeaderHash, Outcome, Round};

use crate::support::{
    evidence::{
        assert_contributions_are_charged_once, assert_one_history, assert_the_audit_holds,
        coordinator_chain, genesis, headers, issued, survivors, transcripts,
    },
    process::answer,
    swarm::{Shape, Swarm},
};

const NODES: usize = 8;
/// The node that is killed.
const VICTIM: usize = 3;

#[test]
fn a_swarm_issues_versions_while_a_node_is_killed() {
    let mut swarm = Swarm::start(Shape::of(NODES));
    swarm.wait_for_version(1);
    assert_nobody_listens_but_the_coordinator(&swarm);

    let killed_in = swarm.kill_node_before_it_contributes(VICTIM);
    swarm.wait_for_the_end_of(killed_in);

    let charges = swarm.ledger(VICTIM).entries.len();
    swarm.start_node(VICTIM);
    swarm.wait("the killed node's next contribution", |swarm| {
        let status = swarm.status(VICTIM)?;
        (swarm.ledger(VICTIM).entries.len() > charges && status.contributions > 0).then_some(())
    });
    swarm.wait_for_version(swarm.version() + 1);
    swarm.wait("everybody on the coordinator's head", |swarm| {
        everybody_is_on_one_head(swarm).then_some(())
    });
    swarm.stop();

    assert_one_history(&swarm, NODES);
    assert_contributions_are_charged_once(&swarm, NODES);
    let (chain, id) = (coordinator_chain(&swarm), swarm.node_id(VICTIM));
    let in_the_sum =
        |round: &Round| survivors(&transcripts(&swarm)[round].rest, &genesis(&swarm)).contains(&id);
    assert!(
        issued(&chain).contains(&killed_in),
        "round {killed_in} issued no version without its dead member"
    );
    assert!(
        !in_the_sum(&killed_in),
        "a node that never contributed is in the sum of round {killed_in}"
    );
    assert!(
        issued(&chain).range(killed_in.next()..).any(in_the_sum),
        "the killed node is in no later sum"
    );
    assert_every_version_has_its_transcript(&swarm);
    assert_versions_are_told(&swarm);
    assert_the_audit_holds(&swarm, NODES);
}

fn everybody_is_on_one_head(swarm: &Swarm) -> bool {
    let told = swarm.coordinator_status();
    let head = told["head"].as_str().unwrap_or("none yet");
    (0..NODES).all(|number| swarm.status(number).is_some_and(|status| status.head == head))
}

/// Whoever has a round's transcript can follow how its version came about.
fn assert_every_version_has_its_transcript(swarm: &Swarm) {
    let (chain, transcripts) = (coordinator_chain(swarm), transcripts(swarm));
    for header in headers(&chain) {
        let Outcome::Issued { record, .. } = header.outcome else { continue };
        let transcript = &transcripts[&header.round].rest;
        assert_eq!(transcript.record.as_ref().map(|found| found.hash()), Some(record));
        let last = transcript.header.as_ref().expect("a finished round has its header");
        assert_eq!(last.check(chain.genesis().coordinator).unwrap().into_value(), header);
    }
}

/// `versions --json` names round, hash, parent, state and gate of each version that the chain issued.
fn assert_versions_are_told(swarm: &Swarm) {
    let told = answer(swarm.coordinator_command().arg("versions"));
    let chain = coordinator_chain(swarm);
    for (signed, header) in chain.headers().iter().zip(headers(&chain)) {
        let Outcome::Issued { state, gate, .. } = header.outcome else { continue };
        let hash = signed.hash::<HeaderHash>().to_string();
        let steps = told.as_array().expect("a list of steps");
        let step = steps.iter().find(|step| step["hash"] == hash).expect("every version is told");
        assert_eq!(step["round"], header.round.0);
        assert_eq!(step["parent"], header.parent.to_string());
        assert_eq!(step["state"], state.to_string());
        let micro =
            |key: &str| (step[key].as_f64().expect("a loss is a number") * 1e6).round() as u64;
        assert_eq!((micro("loss"), micro("limit")), (gate.loss_micro, gate.limit_micro));
        assert!(gate.passes());
    }
}

/// A node without any listening address takes full part: only the coordinator's process listens.
fn assert_nobody_listens_but_the_coordinator(swarm: &Swarm) {
    if !cfg!(target_os = "linux") {
        return eprintln!("skipped: sockets are looked at on Linux only");
    }
    let coordinator = swarm.coordinator.as_ref().expect("it runs");
    assert_eq!(coordinator.listening_sockets(), 1);
    for (number, node) in swarm.nodes.iter().enumerate() {
        let node = node.as_ref().expect("it runs");
        assert_eq!(node.listening_sockets(), 0, "node {number} listens");
    }
}
