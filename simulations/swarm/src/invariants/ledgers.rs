//! No ledger below what was released; one string of bytes per node and round; durable before sent.

use std::collections::BTreeMap;

use privacy::{Entry, EntryKind, read_ledger};
use protocol::Node;
use wire::{ContentHash, Contribution, NodeId, Round, Signed, ToCoordinator};

use super::{Found, Invariant};
use crate::disk::NodeDisk;

/// Every contribution that left a node.
#[derive(Default)]
pub(super) struct Ledgers {
    left: BTreeMap<(NodeId, Round), ContentHash>,
}

impl Ledgers {
    /// A contribution leaves: it is the only one of its round, and a durable entry names it.
    pub fn contributed(
        &mut self,
        node: NodeId,
        signed: &Signed<Contribution>,
        disk: &NodeDisk,
    ) -> Found {
        let Ok(contribution) = signed.check(node) else { return Ok(()) };
        let (round, hash) = (contribution.round, contribution.hash());
        let before = *self.left.entry((node, round)).or_insert(hash);
        if before != hash {
            let what = format!("{node:?} contributes other bytes than before");
            return Err((Invariant::NoiseOnce, Some(round), what));
        }
        let fails = |what: String| (Invariant::LedgerHolds, Some(round), what);
        let reading = read_ledger(&disk.ledger, node).map_err(|error| {
            fails(format!("{node:?} contributes with a broken ledger: {error}"))
        })?;
        if reading.torn.is_some() || !charges(&reading.entries, round, hash) {
            return Err(fails(format!("{node:?} contributes without a durable charge")));
        }
        Ok(())
    }

    /// A node that starts again still knows every charge of what has left it.
    pub fn still_there(&self, machine: &Node) -> Found {
        let id = machine.id();
        for (&(node, round), &hash) in &self.left {
            if node == id && !charges(machine.ledger().entries(), round, hash) {
                let what = format!("{node:?} has forgotten a charge");
                return Err((Invariant::LedgerHolds, Some(round), what));
            }
        }
        Ok(())
    }
}

/// Whether an entry pays for this contribution, at no less than one Gaussian of its terms costs.
fn charges(entries: &[Entry], asked: Round, hash: ContentHash) -> bool {
    entries.iter().any(|entry| match &entry.kind {
        EntryKind::Charged { terms, contribution } => {
            let sigma = terms.sigma.numerator() as f64 / terms.sigma.denominator() as f64;
            let variance = f64::from(terms.honest) * sigma * sigma;
            let least = terms.squared_norm_bound as f64 / (2.0 * variance);
            terms.round == asked && *contribution == hash && entry.rho.to_f64() >= least * 0.999_999
        }
        EntryKind::Penalty(_) => false,
    })
}

/// The node's restart rule: what it signs for a round is durable before it is sent.
pub(super) fn was_durable(message: &ToCoordinator, disk: &NodeDisk) -> Found {
    if matches!(message, ToCoordinator::LaterHead(_) | ToCoordinator::Complaint(_)) {
        return Ok(());
    }
    if disk.journal.as_ref().is_some_and(|journal| journal.holds(message)) {
        return Ok(());
    }
    let name = crate::effects::sending(message);
    Err((Invariant::DurableFirst, None, format!("a node is {name} before it is durable")))
}
