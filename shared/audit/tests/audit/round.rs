//! Real rounds hold; every part of their evidence that is tampered with is found.

use std::{collections::BTreeMap, sync::Arc};

use audit::{Finding, Findings, History, Level, RoundAudit, audit_round, audit_transcript};
use version::{Chain, State};
use wire::{
    Agreement, Checked, Consistency, Contribution, Header, Outcome, Reveal, RevealedShare,
    RoundRecord, SealedShares, ShareKind, StateHash, Survivors,
};

use crate::world::{Evidence, Kept, coordinator_key, node_id, node_key, play};

/// Evidence with what a coordinator's folder adds to it.
struct Folder {
    evidence: Evidence,
    chain: Chain,
    states: BTreeMap<StateHash, State>,
}

impl Folder {
    fn new(evidence: Evidence) -> Self {
        let mut chain = Chain::new(evidence.genesis.clone());
        for header in &evidence.headers {
            chain.extend(header).unwrap();
        }
        let states = evidence.states.iter().map(|state| (state.hash(), state.clone())).collect();
        Self { evidence, chain, states }
    }

    fn history(&self) -> History<'_> {
        History { genesis: &self.evidence.genesis, chain: Some(&self.chain), states: &self.states }
    }

    fn audit(&self, round: usize) -> RoundAudit {
        let transcript = self.evidence.transcripts[round].whole();
        audit_round(&self.evidence.records[round], Some(&transcript), &self.history())
    }

    /// Audits the last round after a change of its record and transcript.
    fn tampered(&self, change: impl FnOnce(&mut RoundRecord, &mut Kept)) -> Findings {
        let mut record = self.evidence.records.last().unwrap().clone();
        let mut transcript = self.evidence.transcripts.last().unwrap().clone();
        change(&mut record, &mut transcript);
        audit_round(&record, Some(&transcript.whole()), &self.history()).findings
    }
}

fn faults(findings: &Findings) -> Vec<&'static str> {
    let faults = findings.all().iter().filter(|finding| finding.level == Level::Fault);
    let mut checks: Vec<_> = faults.map(|finding| finding.check).collect();
    checks.dedup();
    checks
}

#[test]
fn whole_rounds_hold_to_the_last_coordinate() {
    let folder = Folder::new(play(5, 2, false));
    for round in 0..2 {
        let audit = folder.audit(round);
        assert_eq!(audit.findings.worst(), Level::Ok, "{:#?}", audit.findings);
        assert_eq!((audit.roster, audit.closed, audit.survivors), (5, 5, 5));
        for check in ["plan", "roster", "agreements", "shares", "consistency", "contributions"] {
            assert_eq!(audit.findings.of(check).count(), 1, "{check}");
        }
        assert_eq!(audit.findings.of("sum").count(), 1);
        assert_eq!(audit.findings.of("version").count(), 1);
    }
}

/// The last of seven nodes drops out after dealing: its mask key is recovered and its masks taken off.
#[test]
fn a_round_with_a_dropout_holds() {
    let folder = Folder::new(play(7, 1, true));
    let audit = folder.audit(0);
    assert_eq!(audit.findings.worst(), Level::Ok, "{:#?}", audit.findings);
    assert_eq!((audit.closed, audit.survivors), (7, 6));
}

#[test]
fn what_is_not_at_hand_is_said_not_to_be_looked_at() {
    let evidence = play(4, 1, false);
    let states = BTreeMap::new();
    let history = History { genesis: &evidence.genesis, chain: None, states: &states };
    let audit = audit_round(&evidence.records[0], None, &history);
    assert_eq!(audit.findings.worst(), Level::Note);
    for check in ["sum", "header"] {
        let found = audit.findings.of(check).next().unwrap();
        assert!(found.what.starts_with("not looked at"), "{found:?}");
    }
}

