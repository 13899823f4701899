//! Entries in order, with what they add up to. Reading and writing go through the same check.

use std::collections::BTreeMap;

use grid::Q40;
use wire::{LedgerHash, NodeId, Round, TaskId};

use super::entry::{Body, Entry, EntryKind, PenaltyReason, Place, beginning};
use super::error::Fault;

/// All entries of a ledger, and the running totals.
pub(super) struct Chain {
    pub entries: Vec<Entry>,
    pub lifetime: Q40,
    head: LedgerHash,
    /// Penalties whose task nobody knows: they count in every task.
    unplaced: Q40,
    /// How many of them there are.
    unplaced_count: u64,
    tasks: BTreeMap<TaskId, TaskChain>,
}

/// The sub-chain of one task.
#[derive(Clone, Copy)]
pub(super) struct TaskChain {
    pub sequence: u64,
    pub head: LedgerHash,
    pub last_round: Option<Round>,
    /// Up to this sequence number, entries that this ledger does not hold have been charged.
    pub covered: u64,
    /// Charges, and entries that a penalty stands for.
    participations: u64,
    spent: Q40,
}

impl Chain {
    pub fn new(node: NodeId) -> Self {
        Self {
            entries: Vec::new(),
            lifetime: Q40::ZERO,
            head: beginning(node),
            unplaced: Q40::ZERO,
            unplaced_count: 0,
            tasks: BTreeMap::new(),
        }
    }

    pub fn task(&self, task: TaskId) -> TaskChain {
        let new = TaskChain {
            sequence: 0,
            head: LedgerHash(task.0),
            last_round: None,
            covered: 0,
            participations: 0,
            spent: Q40::ZERO,
        };
        self.tasks.get(&task).copied().unwrap_or(new)
    }

    pub fn spent(&self, task: TaskId) -> Q40 {
        self.task(task).spent.saturating_add(self.unplaced)
    }

    pub fn participations(&self, task: TaskId) -> u64 {
        self.task(task).participations.saturating_add(self.unplaced_count)
    }

    pub fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.tasks.keys().copied()
    }

    /// Whether the entry of `task` with this sequence number is in this chain, and has this hash.
    pub fn holds(&self, task: TaskId, sequence: u64, hash: LedgerHash) -> bool {
        let same = |entry: &Entry| {
            entry.hash == hash
                && entry.place.is_some_and(|place| place.task == task && place.sequence == sequence)
        };
        (sequence == 0 && hash == LedgerHash(task.0)) || self.entries.iter().any(same)
    }

    /// The body that follows, for a task or for none.
    pub fn next(&self, task: Option<TaskId>, at_ms: u64, rho: Q40, kind: EntryKind) -> Body {
        let place = task.map(|task| Place {
            task,
            sequence: self.next_sequence(task, &kind),
            previous: self.task(task).head,
        });
        Body {
            sequence: self.entries.len() as u64 + 1,
            previous: self.head,
            place,
            at_ms,
            rho_q40: rho.raw(),
            kind,
        }
    }

    /// One more than the last, or one more than the last missing one.
    fn next_sequence(&self, task: TaskId, kind: &EntryKind) -> u64 {
        let own = self.task(task).sequence;
        match kind {
            EntryKind::Penalty(PenaltyReason::RestoredBackup { to, .. }) => own.max(*to),
            _ => own,
        }
        .saturating_add(1)
    }

    /// Whether a body is what [`Chain::next`] could have made.
    pub fn check(&self, body: &Body) -> Result<(), Fault> {
        let follows = [
            (body.sequence == self.entries.len() as u64 + 1, "sequence number"),
            (body.previous == self.head, "hash of the entry before"),
            (self.fits_task(body), "task"),
        ];
        if let Some((_, what)) = follows.iter().find(|(fits, _)| !fits) {
            return Err(Fault::Link(what));
        }
        let Some(place) = body.place else { return Ok(()) };
        if place.previous != self.task(place.task).head {
            return Err(Fault::Link("hash of the task's entry before"));
        }
        if place.sequence != self.next_sequence(place.task, &body.kind) {
            return Err(Fault::Link("sequence number in the task"));
        }
        Ok(())
    }

    fn fits_task(&self, body: &Body) -> bool {
        let task = body.place.map(|place| place.task);
        match &body.kind {
            EntryKind::Charged { terms, .. } => task == Some(terms.task),
            EntryKind::Penalty(PenaltyReason::TornEntry { .. }) => true,
            EntryKind::Penalty(PenaltyReason::RestoredBackup { from, to, .. }) => {
                task.is_some() && from <= to
            }
        }
    }

    /// Adds an entry that was checked or made here.
    pub fn push(&mut self, entry: Entry) {
        self.lifetime = self.lifetime.saturating_add(entry.rho);
        self.head = entry.hash;
        match entry.place {
            Some(place) => {
                let mut task = self.task(place.task);
                task.add(&entry, place);
                self.tasks.insert(place.task, task);
            }
            None => {
                self.unplaced = self.unplaced.saturating_add(entry.rho);
                self.unplaced_count += 1;
            }
        }
        self.entries.push(entry);
    }
}

impl TaskChain {
    fn add(&mut self, entry: &Entry, place: Place) {
        self.sequence = place.sequence;
        self.head = entry.hash;
        self.spent = self.spent.saturating_add(entry.rho);
        let participations = match &entry.kind {
            EntryKind::Charged { terms, .. } => {
                self.last_round = self.last_round.max(Some(terms.round));
                1
            }
            EntryKind::Penalty(PenaltyReason::RestoredBackup { from, to, .. }) => {
                self.covered = self.covered.max(*to);
                to.saturating_sub(*from).saturating_add(1)
            }
            EntryKind::Penalty(PenaltyReason::TornEntry { .. }) => 1,
        };
        self.participations = self.participations.saturating_add(participations);
    }
}
