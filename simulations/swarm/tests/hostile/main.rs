//! Hostile nodes and a hostile coordinator, played out against the shipped machines.
//!
//! Each test is named after what is tried (ARCHITECTURE.md, *Attacks*), and asserts that it is refused and counted, that no invariant breaks,
//! and that the swarm issues versions again when it is over.

mod catching_up;
mod coordinator_lies;
mod forged;
mod ledgers;
mod mixed;
mod nodes_lie;
#[path = "../shared/stolen.rs"]
mod stolen;
mod sums_of_two_rounds;
mod timing;

use std::{cell::RefCell, rc::Rc};

use swarm::{Behaviour, Outcome, Scenario, run_with};
use wire::{ToCoordinator, ToNode};

type OnToNode = Box<dyn FnMut(usize, ToNode) -> Vec<ToNode>>;
type OnToCoordinator = Box<dyn FnMut(usize, ToCoordinator) -> Vec<ToCoordinator>>;

/// Changes messages on their way.
struct Wire {
    /// The node that lies; without one it is the coordinator.
    liar: Option<usize>,
    to_node: OnToNode,
    to_coordinator: OnToCoordinator,
}

impl Behaviour for Wire {
    fn to_node(&mut self, node: usize, message: ToNode) -> Vec<ToNode> {
        (self.to_node)(node, message)
    }

    fn to_coordinator(&mut self, node: usize, message: ToCoordinator) -> Vec<ToCoordinator> {
        (self.to_coordinator)(node, message)
    }

    fn is_honest(&self, node: usize) -> bool {
        self.liar != Some(node)
    }

    fn has_honest_coordinator(&self) -> bool {
        self.liar.is_some()
    }
}

/// A coordinator that changes what it says to nodes.
fn lying_coordinator(to_node: impl FnMut(usize, ToNode) -> Vec<ToNode> + 'static) -> Outcome {
    let to_coordinator = Box::new(|_, message| vec![message]);
    play(Wire { liar: None, to_node: Box::new(to_node), to_coordinator })
}

/// The node that lies, where a node does.
const LIAR: usize = 1;

/// A node that changes what it says to the coordinator.
fn lying_node(mut lie: impl FnMut(ToCoordinator) -> Vec<ToCoordinator> + 'static) -> Outcome {
    let to_node = Box::new(|_, message| vec![message]);
    let to_coordinator = Box::new(move |node, message| match node {
        LIAR => lie(message),
        _ => vec![message],
    });
    play(Wire { liar: Some(LIAR), to_node, to_coordinator })
}

/// Eight nodes, nothing else goes wrong, and nothing may break.
fn play(behaviour: impl Behaviour + 'static) -> Outcome {
    let outcome = run_with(&Scenario::calm(), 5, Box::new(behaviour));
    assert_eq!(outcome.violations, [], "{outcome}");
    outcome
}

/// Something that a test wants to know of a run.
fn notebook<T: Default>() -> Rc<RefCell<T>> {
    Rc::new(RefCell::new(T::default()))
}
