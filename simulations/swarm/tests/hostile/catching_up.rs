//! What a node takes on catching up: evidence of every step, and nothing by headers alone (promise 7).

use std::{cell::RefCell, rc::Rc, sync::Arc};

use swarm::{Behaviour, Invariant, Outcome, Scenario, run_with};
use wire::{Header, RoundRecord, RoundResult, Signed, StateHash, ToCoordinator, ToNode};

use crate::forged::by_coordinator;

/// The node that misses every result.
const DEAF: usize = 2;

/// How the coordinator answers the node that has missed results.
#[derive(Clone, Copy, PartialEq)]
enum Answers {
    Honestly,
    /// The first evidence that it is asked for has another sum.
    WithAnotherSum,
    /// It has thrown away all evidence.
    WithoutRecords,
    /// Its headers name other states than the sums give.
    WithOtherStates,
}

struct Deafened {
    answers: Answers,
    lies: u32,
    contributions: Rc<RefCell<u32>>,
}

impl Behaviour for Deafened {
    fn to_node(&mut self, node: usize, message: ToNode) -> Vec<ToNode> {
        let lost = node == DEAF && matches!(message, ToNode::Result(RoundResult { .. }));
        if lost { Vec::new() } else { vec![message] }
    }

    fn to_coordinator(&mut self, node: usize, message: ToCoordinator) -> Vec<ToCoordinator> {
        let contributes = matches!(message, ToCoordinator::Contribution(_));
        *self.contributions.borrow_mut() += u32::from(node == DEAF && contributes);
        vec![message]
    }

    fn serve_headers(&mut self, node: usize, headers: Vec<Signed<Header>>) -> Vec<Signed<Header>> {
        if node != DEAF || self.answers != Answers::WithOtherStates {
            return headers;
        }
        // The first one only: the others would not link to it.
        headers.iter().take(1).map(another_state).collect()
    }

    fn serve_record(&mut self, node: usize, mut record: RoundRecord) -> Option<RoundRecord> {
        match self.answers {
            Answers::WithoutRecords if node == DEAF => return None,
            Answers::WithAnotherSum if node == DEAF && self.lies == 0 => {
                self.lies += 1;
                Arc::make_mut(&mut record.sum)[0] ^= 1;
            }
            _ => {}
        }
        Some(record)
    }

    fn has_honest_coordinator(&self) -> bool {
        false
    }

    fn tells_one_history(&self, node: usize) -> bool {
        node != DEAF || self.answers != Answers::WithOtherStates
    }
}

fn another_state(header: &Signed<Header>) -> Signed<Header> {
    by_coordinator(header, |header: &mut Header| {
        if let wire::Outcome::Issued { state, .. } = &mut header.outcome {
            *state = StateHash([9; 32]);
        }
    })
}

/// How a run ends in which one node misses every result, and how often that node contributes. It never
/// ends by itself: somebody never holds the newest version.
fn deafened(answers: Answers) -> (Outcome, u32) {
    let contributions = Rc::new(RefCell::new(0));
    let behaviour = Deafened { answers, lies: 0, contributions: contributions.clone() };
    let scenario = Scenario { faulty_ms: 70_000, calm_ms: 1, ..Scenario::calm() };
    let outcome = run_with(&scenario, 1, Box::new(behaviour));
    let mut broken = outcome.violations.iter().map(|violation| violation.invariant);
    assert!(broken.all(|invariant| invariant == Invariant::Lively), "{outcome}");
    (outcome, contributions.take())
}

#[test]
fn whoever_missed_results_recomputes_every_step() {
    let (outcome, contributions) = deafened(Answers::Honestly);
    assert!(!outcome.reports.contains_key("a version was taken by its hash alone"), "{outcome}");
    let (nodes, adopted) =
        (outcome.nodes as u64, outcome.reports["a version was recomputed and adopted"]);
    assert!(adopted + 1 >= nodes * outcome.versions && outcome.versions > 5, "{outcome}");
    assert!(u64::from(contributions) >= outcome.rounds, "{contributions} in {outcome}");
}

#[test]
fn evidence_of_another_sum_is_refused_and_asked_for_again() {
    let (outcome, contributions) = deafened(Answers::WithAnotherSum);
    assert_eq!(outcome.rejected("node: does not follow"), 1, "{outcome}");
    assert!(!outcome.reports.contains_key("a version was taken by its hash alone"), "{outcome}");
    assert!(u64::from(contributions) + 1 >= outcome.rounds, "{contributions} in {outcome}");
}

/// The header is signed and linked, its evidence is whole, and the state that it names is another one.
#[test]
fn a_header_that_its_own_evidence_contradicts_is_refused() {
    let (outcome, contributions) = deafened(Answers::WithOtherStates);
    assert!(outcome.reports["a version does not follow from its own sum"] > 0, "{outcome}");
    assert!(!outcome.reports.contains_key("a version was taken by its hash alone"), "{outcome}");
    assert_eq!(contributions, 1, "it takes part in nothing that builds on it: {outcome}");
}

/// Headers that say "summed" prove no sum: who never sees evidence stops when its policy says so.
#[test]
fn headers_alone_finish_no_round() {
    let (outcome, contributions) = deafened(Answers::WithoutRecords);
    assert!(outcome.reports["a version was taken by its hash alone"] > 0, "{outcome}");
    assert!(outcome.reports["a plan or a cohort was refused"] > 0, "{outcome}");
    // Its owner, who is asked after five, lets it go on: without that it would stay at five.
    assert!(contributions >= 5 && u64::from(contributions) < outcome.rounds, "{contributions}");
}
