//! Ledgers beside transcripts: what agrees, and each way in which they can contradict each other.

use std::collections::BTreeMap;

use audit::{Findings, History, LedgerFile, Level, Reconciliation, WholeTranscript, reconcile};
use privacy::{EntryKind, Ledger, SavedState, read_ledger};
use protocol::{Policy, Preset};
use version::Chain;
use wire::{
    AbortReason, Checked, ContentHash, Header, LedgerHash, LedgerHead, MemberIndex, MemberSet,
    Outcome, PlanHash,
};

use crate::world::{Evidence, coordinator_key, node_id, node_key, play, policy};

/// After every entry of a played world.
const LATER: u64 = 1 << 40;

fn compare(evidence: &Evidence) -> Reconciliation {
    compare_under(evidence, &policy())
}

fn compare_under(evidence: &Evidence, policy: &Policy) -> Reconciliation {
    let mut chain = Chain::new(evidence.genesis.clone());
    for header in &evidence.headers {
        chain.extend(header).unwrap();
    }
    let states: BTreeMap<_, _> =
        evidence.states.iter().map(|state| (state.hash(), state.clone())).collect();
    let history = History { genesis: &evidence.genesis, chain: Some(&chain), states: &states };
    let ledgers: Vec<LedgerFile> = (0..)
        .zip(&evidence.ledgers)
        .map(|(number, (_, bytes))| LedgerFile {
            name: format!("ledger {number}"),
            bytes: bytes.clone(),
            node: None,
        })
        .collect();
    let transcripts: Vec<(String, WholeTranscript)> = (1..)
        .zip(&evidence.transcripts)
        .map(|(number, transcript)| (format!("transcript {number}"), transcript.whole()))
        .collect();
    reconcile(&ledgers, &transcripts, &history, Some(policy))
}

fn levels(findings: &Findings, check: &str) -> Vec<Level> {
    findings.of(check).map(|finding| finding.level).collect()
}

/// Node 0's ledger after its first entry, and what it writes next.
fn rewrite(evidence: &mut Evidence, write: impl FnOnce(&mut Ledger) -> Vec<u8>) {
    let bytes = &mut evidence.ledgers[0].1;
    bytes.truncate(first_entry(bytes));
    let limits = policy().limits();
    let (mut ledger, _) =
        Ledger::open(bytes, node_key(0), limits, SavedState::NothingSent, 0).unwrap();
    let more = write(&mut ledger);
    bytes.extend(more);
}

fn first_entry(bytes: &[u8]) -> usize {
    4 + usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) + 64
}

#[test]
fn an_honest_swarm_agrees() {
    let answer = compare(&play(5, 2, false));
    assert_eq!(answer.findings.worst(), Level::Ok, "{:#?}", answer.findings);
    assert_eq!(answer.rows.len(), 10);
    assert!(answer.rows.iter().all(|row| row.charged && row.contributed && row.in_sum));
    assert_eq!(levels(&answer.findings, "reconciled"), [Level::Ok; 5]);
}

#[test]
fn what_was_paid_and_did_not_arrive_stays_spent() {
    let answer = compare(&play(7, 1, true));
    assert_eq!(answer.findings.worst(), Level::Note, "{:#?}", answer.findings);
    assert_eq!(levels(&answer.findings, "spent"), [Level::Note]);
    assert_eq!(answer.rows.iter().filter(|row| row.charged && !row.in_sum).count(), 1);
}

#[test]
fn ledgers_that_are_not_given_are_not_judged() {
    let mut evidence = play(5, 2, false);
    evidence.ledgers.truncate(2);
    let answer = compare(&evidence);
    assert_eq!(answer.findings.worst(), Level::Note);
    assert!(answer.findings.of("absent").next().unwrap().what.contains("6 of 10"));
}

#[test]
fn a_contribution_without_a_charge_is_a_fault() {
    let mut evidence = play(5, 2, false);
    rewrite(&mut evidence, |_| Vec::new());
    let answer = compare(&evidence);
    assert_eq!(levels(&answer.findings, "unpaid"), [Level::Fault], "{:#?}", answer.findings);
}

#[test]
fn a_lost_entry_that_a_penalty_covers_is_a_warning() {
    let mut evidence = play(5, 3, false);
    let task = evidence.genesis.task();
    rewrite(&mut evidence, |ledger| {
        let seen = LedgerHead { task, sequence: 3, head: LedgerHash([5; 32]) };
        let seen = Checked::sign(seen, &node_key(0));
        ledger.reconcile(&seen, LATER).unwrap().unwrap().into_vec()
    });
    let answer = compare(&evidence);
    assert_eq!(answer.findings.worst(), Level::Warning, "{:#?}", answer.findings);
    assert_eq!(levels(&answer.findings, "unpaid"), [Level::Warning; 2]);
    // In round 3 it had shown an entry that is lost.
    assert_eq!(levels(&answer.findings, "rollback"), [Level::Warning]);
}

