//! What opening a ledger may have to repair.

use grid::Q40;
use wire::TaskId;

use super::reading::TornTail;

/// What the machine's own saved state proves about the last round, where the ledger's last entry is
/// torn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SavedState {
    /// No contribution has left this device without a whole entry.
    NothingSent,
    /// Nothing is proved. If it is known which task's round was under way, the charge goes to it; else it
    /// counts in every task.
    Unknown {
        /// The task of the round under way.
        task: Option<TaskId>,
    },
}

/// What was found and repaired on opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The torn last entry.
    pub torn: Option<TornTail>,
    /// What was charged for it.
    pub charged: Option<Q40>,
    /// The whole file as it must be from now on. Where there is one, put it in place **at once and
    /// atomically** (write aside, fsync, rename, fsync the folder) before anything else is appended: a
    /// crash half-way must leave the torn file, never one that has forgotten it.
    pub replacement: Option<Vec<u8>>,
}

impl Recovery {
    pub(super) fn nothing() -> Self {
        Self { torn: None, charged: None, replacement: None }
    }
}
