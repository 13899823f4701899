//! Ledgers beside transcripts: whether what nodes say they paid for is what the coordinator says they sent.
//!
//! | ledger | transcript | |
//! |---|---|---|
//! | charged | contribution in the sum | right, if plan, terms and contribution are the same |
//! | charged | no contribution, or not in the sum | the cost stays spent: a note |
//! | charged | the node is not in R2 at all | it was shown another R2: fault |
//! | charged for another plan | | equivocation: fault |
//! | nothing | contribution | a forgery or a lost ledger: fault; a warning where a penalty covers it |
//! | shown head is not in it | | it was rolled back: fault; a warning where a penalty covers it |
//! | | two ends of one round | a fork: fault |

mod pair;

use std::collections::BTreeMap;

use privacy::{LedgerError, read_ledger};
use protocol::Policy;
use serde::Serialize;
use wire::{ContentHash, Header, NodeId, Signed, Transcript};

use crate::round::{Parts, look_at_transcript};
use crate::{Findings, History, Level, WholeTranscript, audit_ledger};
use pair::Book;

/// The bytes of a ledger, and whose it is if somebody says so.
pub struct LedgerFile {
    /// What it is called in findings.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whose it is; found out from the rosters otherwise.
    pub node: Option<NodeId>,
}

/// What a reconciliation found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Reconciliation {
    /// One row for each ledger and round in which its node is named.
    pub rows: Vec<Row>,
    /// What was found.
    pub findings: Findings,
}

/// One node in one round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Which round.
    pub round: u64,
    /// Which node.
    pub node: String,
    /// Whether its ledger has a charge for it.
    pub charged: bool,
    /// Whether the transcript has its contribution.
    pub contributed: bool,
    /// Whether it is in the sum.
    pub in_sum: bool,
}

/// A transcript, as far as ledgers are held against it.
struct Round {
    parts: Parts,
    /// What each node contributed.
    sent: BTreeMap<NodeId, ContentHash>,
}

/// Holds ledgers and transcripts of one task against each other.
///
/// Each is audited by itself first; of that, only warnings and faults are repeated here.
pub fn reconcile(
    ledgers: &[LedgerFile],
    transcripts: &[(String, WholeTranscript)],
    history: &History<'_>,
    policy: Option<&Policy>,
) -> Reconciliation {
    let mut findings = Findings::default();
    let mut rounds = Vec::new();
    for (name, transcript) in transcripts {
        let (audit, contributed) = look_at_transcript(transcript, history);
        raise(name, audit.findings, &mut findings);
        let unheard = &mut Findings::default();
        let parts = Parts::of_transcript(&transcript.rest, history.genesis, unheard);
        rounds.extend(parts.map(|parts| Round { parts, sent: contributed.sent }));
    }
    check_forks(transcripts, history, &mut findings);
    let mut rows = Vec::new();
    for ledger in ledgers {
        if let Some(node) = owner(ledger, &rounds, &mut findings) {
            let audit = audit_ledger(&ledger.bytes, node, policy);
            raise(&ledger.name, audit.findings, &mut findings);
            let book = Book::new(node, &audit.sound, history.genesis.task());
            rows.extend(book.compare(&rounds, policy, &mut findings));
        }
    }
    note_absent(ledgers.len(), &rounds, &rows, &mut findings);
    Reconciliation { rows, findings }
}

/// Repeats what is grave of another audit's findings.
fn raise(name: &str, found: Findings, findings: &mut Findings) {
    for finding in found.all() {
        let at = format!("{name}: {}", finding.at);
        match finding.level {
            Level::Fault => findings.fault(finding.check, at, finding.what.as_str()),
            Level::Warning => findings.warn(finding.check, at, finding.what.as_str()),
            Level::Ok | Level::Note => {}
        }
    }
    if found.worst() < Level::Warning {
        findings.ok("by-itself", name, "holds by itself");
    }
}

/// One round has one plan and one end, and that end is in the chain.
fn check_forks(
    transcripts: &[(String, WholeTranscript)],
    history: &History<'_>,
    findings: &mut Findings,
) {
    let coordinator = history.genesis.coordinator;
    let mut rounds: BTreeMap<u64, (&str, &Transcript)> = BTreeMap::new();
    for (name, WholeTranscript { rest: transcript, .. }) in transcripts {
        let Ok(plan) = transcript.plan.check(coordinator) else { continue };
        let round = plan.round;
        if let Some((other, first)) = rounds.insert(round.0, (name, transcript)) {
            let same_end = end(transcript) == end(first);
            if transcript.plan != first.plan || !same_end {
                let what = format!("{other} and {name} are two histories of one round");
                findings.fault("fork", format!("round {round}"), what);
            }
        }
        let Some(chain) = history.chain else { continue };
        let signed = transcript.header.as_ref().filter(|header| header.check(coordinator).is_ok());
        if let Some(header) = signed.filter(|header| !chain.contains(header.hash())) {
            let index = header.check(coordinator).map_or(0, |header| header.index);
            let what = format!("its end is not step {index} of the chain: two histories");
            findings.fault("fork", name.as_str(), what);
        }
    }
}

fn end(transcript: &Transcript) -> Option<wire::HeaderHash> {
    transcript.header.as_ref().map(Signed::<Header>::hash)
}

/// Whose ledger it is: as told, or the member of a roster whose key signed its first entry.
fn owner(ledger: &LedgerFile, rounds: &[Round], findings: &mut Findings) -> Option<NodeId> {
    let members = rounds.iter().filter_map(|round| round.parts.roster.as_ref());
    let mut members = members.flat_map(|roster| roster.members().iter().map(|member| member.id));
    let found = match ledger.node {
        Some(node) => Some(node),
        None if ledger.bytes.is_empty() => None,
        None => members.find(|&member| opens(&ledger.bytes, member)),
    };
    if found.is_none() {
        let what = if ledger.bytes.is_empty() {
            "empty, so that nobody can tell whose it is; `murmur-audit ledger --node` reads it"
        } else {
            "no member of these rosters has signed its first entry: of another task, or damaged there"
        };
        findings.fault("owner", ledger.name.as_str(), what);
    }
    found
}

fn opens(bytes: &[u8], node: NodeId) -> bool {
    match read_ledger(bytes, node) {
        Ok(reading) => !reading.entries.is_empty(),
        Err(LedgerError::Damaged { entry, .. }) => entry > 1,
        Err(_) => false,
    }
}

/// Survivors whose ledgers were not given cannot be judged.
fn note_absent(ledgers: usize, rounds: &[Round], rows: &[Row], findings: &mut Findings) {
    let in_sums: usize = rounds
        .iter()
        .filter_map(|round| round.parts.survivors.as_ref())
        .map(|survivors| survivors.members.len())
        .sum();
    let seen = rows.iter().filter(|row| row.in_sum).count();
    if seen < in_sums {
        let what = format!(
            "not looked at: {} of {in_sums} contributions are of nodes whose ledgers are not among these {ledgers}",
            in_sums - seen
        );
        findings.note("absent", "ledgers", what);
    }
}
