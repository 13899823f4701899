//! A disk that fails at every step of a charge: it runs out of space, tears what was not synced, and loses
//! what it said it could not sync. Within what fsync promises, the ledger never counts less than was sent,
//! and always opens again.

use std::{cell::RefCell, io, path::Path, rc::Rc};

use ed25519_dalek::SigningKey;
use grid::{Q40, Ratio};
use privacy::{Budget, ChargeTerms, Ledger, Limits};
use store::{LedgerFile, Medium};
use wire::{ContentHash, NodeId, PlanHash, Round, TaskId};

use super::proved;

const TASK: TaskId = TaskId([9; 32]);
/// The most that one round may cost: more than a charge of these tests.
const LARGEST: Q40 = Q40::from_raw(1 << 40);

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Nothing.
    None,
    /// The journal cannot be written: the round ends before the ledger is touched.
    JournalFails,
    /// The disk is full after so many bytes of the entry.
    Full(usize),
    /// The power goes after the entry was written, before it was synced.
    PowerBeforeSync,
    /// The sync fails.
    SyncFails,
    /// The power goes after the sync, before anything is sent.
    PowerBeforeSending,
    /// The power goes after sending.
    PowerAfterSending,
}

/// The file: what is durable, and what was written since.
#[derive(Default)]
struct Bytes {
    durable: Vec<u8>,
    pending: Vec<u8>,
    fault: Option<Fault>,
}

#[derive(Clone, Default)]
struct MadeFile(Rc<RefCell<Bytes>>);

impl Medium for MadeFile {
    fn write_end(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.0.borrow_mut();
        if let Some(Fault::Full(room)) = file.fault {
            file.pending.extend_from_slice(&bytes[..room.min(bytes.len())]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.pending.extend_from_slice(bytes);
        if file.fault == Some(Fault::PowerBeforeSync) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut file = self.0.borrow_mut();
        if file.fault == Some(Fault::SyncFails) {
            return Err(io::ErrorKind::Other.into());
        }
        let pending = std::mem::take(&mut file.pending);
        file.durable.extend(pending);
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.borrow_mut().durable.truncate(length as usize);
        Ok(())
    }
}

/// One device: its ledger's file, its journal, and what the world has really got from it.
#[derive(Default)]
struct Device {
    file: MadeFile,
    /// The contribution that the journal holds.
    journal: Option<ContentHash>,
    round: u64,
    sent: Q40,
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[4; 32])
}

fn limits() -> Limits {
    Limits { lifetime: Budget::Unlimited, task: Budget::Unlimited, largest_charge: LARGEST }
}

fn terms(round: u64) -> ChargeTerms {
    ChargeTerms {
        task: TASK,
        round: Round(round),
        plan: PlanHash([2; 32]),
        squared_norm_bound: 1_000_000,
        sigma: Ratio::new(1_000, 1).expect("a ratio"),
        honest: 3,
        padded: 64,
    }
}

impl Device {
    /// Opens the ledger as `open_ledger` does; `power` goes before (false) or after (true) the repaired file
    /// is put in place, and then the device starts again.
    fn open(&mut self, power: Option<bool>) -> Ledger {
        let bytes = self.file.0.borrow().durable.clone();
        let node = NodeId(key().verifying_key().to_bytes());
        let saved = proved(&bytes, node, TASK, self.journal);
        let opened = Ledger::open(&bytes, key(), limits(), saved, self.round);
        let (ledger, recovery) = opened.expect("what a disk may do to it can be repaired");
        if let Some(replacement) = recovery.replacement
            && power != Some(false)
        {
            self.file.0.borrow_mut().durable = replacement;
        }
        if power.is_some() { self.open(None) } else { ledger }
    }

    /// A round as the machine orders it: journal durable, entry durable, sent. Whether it went on.
    fn round(&mut self, ledger: &mut Ledger, fault: Fault) -> bool {
        self.round += 1;
        let charge = ledger.admit(&terms(self.round)).expect("no limit");
        let contribution = ContentHash([self.round as u8; 32]);
        if fault == Fault::JournalFails {
            return false;
        }
        self.journal = Some(contribution);
        let rho = charge.rho();
        let entry = ledger.record(charge, contribution, self.round).expect("it is outstanding");
        self.file.0.borrow_mut().fault = Some(fault);
        let length = self.file.0.borrow().durable.len() as u64;
        let mut file = LedgerFile::over(self.file.clone(), Path::new("ledger"), length);
        let durable = file.append(entry.as_ref());
        self.file.0.borrow_mut().fault = None;
        if durable.is_err() {
            assert!(file.append(b"more").is_err(), "after an error nothing more is written");
            return false;
        }
        if fault == Fault::PowerBeforeSending {
            return false;
        }
        self.sent = self.sent.saturating_add(rho);
        fault != Fault::PowerAfterSending
    }

