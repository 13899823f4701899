//! One successor per version, one chain for everybody.

use protocol::{Node, coordinator::Record};
use version::Chain;
use wire::{HeaderHash, ToNode};

use super::{Found, Invariant};
use crate::{disk::CoordinatorDisk, scenario::genesis};

/// The chain as it was persisted, and how far each node's was held against it.
pub(super) struct History {
    chain: Chain,
    hashes: Vec<HeaderHash>,
    checked: Vec<usize>,
}

impl History {
    pub fn new(nodes: usize) -> Self {
        Self { chain: Chain::new(genesis()), hashes: Vec::new(), checked: vec![0; nodes] }
    }

    /// Every header that becomes durable follows from the one that became durable before.
    pub fn coordinator_persists(&mut self, record: &Record) -> Found {
        let Record::Step { header, .. } = record else { return Ok(()) };
        match self.chain.extend(header) {
            Ok(header) => {
                self.hashes.push(header.hash());
                Ok(())
            }
            Err(error) => {
                let what = format!("the coordinator persists a step that does not follow: {error}");
                Err((Invariant::OneHistory, None, what))
            }
        }
    }

    /// A node has started again: its chain is looked at from the beginning.
    pub fn forget(&mut self, place: usize) {
        self.checked[place] = 0;
    }

    /// A node's chain is a prefix of the coordinator's, and its state is the one that the chain names.
    pub fn node_stepped(&mut self, place: usize, machine: &Node) -> Found {
        let headers = machine.chain().headers();
        for (index, header) in headers.iter().enumerate().skip(self.checked[place]) {
            if self.hashes.get(index) != Some(&header.hash()) {
                let what = format!("node {place} has another step {} than everybody", index + 1);
                return Err((Invariant::OneHistory, None, what));
            }
        }
        let new = self.checked[place] < headers.len();
        self.checked[place] = headers.len();
        let Some(state) = machine.state().filter(|_| new) else { return Ok(()) };
        if state.hash() == machine.chain().state() {
            return Ok(());
        }
        let what = format!("node {place} holds another state than its chain names");
        Err((Invariant::OneHistory, None, what))
    }
}

/// The coordinator's restart rule: plan, what fixes a sum, and headers are durable before they are said.
pub(super) fn was_durable(message: &ToNode, disk: &CoordinatorDisk) -> Found {
    let round = disk.round.as_ref();
    let durable = match message {
        ToNode::Plan(plan) => round.is_some_and(|round| round.plan == *plan),
        ToNode::Agreements(agreements) => round.is_some_and(|round| {
            let counted = round.survivors.as_ref().and_then(|survivors| {
                let survivors = survivors.check(survivors.claimed_signer()).ok()?;
                Some(survivors.members.len())
            });
            round.agreements == *agreements && counted == Some(round.contributions.len())
        }),
        ToNode::Result(result) => disk.headers.contains(&result.header),
        _ => true,
    };
    if durable {
        return Ok(());
    }
    let name = crate::effects::sending_to_node(message);
    let what = format!("the coordinator is {name} before it is durable");
    Err((Invariant::DurableFirst, None, what))
}
