//! The ledger: every charge of a person's folder, over all tasks, for ever.
//!
//! Bytes in, bytes out: `store` reads, locks, appends and fsyncs them. Entries are only ever appended,
//! each chained to the one before by hash and signed with the node's key, and each within a sub-chain
//! of its task whose head is shown to others, so that a rolled-back ledger can be noticed.
//!
//! The order that keeps the count from being too low (promise 3): [`Ledger::admit`] (is there budget?) →
//! noise → [`Ledger::record`] → the bytes are durable → the contribution is sent. A round that ends
//! before [`Ledger::record`] calls [`Ledger::withdraw`] and has cost nothing; one that ends after it
//! stays spent.

mod chain;
mod entry;
mod error;
mod reading;
mod recovery;
#[cfg(test)]
mod tests;

use ed25519_dalek::SigningKey;
use grid::Q40;
use wire::{Checked, ContentHash, LedgerHead, NodeId, Round, TaskId};

use chain::Chain;
use reading::read_chain;

pub use entry::{Entry, EntryKind, PenaltyReason, Place};
pub use error::{Fault, LedgerError, Refusal};
pub use reading::{Reading, TornTail, read_ledger};
pub use recovery::{Recovery, SavedState};

use crate::{Budget, ChargeTerms};

/// The owner's limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Over all tasks, for ever.
    pub lifetime: Budget,
    /// For each task.
    pub task: Budget,
    /// The most that one round may cost, and what a round is counted as of which nothing is known.
    pub largest_charge: Q40,
}

/// The right to make one release: admitted, not yet recorded. There is no second one of it.
#[derive(Debug)]
pub struct Charge {
    terms: ChargeTerms,
    rho: Q40,
    ticket: u64,
}

impl Charge {
    /// What the cost follows from.
    pub fn terms(&self) -> &ChargeTerms {
        &self.terms
    }

    /// The cost.
    pub fn rho(&self) -> Q40 {
        self.rho
    }
}

/// Bytes to append to the ledger's file and fsync before anything else happens.
///
/// If that fails, the round ends, and the ledger must be dropped and opened again from its file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an entry counts only once its bytes are durable"]
pub struct EntryBytes(Vec<u8>);

impl AsRef<[u8]> for EntryBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl EntryBytes {
    /// The bytes.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

/// One person's ledger, open for writing.
pub struct Ledger {
    key: SigningKey,
    limits: Limits,
    chain: Chain,
    /// How many entries there were when it was opened.
    found: usize,
    outstanding: Option<Outstanding>,
    tickets: u64,
}

struct Outstanding {
    ticket: u64,
    task: TaskId,
    round: Round,
}

impl Ledger {
    /// Opens a ledger from the bytes of its file; no bytes are a new one.
    ///
    /// A torn last entry is dropped and, unless `saved` proves that nothing was sent, counted as
    /// `limits.largest_charge`; [`Recovery`] says so and brings the file's new bytes. `now_ms` is the
    /// time of that entry.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] for everything else that is wrong, with entry and byte.
    pub fn open(
        bytes: &[u8],
        key: SigningKey,
        limits: Limits,
        saved: SavedState,
        now_ms: u64,
    ) -> Result<(Self, Recovery), LedgerError> {
        let node = NodeId(key.verifying_key().to_bytes());
        let (chain, torn) = read_chain(bytes, node)?;
        let found = chain.entries.len();
        let mut ledger = Self { key, limits, chain, found, outstanding: None, tickets: 0 };
        let recovery = match torn {
            None => Recovery::nothing(),
            Some(torn) => ledger.recover(bytes, torn, saved, now_ms),
        };
        Ok((ledger, recovery))
    }