#[test]
fn a_sum_that_is_not_the_sum_is_found() {
    let folder = Folder::new(play(5, 1, false));
    let findings = folder.tampered(|record, transcript| {
        Arc::make_mut(&mut record.sum)[17] ^= 4;
        transcript.rest.record = Some(record.clone());
    });
    // Neither does the version follow from it, nor does the chain name such a record.
    assert_eq!(faults(&findings), ["header", "sum"], "{findings:#?}");

    // A coordinator that signs history anew around its false sum is still found.
    let mut folder = folder;
    Arc::make_mut(&mut folder.evidence.records[0].sum)[17] ^= 4;
    let record = folder.evidence.records[0].clone();
    let mut header = read(&folder.evidence.headers[0]);
    let Outcome::Issued { gate, state, .. } = header.outcome else {
        panic!("a version was issued")
    };
    header.outcome = Outcome::Issued { record: record.hash(), state, gate };
    let header = Checked::sign(header, &coordinator_key()).signed().clone();
    folder.evidence.headers = vec![header.clone()];
    folder.evidence.transcripts[0].rest.header = Some(header);
    folder.evidence.transcripts[0].rest.record = Some(record);
    let folder = Folder::new(folder.evidence);
    let audit = folder.audit(0);
    assert_eq!(faults(&audit.findings), ["version", "sum"], "{:#?}", audit.findings);
}

fn read(header: &wire::Signed<Header>) -> Header {
    header.check(header.claimed_signer()).unwrap().into_value()
}

/// Whoever mixes files up is told so in one line.
#[test]
fn a_whole_transcript_of_another_round_is_one_fault() {
    let folder = Folder::new(play(5, 2, false));
    let other = folder.evidence.transcripts[0].whole();
    let audit = audit_round(&folder.evidence.records[1], Some(&other), &folder.history());
    let is_fault = |finding: &&Finding| finding.level == Level::Fault;
    let all: Vec<&Finding> = audit.findings.all().iter().filter(is_fault).collect();
    assert_eq!((all.len(), all[0].check), (1, "one-round"), "{all:#?}");
    assert!(all[0].what.contains("of round 1, the record of round 2"), "{}", all[0].what);
    assert!(all[0].what.contains("transcripts/round-000002"), "{}", all[0].what);
}

#[test]
fn parts_of_another_round_are_found() {
    let folder = Folder::new(play(5, 2, false));
    let other = folder.evidence.records[0].clone();
    let plan = folder.tampered(|record, _| record.plan = other.plan.clone());
    assert!(faults(&plan).contains(&"roster"), "{plan:#?}");
    let roster = folder.tampered(|record, _| record.roster = other.roster.clone());
    assert!(faults(&roster).contains(&"roster"), "{roster:#?}");
    let closed = folder.tampered(|record, _| record.closed = other.closed.clone());
    assert!(faults(&closed).contains(&"closed"), "{closed:#?}");
    let survivors = folder.tampered(|record, _| record.survivors = other.survivors.clone());
    assert!(faults(&survivors).contains(&"survivors"), "{survivors:#?}");
    let agreements = folder.tampered(|record, _| record.agreements = other.agreements.clone());
    assert!(faults(&agreements).contains(&"agreements"), "{agreements:#?}");
    let few = folder.tampered(|record, _| record.agreements.truncate(2));
    assert!(faults(&few).contains(&"agreements"), "{few:#?}");

    // The same in the transcript, against an honest record.
    let transcripts: [fn(&mut Kept, &Kept); 4] = [
        |mine, other| mine.rest.plan = other.rest.plan.clone(),
        |mine, other| mine.rest.roster = other.rest.roster.clone(),
        |mine, other| mine.rest.survivors = other.rest.survivors.clone(),
        |mine, other| mine.rest.agreements = other.rest.agreements.clone(),
    ];
    for change in transcripts {
        let other = folder.evidence.transcripts[0].clone();
        let findings = folder.tampered(|_, transcript| change(transcript, &other));
        assert!(faults(&findings).contains(&"one-round"), "{findings:#?}");
    }
}

#[test]
fn shares_that_were_not_relayed_as_signed_are_found() {
    let folder = Folder::new(play(4, 1, false));
    let findings = folder.tampered(|_, transcript| {
        let mut sealed: SealedShares = value(&transcript.rest.sealed[1]);
        sealed.shares[0].ciphertext[3] ^= 1;
        transcript.rest.sealed[1] = resign(sealed, &transcript.rest.sealed[1]);
    });
    assert_eq!(faults(&findings), ["shares"], "{findings:#?}");
    let missing = folder.tampered(|_, transcript| drop(transcript.rest.sealed.pop()));
    assert_eq!(faults(&missing), ["shares"], "{missing:#?}");
}

