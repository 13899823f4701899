//! What is wrong with a ledger, and why a charge is refused.

use grid::Q40;
use wire::{DecodeError, Round, TaskId};

use crate::PrivacyError;

/// Why a ledger cannot be opened or continued. Nothing has been changed when one is returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Damage inside of the file: not what an interrupted write leaves behind.
    #[error(
        "ledger entry {entry}, at byte {offset}: {fault}. Nothing was changed; keep a copy of the file, \
         then put the newest undamaged copy in its place (rounds that it lacks will be charged)"
    )]
    Damaged {
        /// Which entry, from 1.
        entry: u64,
        /// Where it begins in the file.
        offset: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A charge that this ledger did not admit last, or that was withdrawn.
    #[error(
        "the charge of round {round} of task {} is not outstanding: it was withdrawn or comes from \
         another ledger, so its contribution must not be sent", task.short()
    )]
    NotOutstanding {
        /// The charge's task.
        task: TaskId,
        /// The charge's round.
        round: Round,
    },
    /// A ledger head that another key signed.
    #[error("a ledger head of another node says nothing about this ledger")]
    ForeignHead,
    /// A node id that is no Ed25519 public key.
    #[error("the node id is not an Ed25519 public key: no ledger can be checked against it")]
    NotAKey,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Length and inverted length do not fit each other, or no entry is that long.
    #[error("its length field is damaged")]
    Length,
    /// The signature does not fit.
    #[error("its signature does not fit: the entry is damaged, or another key wrote it")]
    Signature,
    /// Signed by this node, but not an entry.
    #[error("it does not decode: {0}")]
    Decode(DecodeError),
    /// An entry that does not follow from the one before.
    #[error(
        "its {0} does not follow from the entries before: one is missing, or was put in between"
    )]
    Link(&'static str),
}

/// Why a charge is not admitted: nothing was spent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The lifetime budget does not hold it.
    #[error("ρ = {asked} does not fit the lifetime budget: {spent} of {limit} is spent")]
    Lifetime {
        /// The charge.
        asked: Q40,
        /// Spent over all tasks.
        spent: Q40,
        /// The budget.
        limit: Q40,
    },
    /// The task's budget does not hold it.
    #[error("ρ = {asked} does not fit the task's budget: {spent} of {limit} is spent")]
    Task {
        /// The charge.
        asked: Q40,
        /// Spent in the task.
        spent: Q40,
        /// The budget.
        limit: Q40,
    },
    /// More than a lost entry would be counted as.
    #[error("ρ = {asked} is above {limit}, the most that the policy allows for one round")]
    LargestCharge {
        /// The charge.
        asked: Q40,
        /// The policy's limit.
        limit: Q40,
    },
    /// Another charge is neither recorded nor withdrawn.
    #[error("round {round} of task {} has a charge that is not settled yet", task.short())]
    Outstanding {
        /// Its task.
        task: TaskId,
        /// Its round.
        round: Round,
    },
    /// The round, or a later one, was charged already: noise is never drawn twice for one.
    #[error("round {asked} is not after round {charged}, which was charged already")]
    RoundCharged {
        /// The round asked for.
        asked: Round,
        /// The last one charged.
        charged: Round,
    },
    /// The terms have no cost.
    #[error(transparent)]
    Terms(#[from] PrivacyError),
}