    fn recover(
        &mut self,
        bytes: &[u8],
        torn: TornTail,
        saved: SavedState,
        now_ms: u64,
    ) -> Recovery {
        let TornTail { offset, length } = torn;
        let mut replacement = bytes[..offset as usize].to_vec();
        let charged = match saved {
            SavedState::NothingSent => None,
            SavedState::Unknown { task } => {
                let kind = EntryKind::Penalty(PenaltyReason::TornEntry { offset, length });
                let rho = self.largest_cost();
                replacement.extend(self.append(task, now_ms, rho, kind).0);
                Some(rho)
            }
        };
        Recovery { torn: Some(torn), charged, replacement: Some(replacement) }
    }

    /// Whether the budgets hold these terms, before anything is done: the right to make one release.
    ///
    /// # Errors
    /// A [`Refusal`] that says which limit, and how much of it is spent.
    pub fn admit(&mut self, terms: &ChargeTerms) -> Result<Charge, Refusal> {
        if let Some(Outstanding { task, round, .. }) = self.outstanding {
            return Err(Refusal::Outstanding { task, round });
        }
        let rho = self.afford(terms)?;
        self.tickets += 1;
        let ticket = self.tickets;
        self.outstanding = Some(Outstanding { ticket, task: terms.task, round: terms.round });
        Ok(Charge { terms: terms.clone(), rho, ticket })
    }

    /// What these terms would cost, if the budgets hold them and the round is new. Admits nothing: for
    /// a plan that has only just arrived.
    ///
    /// # Errors
    /// As [`Ledger::admit`], whatever charge is outstanding.
    pub fn afford(&self, terms: &ChargeTerms) -> Result<Q40, Refusal> {
        if let Some(charged) =
            self.chain.task(terms.task).last_round.filter(|&last| terms.round <= last)
        {
            return Err(Refusal::RoundCharged { asked: terms.round, charged });
        }
        let asked = terms.rho()?;
        let Limits { lifetime, task, largest_charge } = self.limits;
        if asked > largest_charge {
            return Err(Refusal::LargestCharge { asked, limit: largest_charge });
        }
        let (spent, limit) = (self.lifetime(), lifetime.rho().unwrap_or(Q40::MAXIMUM));
        if !lifetime.allows(spent, asked) {
            return Err(Refusal::Lifetime { asked, spent, limit });
        }
        let (spent, limit) = (self.spent(terms.task), task.rho().unwrap_or(Q40::MAXIMUM));
        if !task.allows(spent, asked) {
            return Err(Refusal::Task { asked, spent, limit });
        }
        Ok(asked)
    }

    /// Spends a charge for the contribution with this hash. Once the bytes are durable, and not before,
    /// the contribution may be sent.
    ///
    /// # Errors
    /// [`LedgerError::NotOutstanding`] for a charge that was withdrawn: its contribution must not be sent.
    pub fn record(
        &mut self,
        charge: Charge,
        contribution: ContentHash,
        now_ms: u64,
    ) -> Result<EntryBytes, LedgerError> {
        let Charge { terms, rho, ticket } = charge;
        if self.outstanding.take_if(|outstanding| outstanding.ticket == ticket).is_none() {
            return Err(LedgerError::NotOutstanding { task: terms.task, round: terms.round });
        }
        let task = Some(terms.task);
        Ok(self.append(task, now_ms, rho, EntryKind::Charged { terms, contribution }))
    }

    /// Gives up the outstanding charge, if there is one: its round ended before anything was sent. The
    /// charge itself, wherever it is, is worthless from now on.
    pub fn withdraw(&mut self) {
        self.outstanding = None;
    }

    /// The signed head of a task's sub-chain, as it is shown to others.
    pub fn head(&self, task: TaskId) -> Checked<LedgerHead> {
        let chain = self.chain.task(task);
        let head = LedgerHead { task, sequence: chain.sequence, head: chain.head };
        Checked::sign(head, &self.key)
    }