#[test]
fn a_ledger_that_was_rolled_back_is_a_fault() {
    let mut evidence = play(5, 3, false);
    rewrite(&mut evidence, |_| Vec::new());
    let answer = compare(&evidence);
    assert_eq!(levels(&answer.findings, "rollback"), [Level::Fault], "{:#?}", answer.findings);
}

#[test]
fn a_second_copy_of_a_ledger_is_a_fault() {
    let mut evidence = play(5, 2, false);
    let transcript = &mut evidence.transcripts[1].rest;
    let signed = transcript.roster.clone().unwrap();
    let mut roster = signed.check(signed.claimed_signer()).unwrap().into_value();
    let place = roster.members.iter().position(|m| m.claimed_signer() == node_id(0)).unwrap();
    let mut advertise = roster.members[place].check(node_id(0)).unwrap().into_value();
    let task = evidence.genesis.task();
    let beginning = LedgerHead { task, sequence: 0, head: LedgerHash(task.0) };
    advertise.ledger = Checked::sign(beginning, &node_key(0)).signed().clone();
    roster.members[place] = Checked::sign(advertise, &node_key(0)).signed().clone();
    transcript.roster = Some(Checked::sign(roster, &coordinator_key()).signed().clone());
    let answer = compare(&evidence);
    let found = answer.findings.of("rollback").next().unwrap();
    assert!(found.what.contains("another copy"), "{found:?}");
}

#[test]
fn another_plan_other_terms_or_another_contribution_are_faults() {
    let paid = |change: fn(&mut privacy::ChargeTerms, &mut ContentHash)| {
        let mut evidence = play(5, 2, false);
        let entries = read_ledger(&evidence.ledgers[0].1, node_id(0)).unwrap().entries;
        let EntryKind::Charged { mut terms, mut contribution } = entries[1].kind.clone() else {
            panic!("a charge")
        };
        change(&mut terms, &mut contribution);
        rewrite(&mut evidence, |ledger| {
            let charge = ledger.admit(&terms).unwrap();
            ledger.record(charge, contribution, LATER).unwrap().into_vec()
        });
        compare(&evidence).findings
    };
    let same = paid(|_, _| {});
    assert_eq!(same.worst(), Level::Ok, "{same:#?}");
    let plan = paid(|terms, _| terms.plan = PlanHash([8; 32]));
    assert_eq!(levels(&plan, "equivocation"), [Level::Fault], "{plan:#?}");
    let other = paid(|terms, _| terms.honest += 1);
    assert_eq!(levels(&other, "terms"), [Level::Fault], "{other:#?}");
    let bytes = paid(|_, contribution| contribution.0[0] ^= 1);
    assert_eq!(levels(&bytes, "contribution"), [Level::Fault], "{bytes:#?}");
}

#[test]
fn another_r2_than_the_node_was_shown_is_a_fault() {
    let mut evidence = play(6, 1, false);
    let transcript = &mut evidence.transcripts[0].rest;
    let signed = transcript.closed.clone().unwrap();
    let mut closed = signed.check(signed.claimed_signer()).unwrap().into_value();
    closed.members = closed.members.minus(MemberSet::from_iter([MemberIndex(2)]));
    transcript.closed = Some(Checked::sign(closed, &coordinator_key()).signed().clone());
    let answer = compare(&evidence);
    assert_eq!(levels(&answer.findings, "equivocation"), [Level::Fault], "{:#?}", answer.findings);
}

#[test]
fn two_ends_of_one_round_are_a_fork() {
    let mut evidence = play(5, 1, false);
    let mut other = evidence.transcripts[0].clone();
    let signed = evidence.headers[0].clone();
    let header: Header = signed.check(signed.claimed_signer()).unwrap().into_value();
    let header = Header {
        version: wire::VersionNumber(0),
        outcome: Outcome::Aborted { reason: AbortReason::TooFewReveals },
        ..header
    };
    other.rest.header = Some(Checked::sign(header, &coordinator_key()).signed().clone());
    other.rest.record = None;
    evidence.transcripts.push(other);
    let answer = compare(&evidence);
    // Beside each other, and the second beside the chain.
    assert_eq!(levels(&answer.findings, "fork"), [Level::Fault; 2], "{:#?}", answer.findings);
}

#[test]
fn a_plan_below_the_policy_is_a_fault() {
    let answer = compare_under(&play(5, 1, false), &Policy::preset(Preset::Strict).unwrap());
    assert_eq!(levels(&answer.findings, "policy"), [Level::Fault; 5], "{:#?}", answer.findings);
}

#[test]
fn a_ledger_of_nobody_on_the_rosters_is_a_fault() {
    let mut evidence = play(5, 1, false);
    evidence.ledgers[0].1.clear();
    evidence.ledgers[1].1[10] ^= 1;
    let answer = compare(&evidence);
    assert_eq!(levels(&answer.findings, "owner"), [Level::Fault; 2], "{:#?}", answer.findings);
}
