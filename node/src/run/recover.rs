//! What a start has to repair before the machine runs: the ledger's torn last entry.

use std::path::Path;

use anyhow::Context as _;
use ed25519_dalek::SigningKey;
use privacy::{EntryKind, Ledger, Limits, SavedState, read_ledger};
use protocol::node::journal::Journal;
use store::LedgerFile;
use wire::{ContentHash, NodeId, TaskId};

/// Opens the ledger; a torn last entry is charged at the largest cost unless the saved round
/// proves that nothing was sent (promise 3).
///
/// # Errors
/// If the file is damaged anywhere else, or cannot be written.
pub(crate) fn open_ledger(
    path: &Path,
    key: SigningKey,
    limits: Limits,
    task: TaskId,
    journal: Option<&Journal>,
    now_ms: u64,
) -> anyhow::Result<(LedgerFile, Ledger, Option<String>)> {
    let (file, bytes) = LedgerFile::open(path)?;
    let node = NodeId(key.verifying_key().to_bytes());
    let prepared = journal.and_then(Journal::contribution).map(|contribution| contribution.hash());
    let saved = proved(&bytes, node, task, prepared);
    let (ledger, recovery) = Ledger::open(&bytes, key, limits, saved, now_ms)
        .with_context(|| format!("the ledger {} cannot be trusted", path.display()))?;
    let file = match bytes.is_empty() {
        true => file,
        false => written_anew(file, path, recovery.replacement.as_deref().unwrap_or(&bytes))?,
    };
    let told = recovery.torn.map(|_| match recovery.charged {
        Some(rho) => {
            format!("the ledger's last entry was cut off: charged at the largest cost, ρ = {rho}")
        }
        None => {
            "the ledger's last entry was cut off before anything was sent: nothing charged".into()
        }
    });
    Ok((file, ledger, told))
}

/// Puts the ledger's bytes in place once more, as a new file. After a sync that failed, what is read may be
/// in the system's memory alone, and another sync of the same file says that all is well (Rebello et al.,
/// *Can Applications Recover from fsync Failures?*, USENIX ATC 2020, section 3): a contribution that its last
/// entry names would be sent again, and the entry gone when the power is.
fn written_anew(file: LedgerFile, path: &Path, bytes: &[u8]) -> anyhow::Result<LedgerFile> {
    drop(file);
    program::write_secret(path, bytes)?;
    Ok(LedgerFile::open(path)?.0)
}

/// A contribution is persisted before its ledger entry and sent after it. So a persisted
/// contribution that no whole entry names was not sent, and the torn entry can only be its own.
fn proved(bytes: &[u8], node: NodeId, task: TaskId, prepared: Option<ContentHash>) -> SavedState {
    let unknown = SavedState::Unknown { task: Some(task) };
    let (Some(hash), Ok(reading)) = (prepared, read_ledger(bytes, node)) else { return unknown };
    let named = reading.entries.iter().any(|entry| {
        matches!(&entry.kind, EntryKind::Charged { contribution, .. } if *contribution == hash)
    });
    if named { unknown } else { SavedState::NothingSent }
}

#[cfg(test)]
mod faults;
