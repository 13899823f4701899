//! What the made world has found in the shipped rules, each kept as a test of its own that does not
//! depend on a seed.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use swarm::{Behaviour, Boundary, FaultMix, Moment, Scenario, Side, disk::NodeDisk, run, run_with};
use wire::{AbortReason, ToCoordinator, ToNode};

const DEAF: usize = 2;

/// Keeps results from one node, and notes the rounds that it contributes to.
struct LosesResults {
    contributed: Rc<RefCell<BTreeSet<u64>>>,
}

impl Behaviour for LosesResults {
    fn to_node(&mut self, node: usize, message: ToNode) -> Vec<ToNode> {
        let lost = node == DEAF && matches!(message, ToNode::Result(_));
        if lost { Vec::new() } else { vec![message] }
    }

    fn to_coordinator(&mut self, node: usize, message: ToCoordinator) -> Vec<ToCoordinator> {
        if let (ToCoordinator::Contribution(contribution), DEAF) = (&message, node) {
            let contribution = contribution.check(contribution.claimed_signer());
            let contribution = contribution.expect("an honest contribution");
            self.contributed.borrow_mut().insert(contribution.round.0);
        }
        vec![message]
    }
}

/// Seeds 25, 36 and others: a plan that came before the result it builds on was forgotten, so that a
/// node that missed one result missed the next round too; and rounds whose result was missed counted
/// as unfinished, so that after five of them the node refused to go on.
#[test]
fn a_node_that_misses_every_result_takes_part_in_every_round() {
    let contributed = Rc::new(RefCell::new(BTreeSet::new()));
    let behaviour = LosesResults { contributed: contributed.clone() };
    // The run never ends by itself: somebody never holds the newest version.
    let scenario = Scenario { faulty_ms: 70_000, calm_ms: 1, ..Scenario::calm() };
    let outcome = run_with(&scenario, 1, Box::new(behaviour));
    assert!(
        outcome.rounds >= 7 && !outcome.reports.contains_key("a plan or a cohort was refused"),
        "{outcome}"
    );
    let contributed = contributed.borrow();
    assert!(contributed.len() as u64 >= outcome.rounds, "{contributed:?} of {outcome}");
}

const fn coordinator(moment: Moment, effect: &'static str) -> (Boundary, u32) {
    (Boundary { side: Side::Coordinator, effect, moment }, 1)
}

const AROUND_THE_STEP: [&[(Boundary, u32)]; 5] = [
    &[coordinator(Moment::After, "persisting a whole round")],
    &[coordinator(Moment::Before, "persisting an issued version")],
    &[coordinator(Moment::After, "persisting an issued version")],
    &[coordinator(Moment::Before, "persisting a transcript")],
    &[coordinator(Moment::After, "persisting a transcript")],
];

/// Seeds 25 and 36: a coordinator that stopped between a step of the chain and the round's transcript
/// lost the transcript.
#[test]
fn a_transcript_survives_a_crash_beside_its_step() {
    for crashes in AROUND_THE_STEP {
        let outcome = run(&Scenario::calm().crashing(crashes), 1);
        assert_eq!(outcome.violations, [], "{crashes:?}");
        assert_eq!(outcome.boundaries.len(), 1, "{crashes:?}: it was hit");
    }
}

/// Nodes may advertise at the very end of their window, which opens when the plan has arrived: the
/// coordinator closed its own before the last of them could be there, and with four nodes half of all
/// rounds ended so.
#[test]
fn four_nodes_are_all_waited_for() {
    for seed in 0..20 {
        let outcome = run(&Scenario::calm().sized(&[4]), seed);
        assert_eq!(outcome.violations, []);
        assert_eq!(outcome.versions, outcome.rounds, "seed {seed}: {outcome}");
    }
}

/// A round that ends while a node still prepares its contribution leaves the node's ledger free for the
/// next one.
#[test]
fn slow_cryptography_costs_rounds_and_nothing_more() {
    let mix = FaultMix { slow_work: 0.3, slow_training: 0.2, ..FaultMix::CALM };
    let mut stayed_out = 0;
    for seed in 0..10 {
        let outcome = run(&Scenario { mix: mix.clone(), ..Scenario::rough() }, seed);
        assert_eq!(outcome.violations, [], "seed {seed}: {outcome}");
        stayed_out +=
            outcome.reports.get("stayed out of the rest of a round").copied().unwrap_or_default();
    }
    assert!(stayed_out > 0, "somebody was too slow");
}

/// A node that stopped with its advertisement in hand sent it when it was back, without the keys in it:
/// the roster had a member that could not deal, and waited for it.
#[test]
fn an_advertisement_whose_keys_are_gone_is_not_sent() {
    const STOPS: &[(Boundary, u32)] =
        &[(Boundary { side: Side::Node, effect: "sending Advertise", moment: Moment::Before }, 3)];
    let late = Rc::new(RefCell::new(Vec::new()));
    let behaviour = Keyless { restarted: None, late: late.clone() };
    let outcome = run_with(&Scenario::calm().crashing(STOPS), 1, Box::new(behaviour));
    assert_eq!(outcome.violations, []);
    assert_eq!(outcome.boundaries.len(), 1, "it stopped: {outcome}");
    assert_eq!(*late.borrow(), [(); 0], "{outcome}");
}

struct Keyless {
    /// Who was restarted, in which round.
    restarted: Option<(usize, u64)>,
    /// Advertisements of that round that it sent afterwards.
    late: Rc<RefCell<Vec<()>>>,
}

impl Behaviour for Keyless {
    fn starting(&mut self, node: usize, disk: &mut NodeDisk) {
        let journal = disk.journal.as_ref();
        self.restarted = self.restarted.or(journal.map(|journal| (node, journal.round().0)));
    }

    fn to_coordinator(&mut self, node: usize, message: ToCoordinator) -> Vec<ToCoordinator> {
        if let ToCoordinator::Advertise(advertise) = &message {
            let advertise = advertise.check(advertise.claimed_signer()).expect("an honest one");
            if self.restarted == Some((node, advertise.round.0)) {
                self.late.borrow_mut().push(());
            }
        }
        vec![message]
    }
}

/// An alarm that rang a little early was not set again: whoever waited for it waited for ever.
#[test]
fn an_alarm_that_rings_early_is_set_again() {
    struct RingsEarly;
    impl Behaviour for RingsEarly {
        fn rings_early_ms(&self) -> u64 {
            7
        }
    }
    let outcome = run_with(&Scenario::calm(), 1, Box::new(RingsEarly));
    assert_eq!(outcome.violations, [], "{outcome}");
    assert!(outcome.versions == outcome.rounds && outcome.rounds >= 3, "{outcome}");
}

/// The window for shares began with the restart, while nodes were still on their way back.
#[test]
fn a_resumed_round_waits_until_its_survivors_are_back() {
    struct FindsBackLate;
    impl Behaviour for FindsBackLate {
        fn finds_back_after_ms(&self) -> u32 {
            20_000
        }
    }
    const STOPS: &[(Boundary, u32)] =
        &[coordinator(Moment::After, "persisting what fixes the sum")];
    let scenario = Scenario { faulty_ms: 60_000, ..Scenario::calm().crashing(STOPS) };
    let outcome = run_with(&scenario, 1, Box::new(FindsBackLate));
    assert_eq!(outcome.violations, [], "{outcome}");
    assert_eq!(outcome.boundaries.len(), 1, "it stopped: {outcome}");
    assert!(outcome.aborted(AbortReason::TooFewReveals) == 0, "{outcome}");
}