#[test]
fn views_that_were_split_are_found() {
    let folder = Folder::new(play(4, 2, false));
    let other = folder.evidence.transcripts[0].rest.consistencies[1].clone();
    let findings = folder.tampered(|_, transcript| {
        let mut consistency: Consistency = value(&transcript.rest.consistencies[0]);
        consistency.closed = value(&other).closed;
        transcript.rest.consistencies[0] = resign(consistency, &transcript.rest.consistencies[0]);
    });
    assert_eq!(faults(&findings), ["consistency"], "{findings:#?}");
    let few = folder.tampered(|_, transcript| transcript.rest.consistencies.truncate(2));
    assert_eq!(faults(&few), ["consistency"], "{few:#?}");
}

#[test]
fn contributions_that_are_missing_doubled_or_changed_are_found() {
    let folder = Folder::new(play(5, 1, false));
    let changed = folder.tampered(|_, transcript| {
        let mut contribution: Contribution = value(&transcript.contributions[2]);
        contribution.values[0] ^= 1;
        transcript.contributions[2] = resign(contribution, &transcript.contributions[2]);
    });
    assert_eq!(faults(&changed), ["sum"], "{changed:#?}");
    let unsigned = folder.tampered(|_, transcript| {
        transcript.contributions[2] = folder.evidence.transcripts[0].contributions[1].clone();
    });
    assert!(faults(&unsigned).contains(&"contributions"), "{unsigned:#?}");
    let missing = folder.tampered(|_, transcript| drop(transcript.contributions.pop()));
    assert_eq!(faults(&missing), ["contributions", "sum"], "{missing:#?}");
}

#[test]
fn a_contribution_that_was_left_out_of_the_sum_is_a_warning() {
    let folder = Folder::new(play(7, 1, true));
    let whole = play(7, 1, false);
    // What the dropped node would have sent, as if it had come, and again so many times.
    let late = |transcript: &mut Kept, times: usize| {
        let contributions = whole.transcripts[0].contributions.iter();
        let dropped =
            contributions.rev().find(|signed| signed.claimed_signer() == node_id(6)).unwrap();
        let mut late: Contribution = value(dropped);
        late.closed = value(&transcript.contributions[0]).closed;
        transcript.contributions.push(resign(late, dropped));
        transcript.contributions.extend_from_within(transcript.contributions.len() - times..);
    };
    let once = folder.tampered(|_, transcript| late(transcript, 0));
    assert_eq!(once.worst(), Level::Warning, "{once:#?}");
    let twice = folder.tampered(|_, transcript| late(transcript, 1));
    assert_eq!(faults(&twice), ["contributions"], "{twice:#?}");
}

#[test]
fn two_kinds_of_share_of_one_member_are_found() {
    let folder = Folder::new(play(7, 1, true));
    let both = folder.tampered(|_, transcript| {
        let mut reveal: Reveal = value(&transcript.rest.reveals[0]);
        let member = reveal.shares[1].member;
        let share = RevealedShare { member, kind: ShareKind::MaskKey, share: [1; 32] };
        reveal.shares.insert(2, share);
        transcript.rest.reveals[0] = resign(reveal, &transcript.rest.reveals[0]);
    });
    assert!(faults(&both).contains(&"reveals"), "{both:#?}");
    let other = folder.tampered(|_, transcript| {
        let mut reveal: Reveal = value(&transcript.rest.reveals[0]);
        reveal.shares[1].kind = ShareKind::MaskKey;
        transcript.rest.reveals[0] = resign(reveal, &transcript.rest.reveals[0]);
    });
    assert!(faults(&other).contains(&"reveals"), "{other:#?}");
}

