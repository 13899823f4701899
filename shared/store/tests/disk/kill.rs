//! SIGKILL at random instants: what was acknowledged is there afterwards, whole and in order.
//!
//! The test starts its own binary as a child, which writes to every kind of file and, after each
//! durable return, acknowledges on its standard output. The parent reads, kills, and looks.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use store::{
    Contents, Conversations, DatabaseKey, Folder, LedgerFile, Log, Snapshot, StoredConversation,
};
use wire::ContentHash;

const FOLDER: &str = "MURMUR_STORE_KILL_FOLDER";
const KILLS: u64 = 100;
/// The longest that a child may live, in microseconds.
const LONGEST: u64 = 100_000;
const LEDGER_ENTRY: usize = 24;

/// What is found on the disk: how far each kind of file has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Reached {
    log: u64,
    ledger: u64,
    snapshot: u64,
    contents: u64,
    conversations: u64,
}

/// All files of the store, opened as a program would after a crash.
struct Files {
    _folder: Folder,
    log: Log,
    ledger: LedgerFile,
    snapshot: Snapshot,
    contents: Contents,
    conversations: Conversations,
}

impl Files {
    /// Opens everything, and checks that what is there is what the child writes.
    fn open(path: &Path) -> (Self, Reached) {
        let folder = Folder::open(path).unwrap();
        let (mut log, records, _) = Log::open(&folder.join("log")).unwrap();
        log.cut_torn_tail().unwrap();
        for (number, record) in (0_u64..).zip(&records) {
            assert_eq!(record, &text(number), "log record {number}");
        }
        let (mut ledger, bytes) = LedgerFile::open(&folder.join("ledger")).unwrap();
        let whole = bytes.len() / LEDGER_ENTRY;
        for (number, entry) in (0_u64..).zip(bytes.chunks_exact(LEDGER_ENTRY)) {
            assert_eq!(entry, ledger_entry(number), "ledger entry {number}");
        }
        ledger.truncate((whole * LEDGER_ENTRY) as u64).unwrap();
        let snapshot = Snapshot::open(&folder.join("snapshot")).unwrap();
        let number = snapshot.read().unwrap().map_or(0, |value| number_of(&value));
        let contents = Contents::open(&folder.join("contents")).unwrap();
        let listed = contents.list().unwrap();
        listed.iter().for_each(|&content| assert!(contents.get(content).unwrap().is_some()));
        let key = DatabaseKey::Raw(&[7; 32]);
        let conversations = Conversations::open(&folder.join("conversations.db"), &key).unwrap();
        let reached = Reached {
            log: records.len() as u64,
            ledger: whole as u64,
            snapshot: number,
            contents: listed.len() as u64,
            conversations: conversations.counts().unwrap().total,
        };
        (Self { _folder: folder, log, ledger, snapshot, contents, conversations }, reached)
    }

    /// One durable step on each file, acknowledged one by one.
    fn step(&mut self, reached: &mut Reached) {
        self.log.append(&text(reached.log)).unwrap();
        acknowledge("log", &mut reached.log);
        self.ledger.append(&ledger_entry(reached.ledger)).unwrap();
        acknowledge("ledger", &mut reached.ledger);
        self.snapshot.write(&text(reached.snapshot + 1)).unwrap();
        acknowledge("snapshot", &mut reached.snapshot);
        self.contents.put(&text(reached.contents)).unwrap();
        acknowledge("contents", &mut reached.contents);
        self.conversations.insert_many(&[conversation(reached.conversations)]).unwrap();
        acknowledge("conversations", &mut reached.conversations);
    }
}

/// A value whose length varies, so that records do not end on block boundaries.
fn text(number: u64) -> Vec<u8> {
    format!("{number} {}", "x".repeat((number * 37 % 300) as usize)).into_bytes()
}

fn number_of(text: &[u8]) -> u64 {
    let text = std::str::from_utf8(text).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn ledger_entry(number: u64) -> [u8; LEDGER_ENTRY] {
    let mut entry = [number as u8; LEDGER_ENTRY];
    entry[..8].copy_from_slice(&number.to_le_bytes());
    entry
}

fn conversation(number: u64) -> StoredConversation {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    StoredConversation {
        id,
        thread: id,
        source: "test".into(),
        title: None,
        started: None,
        messages: text(number),
        split: None,
        excluded: false,
        imported_at: 0,
    }
}

fn acknowledge(kind: &str, reached: &mut u64) {
    *reached += 1;
    let mut out = std::io::stdout().lock();
    writeln!(out, "ack {kind} {reached}").and_then(|()| out.flush()).unwrap();
}

/// Not a test: the child of the test below.
#[test]
#[ignore = "started by what_was_acknowledged_survives_sigkill"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (mut files, mut reached) = Files::open(Path::new(&folder));
    loop {
        files.step(&mut reached);
    }
}

/// Runs a child until it has lived for `microseconds` after its first acknowledgement, kills it, and
/// returns what it acknowledged.
fn run_and_kill(folder: &Path, microseconds: u64, acknowledged: &mut Reached) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let first = lines.by_ref().find(|line| line.contains("ack "));
    std::thread::sleep(Duration::from_micros(microseconds));
    child.kill().unwrap();
    child.wait().unwrap();
    for line in first.into_iter().chain(lines) {
        note(&line, acknowledged);
    }
}

fn note(line: &str, acknowledged: &mut Reached) {
    // The test harness prints the test's name in front of the first line.
    let mut words = line.rsplit("ack ").next().unwrap_or_default().split(' ');
    let (Some(kind), Some(Ok(number))) = (words.next(), words.next().map(str::parse)) else {
        return;
    };
    match kind {
        "log" => acknowledged.log = number,
        "ledger" => acknowledged.ledger = number,
        "snapshot" => acknowledged.snapshot = number,
        "contents" => acknowledged.contents = number,
        "conversations" => acknowledged.conversations = number,
        other => panic!("an acknowledgement of {other}"),
    }
}

#[test]
fn what_was_acknowledged_survives_sigkill() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("store");
    let mut acknowledged = Reached::default();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for kill in 0..KILLS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        run_and_kill(&folder, (random >> 33) % LONGEST, &mut acknowledged);
        let (files, found) = Files::open(&folder);
        let pairs = [
            ("log", found.log, acknowledged.log),
            ("ledger", found.ledger, acknowledged.ledger),
            ("snapshot", found.snapshot, acknowledged.snapshot),
            ("contents", found.contents, acknowledged.contents),
            ("conversations", found.conversations, acknowledged.conversations),
        ];
        for (kind, found, acknowledged) in pairs {
            // At most the one step that was under way may be there without having been acknowledged.
            let fits = (acknowledged..=acknowledged + 1).contains(&found);
            assert!(fits, "{kind} after kill {kill}: {found} found, {acknowledged} acknowledged");
        }
        assert_eq!(files.contents.length(ContentHash([0; 32])).unwrap(), None);
        acknowledged = found;
    }
    assert!(acknowledged.log > KILLS, "the children got to work: {acknowledged:?}");
    eprintln!("{KILLS} kills, and on the disk: {acknowledged:?}");
}
