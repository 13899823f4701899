//! A ledger, checked: bytes, chain, signatures, order, every charge, the budget.

mod budget;
mod charges;

use std::collections::BTreeMap;

use grid::Q40;
use privacy::{Entry, EntryKind, Fault, LedgerError, PenaltyReason, TornTail, read_ledger};
use protocol::Policy;
use serde::Serialize;
use wire::{NodeId, TaskId};

use crate::Findings;
use charges::Judge;

/// What an audit of a ledger found.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerAudit {
    /// Whose ledger it is.
    pub node: String,
    /// Entries that are whole, signed and linked.
    pub entries: usize,
    /// Of them, charges for a contribution.
    pub charges: usize,
    /// Of them, penalties.
    pub penalties: usize,
    /// The sum of all costs.
    pub rho: f64,
    /// What was spent in each task.
    pub tasks: Vec<TaskSpending>,
    /// The sum after each entry.
    #[serde(skip)]
    pub spending: Vec<Spending>,
    /// What was found.
    pub findings: Findings,
    /// The entries themselves, for further questions.
    #[serde(skip)]
    pub sound: Vec<Entry>,
}

/// What was spent in one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskSpending {
    /// Which task.
    pub task: String,
    /// Its charges.
    pub charges: usize,
    /// Its penalties.
    pub penalties: usize,
    /// The sum of both, ρ; losses of an unknown task included.
    pub rho: f64,
    /// The first round that was charged.
    pub first_round: Option<u64>,
    /// The last.
    pub last_round: Option<u64>,
}

/// The running sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spending {
    /// After this entry.
    pub entry: u64,
    /// ρ so far, over all tasks.
    pub rho: Q40,
}

/// Audits the bytes of `node`'s ledger; the budget too, where its owner's policy is given.
///
/// Damage ends the reading: what stands before it is audited, and the finding names entry and byte.
pub fn audit_ledger(bytes: &[u8], node: NodeId, policy: Option<&Policy>) -> LedgerAudit {
    let mut findings = Findings::default();
    let entries = read(bytes, node, &mut findings);
    let mut judge = Judge::default();
    for entry in &entries {
        judge.entry(entry, &mut findings);
    }
    judge.summarise(&mut findings);
    budget::check(&entries, policy, &mut findings);
    let spending = running_sum(&entries);
    let charges = entries.iter().filter(|entry| is_charge(entry)).count();
    LedgerAudit {
        node: node.to_string(),
        entries: entries.len(),
        charges,
        penalties: entries.len() - charges,
        rho: spending.last().map_or(0.0, |spending| spending.rho.to_f64_up()),
        tasks: by_task(&entries),
        spending,
        findings,
        sound: entries,
    }
}

/// The sound entries, from the first to the last or to where damage begins.
fn read(bytes: &[u8], node: NodeId, findings: &mut Findings) -> Vec<Entry> {
    match read_ledger(bytes, node) {
        Ok(reading) => {
            note_reading(bytes.len(), &reading.entries, reading.torn, findings);
            reading.entries
        }
        Err(LedgerError::Damaged { entry, offset, fault }) => {
            let at = format!("entry {entry}, byte {offset}");
            findings.fault("chain", at, format!("{fault}{}", whose(entry, fault)));
            // What stands before the damage was read once already.
            let before = usize::try_from(offset).unwrap_or(0).min(bytes.len());
            read_ledger(&bytes[..before], node).map(|reading| reading.entries).unwrap_or_default()
        }
        Err(error) => {
            findings.fault("chain", "ledger", error.to_string());
            Vec::new()
        }
    }
}

fn note_reading(length: usize, entries: &[Entry], torn: Option<TornTail>, findings: &mut Findings) {
    let (count, read) = (entries.len(), length as u64 - torn.map_or(0, |torn| torn.length));
    let what =
        format!("entries: {count}, in {read} bytes, each signed and linked to the one before");
    findings.ok("chain", "ledger", what);
    if let Some(TornTail { offset, length }) = torn {
        let at = format!("entry {}, byte {offset}", count + 1);
        findings.warn(
            "torn-entry",
            at,
            format!(
                "the last {length} bytes are an entry that was not written to its end: the node will count the \
                 largest permitted charge for it, unless its saved state proves that nothing was sent"
            ),
        );
    }
}

/// A first entry that another key signed is most likely another node's.
fn whose(entry: u64, fault: Fault) -> &'static str {
    match (entry, fault) {
        (1, Fault::Signature) => "; if every entry is like this, it is the ledger of another node",
        _ => "",
    }
}

fn is_charge(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::Charged { .. })
}

fn running_sum(entries: &[Entry]) -> Vec<Spending> {
    let mut rho = Q40::ZERO;
    let add = |entry: &Entry| {
        rho = rho.saturating_add(entry.rho);
        Spending { entry: entry.sequence, rho }
    };
    entries.iter().map(add).collect()
}

fn by_task(entries: &[Entry]) -> Vec<TaskSpending> {
    let unplaced = entries.iter().filter(|entry| entry.place.is_none());
    let unplaced = unplaced.fold(Q40::ZERO, |sum, entry| sum.saturating_add(entry.rho));
    let mut tasks: BTreeMap<TaskId, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        if let Some(place) = entry.place {
            tasks.entry(place.task).or_default().push(entry);
        }
    }
    let spending = |(task, entries): (TaskId, Vec<&Entry>)| {
        let rho = entries.iter().fold(unplaced, |sum, entry| sum.saturating_add(entry.rho));
        let rounds: Vec<u64> = entries.iter().filter_map(|entry| round_of(entry)).collect();
        TaskSpending {
            task: task.to_string(),
            charges: rounds.len(),
            penalties: entries.len() - rounds.len(),
            rho: rho.to_f64_up(),
            first_round: rounds.iter().min().copied(),
            last_round: rounds.iter().max().copied(),
        }
    };
    tasks.into_iter().map(spending).collect()
}

fn round_of(entry: &Entry) -> Option<u64> {
    match &entry.kind {
        EntryKind::Charged { terms, .. } => Some(terms.round.0),
        EntryKind::Penalty(_) => None,
    }
}

/// A penalty, in words.
pub(crate) fn explain(reason: PenaltyReason) -> String {
    match reason {
        PenaltyReason::TornEntry { offset, length } => format!(
            "an entry torn at byte {offset} after {length} bytes: its contribution may have been sent"
        ),
        PenaltyReason::RestoredBackup { from, to, .. } => format!(
            "others have seen entries of this task up to {to} that the ledger lacks: {from} to {to} are counted"
        ),
    }
}