    /// Compares with a head of this node that somebody has seen, and charges what this ledger lacks at the
    /// largest cost; nothing to append if it lacks nothing. An outstanding charge is then withdrawn: the
    /// budget that admitted it has changed.
    ///
    /// A later head than our own is charged for each entry after the last one that was here when the ledger
    /// was opened: a backup is put in place while nothing runs, and what was made since stands beside the
    /// entries that are missing, not before them. A head that contradicts an entry of ours means two
    /// histories: how far back they part cannot be known, and every entry up to it is charged; so is, once a
    /// backup was noticed, every entry that no penalty has covered yet. Entries that a penalty covers are
    /// not charged again.
    ///
    /// # Errors
    /// [`LedgerError::ForeignHead`] if another key signed it.
    pub fn reconcile(
        &mut self,
        seen: &Checked<LedgerHead>,
        now_ms: u64,
    ) -> Result<Option<EntryBytes>, LedgerError> {
        if seen.signer() != self.node() {
            return Err(LedgerError::ForeignHead);
        }
        let own = self.chain.task(seen.task);
        if seen.sequence <= own.covered || self.chain.holds(seen.task, seen.sequence, seen.head) {
            return Ok(None);
        }
        let known = match own.covered {
            0 if seen.sequence > own.sequence => self.found_of(seen.task),
            covered => covered,
        };
        let (from, to) = (known.saturating_add(1), seen.sequence);
        let rho = self.largest_cost().saturating_mul(to - known);
        let reason = PenaltyReason::RestoredBackup { from, to, seen: seen.head };
        self.withdraw();
        Ok(Some(self.append(Some(seen.task), now_ms, rho, EntryKind::Penalty(reason))))
    }

    /// The last entry of a task that was here when the ledger was opened.
    fn found_of(&self, task: TaskId) -> u64 {
        let places = self.entries()[..self.found].iter().rev().filter_map(|entry| entry.place);
        places.into_iter().find(|place| place.task == task).map_or(0, |place| place.sequence)
    }

    /// What a round is counted as of which nothing is known: the most that the owner's limits allow, or
    /// ever allowed as far as the ledger tells.
    fn largest_cost(&self) -> Q40 {
        let charges = self.entries().iter().filter(|e| matches!(e.kind, EntryKind::Charged { .. }));
        charges.map(|entry| entry.rho).fold(self.limits.largest_charge, Q40::max)
    }

    fn append(
        &mut self,
        task: Option<TaskId>,
        now_ms: u64,
        rho: Q40,
        kind: EntryKind,
    ) -> EntryBytes {
        let body = self.chain.next(task, now_ms, rho, kind);
        let (bytes, hash) = body.seal(&self.key);
        self.chain.push(body.into_entry(hash));
        EntryBytes(bytes)
    }

    /// Whose ledger it is.
    pub fn node(&self) -> NodeId {
        NodeId(self.key.verifying_key().to_bytes())
    }

    /// The owner's limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Spent over all tasks.
    pub fn lifetime(&self) -> Q40 {
        self.chain.lifetime
    }

    /// Spent in a task, losses of an unknown task included.
    pub fn spent(&self, task: TaskId) -> Q40 {
        self.chain.spent(task)
    }

    /// How often this node has taken part in a task: its charges, and every entry that a penalty stands for.
    pub fn participations(&self, task: TaskId) -> u64 {
        self.chain.participations(task)
    }

    /// The last round of a task that was charged.
    pub fn last_round(&self, task: TaskId) -> Option<Round> {
        self.chain.task(task).last_round
    }

    /// All tasks with an entry.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.chain.tasks()
    }

    /// Whether a charge names this contribution: only then may it have been sent.
    pub fn names_contribution(&self, hash: ContentHash) -> bool {
        let names = |entry: &Entry| matches!(entry.kind, EntryKind::Charged { contribution, .. } if contribution == hash);
        self.entries().iter().rev().any(names)
    }

    /// All entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.chain.entries
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Ledger({} entries, ρ = {})", self.entries().len(), self.lifetime())
    }
}