#[test]
fn a_share_that_does_not_fit_is_named_and_the_sum_is_right_all_the_same() {
    let folder = Folder::new(play(7, 1, true));
    let findings = folder.tampered(|_, transcript| {
        let mut reveal: Reveal = value(&transcript.rest.reveals[2]);
        reveal.shares[4].share[5] ^= 1;
        transcript.rest.reveals[2] = resign(reveal, &transcript.rest.reveals[2]);
    });
    assert_eq!(findings.worst(), Level::Warning, "{findings:#?}");
    assert!(findings.of("reveals").any(|finding| finding.level == Level::Warning));
    assert_eq!(findings.of("sum").next().map(|finding| finding.level), Some(Level::Ok));

    let few = folder.tampered(|_, transcript| transcript.rest.reveals.truncate(3));
    assert_eq!(faults(&few), ["sum"], "{few:#?}");
}

#[test]
fn agreements_to_another_list_are_found() {
    let folder = Folder::new(play(4, 1, false));
    let findings = folder.tampered(|record, transcript| {
        let mut survivors: Survivors = value_of(&transcript.rest.survivors.clone().unwrap());
        survivors.members = wire::MemberSet::first(3);
        let other = Checked::sign(survivors, &coordinator_key());
        let agreement =
            Agreement { survivors: other.hash(), ..value(&transcript.rest.agreements[0]) };
        let signed = resign(agreement, &transcript.rest.agreements[0]);
        transcript.rest.agreements[0] = signed.clone();
        record.agreements[0] = signed;
    });
    assert!(faults(&findings).contains(&"agreements"), "{findings:#?}");
}

#[test]
fn every_flipped_bit_of_a_signed_part_is_found() {
    let folder = Folder::new(play(4, 1, false));
    let bytes = wire::encode(&folder.evidence.records[0]);
    let history = folder.history();
    // Every 31st bit: all parts are hit, many times each.
    for bit in (0..bytes.len() * 8).step_by(31) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(record) = wire::decode::<RoundRecord>(&flipped, RoundRecord::LIMIT) else {
            continue;
        };
        let transcript = folder.evidence.transcripts[0].whole();
        let audit = audit_round(&record, Some(&transcript), &history);
        assert_eq!(audit.findings.worst(), Level::Fault, "bit {bit}");
    }
}

#[test]
fn a_round_that_was_aborted_is_read_too() {
    let folder = Folder::new(play(5, 1, false));
    let mut transcript = folder.evidence.transcripts[0].clone();
    let header = Header {
        outcome: Outcome::Aborted { reason: wire::AbortReason::TooFewReveals },
        ..read(&folder.evidence.headers[0])
    };
    transcript.rest.header = Some(Checked::sign(header, &coordinator_key()).signed().clone());
    transcript.rest.record = None;
    transcript.rest.reveals.truncate(2);
    let audit = audit_transcript(&transcript.whole(), &folder.history());
    assert_eq!(audit.findings.worst(), Level::Note, "{:#?}", audit.findings);
    transcript.rest.reveals[0] = folder.evidence.transcripts[0].rest.reveals[1].clone();
    assert_eq!(
        faults(&audit_transcript(&transcript.whole(), &folder.history()).findings),
        ["reveals"],
        "one member revealed twice"
    );
}

fn value<T: wire::Signable<Signer = wire::NodeId>>(signed: &wire::Signed<T>) -> T {
    signed.check(signed.claimed_signer()).unwrap().into_value()
}

fn value_of(signed: &wire::Signed<Survivors>) -> Survivors {
    signed.check(signed.claimed_signer()).unwrap().into_value()
}

/// Signs a changed message with the key of whoever signed the first.
fn resign<T: wire::Signable<Signer = wire::NodeId>>(
    message: T,
    like: &wire::Signed<T>,
) -> wire::Signed<T> {
    let key = (0..64)
        .map(node_key)
        .find(|key| key.verifying_key().to_bytes() == like.claimed_signer().0)
        .expect("a node of the played world");
    Checked::sign(message, &key).signed().clone()
}

/// `cargo test --release -p audit -- --ignored write_the_sample` makes the round that `selftest` looks at anew; it needs a
/// new one only when the form of the messages changes.
#[test]
#[ignore = "writes golden/sample"]
fn write_the_sample() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/sample");
    let evidence = play(7, 1, true);
    std::fs::write(folder.join("genesis"), wire::encode(&evidence.genesis)).unwrap();
    std::fs::write(folder.join("transcript"), evidence.transcripts[0].file()).unwrap();
    std::fs::write(folder.join("ledger"), &evidence.ledgers[0].1).unwrap();
}
