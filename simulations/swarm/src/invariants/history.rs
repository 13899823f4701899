//! One successor per version, one chain for everybody.

use protocol::{Node, coordinator::Record};
use version::Chain;
use wire::{HeaderHash, ToNode};

use super::{Found, Invariant};
use crate::{disk::CoordinatorDisk, scenario::genesis};

/// The chain as it was persisted, and what each node has taken for history.
pub(super) struct History {
    chain: Chain,
    hashes: Vec<HeaderHash>,
    nodes: Vec<Kept>,
}

/// The steps that a node has taken.
#[derive(Clone, Default)]
struct Kept {
    hashes: Vec<HeaderHash>,
    /// How many of them its present chain was held against.
    checked: usize,
    /// How many of them were held against everybody's.
    compared: usize,
}

impl History {
    pub fn new(nodes: usize) -> Self {
        let (chain, hashes) = (Chain::new(genesis()), Vec::new());
        Self { chain, hashes, nodes: vec![Kept::default(); nodes] }
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

    /// A node has started again: its chain is looked at from the beginning. A disk that was restored from a
    /// backup may lack steps.
    pub fn forget(&mut self, place: usize, keeps_disks: bool) {
        self.nodes[place].checked = 0;
        if !keeps_disks {
            self.nodes[place].hashes.clear();
            self.nodes[place].compared = 0;
        }
    }

    /// A node never takes another step in the place of one that it has taken: whatever it is told, it knows
    /// one successor of each version, over restarts too. Its state is the one that its chain names.
    pub fn node_stepped(&mut self, place: usize, machine: &Node) -> Found {
        let (headers, kept) = (machine.chain().headers(), &mut self.nodes[place]);
        let broken = |what: String| Err((Invariant::OneHistory, None, what));
        if headers.len() < kept.hashes.len() {
            let (has, had) = (headers.len(), kept.hashes.len());
            return broken(format!("node {place} has {has} of the {had} steps that it had"));
        }
        for (index, header) in headers.iter().enumerate().skip(kept.checked) {
            let hash = header.hash();
            match kept.hashes.get(index) {
                Some(known) if *known != hash => {
                    let step = index + 1;
                    return broken(format!("node {place} has another step {step} than before"));
                }
                Some(_) => {}
                None => kept.hashes.push(hash),
            }
        }
        let new = kept.checked < headers.len();
        kept.checked = headers.len();
        match machine.state().filter(|_| new) {
            Some(state) if state.hash() != machine.chain().state() => {
                broken(format!("node {place} holds another state than its chain names"))
            }
            _ => Ok(()),
        }
    }

    /// A node's chain is a prefix of the coordinator's.
    pub fn is_everybodys(&mut self, place: usize) -> Found {
        let kept = &mut self.nodes[place];
        let steps = kept.hashes.iter().enumerate().skip(kept.compared);
        for (index, hash) in steps {
            if self.hashes.get(index) != Some(hash) {
                let what = format!("node {place} has another step {} than everybody", index + 1);
                return Err((Invariant::OneHistory, None, what));
            }
        }
        kept.compared = kept.hashes.len();
        Ok(())
    }
}

/// The coordinator's restart rule: plan, what fixes a sum with every contribution that is in it, and headers are durable
/// before they are said.
pub(super) fn was_durable(message: &ToNode, disk: &CoordinatorDisk) -> Found {
    let round = disk.round.as_ref();
    let durable = match message {
        ToNode::Plan(plan) => round.is_some_and(|round| round.plan == *plan),
        ToNode::Agreements(agreements) => round.is_some_and(|round| {
            let counted = round.survivors.as_ref().and_then(|survivors| {
                let survivors = survivors.check(survivors.claimed_signer()).ok()?;
                Some(survivors.members.len())
            });
            round.agreements == *agreements && counted == Some(disk.contributions.durable())
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