    /// What a restart may find of bytes that were not synced: any beginning of them, or their whole length
    /// with zeros for every block that did not arrive.
    fn tear(&mut self, kept: usize, grown: bool) {
        let mut file = self.file.0.borrow_mut();
        let pending = std::mem::take(&mut file.pending);
        let end = file.durable.len() + pending.len();
        let kept = kept.min(pending.len());
        file.durable.extend_from_slice(&pending[..kept]);
        if grown {
            let block = file.durable.len() / 512 * 512;
            let from = if block < end - pending.len() { end - pending.len() } else { block };
            file.durable.truncate(from);
            file.durable.resize(end, 0);
        }
    }
}

/// Two good rounds, one with a fault, a restart that may fail too, one good round: at the end the ledger
/// counts what was sent, and at most one lost entry more.
fn play(fault: Fault, kept: usize, grown: bool, power: Option<bool>) {
    let what = format!("{fault:?}, {kept} bytes kept, grown: {grown}, power: {power:?}");
    let mut device = Device::default();
    let mut ledger = device.open(None);
    for _ in 0..2 {
        assert!(device.round(&mut ledger, Fault::None));
    }
    let went_on = device.round(&mut ledger, fault);
    assert_eq!(went_on, fault == Fault::None, "{what}");
    drop(ledger);
    device.tear(kept, grown);
    let mut ledger = device.open(power);
    assert!(ledger.lifetime() >= device.sent, "{what}: counts less than was sent");
    assert!(device.round(&mut ledger, Fault::None), "{what}");
    let counted = device.open(None).lifetime();
    let most = device.sent.saturating_add(LARGEST);
    assert!(device.sent <= counted && counted <= most, "{what}: {counted} for {}", device.sent);
}

/// The length of the third entry.
fn entry_length() -> usize {
    let mut device = Device::default();
    let mut ledger = device.open(None);
    device.round(&mut ledger, Fault::None);
    let before = device.file.0.borrow().durable.len();
    device.round(&mut ledger, Fault::None);
    device.file.0.borrow().durable.len() - before
}

#[test]
fn a_disk_that_fails_at_any_step_makes_no_ledger_count_too_little() {
    let length = entry_length();
    let restarts = [None, Some(false), Some(true)];
    for fault in
        [Fault::None, Fault::JournalFails, Fault::PowerBeforeSending, Fault::PowerAfterSending]
    {
        restarts.iter().for_each(|&power| play(fault, 0, false, power));
    }
    for power in restarts {
        // Every byte without a second fault, every seventh with one.
        for kept in (0..=length).step_by(if power.is_none() { 1 } else { 7 }) {
            for grown in [false, true] {
                play(Fault::PowerBeforeSync, kept, grown, power);
                play(Fault::SyncFails, kept, grown, power);
            }
            play(Fault::Full(kept), kept, false, power);
        }
    }
}

/// Without the journal, nothing proves that a torn entry's contribution stayed here: it counts at the most
/// that a round may cost.
#[test]
fn a_torn_entry_without_a_journal_counts_as_the_largest_charge() {
    for kept in 1..entry_length() {
        let mut device = Device::default();
        let mut ledger = device.open(None);
        assert!(device.round(&mut ledger, Fault::None));
        device.round(&mut ledger, Fault::PowerBeforeSync);
        device.tear(kept, false);
        device.journal = None;
        let counted = device.open(Some(false)).lifetime();
        assert_eq!(counted, device.sent.saturating_add(LARGEST), "{kept} bytes");
    }
}

/// Yesterday's copy is a whole ledger: alone, nobody can see that it is old. Whoever has seen a later head
/// shows it, and every missing round is charged at the most that it may have cost.
#[test]
fn a_restored_backup_is_charged_when_a_later_head_is_shown_and_unseen_without_one() {
    let mut device = Device::default();
    let mut ledger = device.open(None);
    assert!(device.round(&mut ledger, Fault::None));
    let yesterday = device.file.0.borrow().durable.clone();
    for _ in 0..3 {
        assert!(device.round(&mut ledger, Fault::None));
    }
    let seen = ledger.head(TASK);
    drop(ledger);
    device.file.0.borrow_mut().durable = yesterday;
    let mut restored = device.open(None);
    assert!(
        restored.lifetime() < device.sent,
        "offline it cannot be noticed, and the report says so"
    );
    let entry = restored.reconcile(&seen, 9).expect("its own head").expect("entries are missing");
    device.file.0.borrow_mut().durable.extend_from_slice(entry.as_ref());
    let counted = device.open(None).lifetime();
    let one = terms(1).rho().expect("a cost");
    assert_eq!(counted, one.saturating_add(LARGEST.saturating_mul(3)));
    assert!(counted >= device.sent);
    assert_eq!(device.open(None).reconcile(&seen, 10), Ok(None), "once");
}

/// A sync that failed once may say nothing the second time: what a start builds on stands in a new file.
#[cfg(unix)]
#[test]
fn what_was_read_is_written_anew() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    let open = || super::open_ledger(&path, key(), limits(), TASK, None, 1).expect("a ledger");
    let (mut file, mut ledger, _) = open();
    let charge = ledger.admit(&terms(1)).expect("no limit");
    let entry = ledger.record(charge, ContentHash([1; 32]), 1).expect("it is outstanding");
    file.append(entry.as_ref()).expect("a disk");
    drop(file);
    let look = || (std::fs::metadata(&path).expect("a file").ino(), std::fs::read(&path));
    let (before, bytes) = look();
    let (_, again, told) = open();
    let (after, same) = look();
    assert_eq!((again.lifetime(), told), (ledger.lifetime(), None));
    assert_eq!(bytes.expect("bytes"), same.expect("bytes"));
    assert_ne!(before, after, "another file");
}
