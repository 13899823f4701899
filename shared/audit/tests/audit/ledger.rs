//! Ledgers: small real ones, every bit of them, and entries that a dishonest program could have written.

use audit::{Level, audit_ledger};
use ed25519_dalek::{Signer, SigningKey};
use grid::{Q40, Ratio};
use privacy::{Budget, ChargeTerms, Ledger, Limits, SavedState};
use serde::Serialize;
use wire::{Checked, ContentHash, LedgerHash, LedgerHead, NodeId, PlanHash, Round, TaskId};

use crate::world::{node_id, node_key, play, policy};

const TASK: TaskId = TaskId([1; 32]);
const NOW: u64 = 1_795_000_000_000;

fn terms(round: u64) -> ChargeTerms {
    ChargeTerms {
        task: TASK,
        round: Round(round),
        plan: PlanHash([3; 32]),
        squared_norm_bound: 10_000,
        sigma: Ratio::new(200, 4).unwrap(),
        honest: 4,
        padded: 1024,
    }
}

/// A ledger of `charges` charges and a penalty.
fn sample(charges: u64) -> Vec<u8> {
    let limits = Limits {
        lifetime: Budget::Unlimited,
        task: Budget::Unlimited,
        largest_charge: Q40::from_f64_up(1.0).unwrap(),
    };
    let (mut ledger, _) =
        Ledger::open(&[], node_key(0), limits, SavedState::NothingSent, NOW).unwrap();
    let mut bytes = Vec::new();
    for round in 1..=charges {
        let charge = ledger.admit(&terms(round)).unwrap();
        let contribution = ContentHash(*blake3::hash(&round.to_le_bytes()).as_bytes());
        bytes.extend(ledger.record(charge, contribution, NOW + round).unwrap().into_vec());
    }
    let seen = LedgerHead { task: TASK, sequence: charges + 2, head: LedgerHash([9; 32]) };
    let seen = Checked::sign(seen, &node_key(0));
    bytes.extend(ledger.reconcile(&seen, NOW + charges).unwrap().unwrap().into_vec());
    bytes
}

#[test]
fn the_ledger_of_a_real_round_holds() {
    let evidence = play(5, 2, false);
    for (node, bytes) in &evidence.ledgers {
        let audit = audit_ledger(bytes, *node, Some(&policy()));
        assert_eq!(audit.findings.worst(), Level::Ok, "{:?}", audit.findings);
        assert_eq!((audit.entries, audit.charges), (2, 2));
        assert!((0.9..=1.0).contains(&audit.rho), "{}", audit.rho);
        assert_eq!((audit.tasks[0].first_round, audit.tasks[0].last_round), (Some(1), Some(2)));
    }
}

#[test]
fn every_flipped_bit_is_found_and_located() {
    let bytes = sample(2);
    let whole = audit_ledger(&bytes, node_id(0), None);
    assert_eq!(whole.findings.worst(), Level::Note, "{:?}", whole.findings);
    let starts = entry_starts(&bytes);
    assert_eq!(starts.len(), 3);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let audit = audit_ledger(&flipped, node_id(0), None);
        let entry = starts.iter().rposition(|&start| start <= bit / 8).unwrap();
        let at = format!("entry {}, byte {}", entry + 1, starts[entry]);
        let found = audit.findings.of("chain").any(|f| f.level == Level::Fault && f.at == at);
        assert!(found, "bit {bit} in {at}: {:?}", audit.findings);
        assert_eq!(audit.entries, entry, "what stands before the damage is still counted");
    }
}

#[test]
fn a_torn_last_entry_is_a_warning() {
    let bytes = sample(2);
    let audit = audit_ledger(&bytes[..bytes.len() - 10], node_id(0), None);
    assert_eq!(audit.findings.worst(), Level::Warning);
    assert_eq!(audit.findings.of("torn-entry").count(), 1);
    assert_eq!(audit.entries, 2);
}

#[test]
fn the_ledger_of_another_node_is_said_to_be_one() {
    let audit = audit_ledger(&sample(1), node_id(1), None);
    assert_eq!(audit.findings.worst(), Level::Fault);
    assert!(audit.findings.all()[0].what.contains("another node"), "{:?}", audit.findings);
}

/// What a dishonest program could append: signed and linked, but wrong. The types are those of `privacy`'s file
/// format, written down once more.
#[derive(Serialize)]
struct Body {
    sequence: u64,
    previous: LedgerHash,
    place: Option<(TaskId, u64, LedgerHash)>,
    at_ms: u64,
    rho_q40: u64,
    kind: Kind,
}

#[derive(Serialize)]
enum Kind {
    Charged { terms: Terms, contribution: ContentHash },
    Penalty(Reason),
}

#[derive(Serialize)]
enum Reason {
    TornEntry { offset: u64, length: u64 },
}

type Terms = (TaskId, Round, PlanHash, u128, u64, u64, u32, u32);

/// Writes entries that follow one another, whatever they say.
struct Forger {
    key: SigningKey,
    bytes: Vec<u8>,
    previous: LedgerHash,
    task_previous: LedgerHash,
    sequence: u64,
}

impl Forger {
    fn new() -> Self {
        let node: NodeId = node_id(0);
        let previous = LedgerHash(blake3::derive_key("murmuration ledger v1", node.as_bytes()));
        let task_previous = LedgerHash(TASK.0);
        Self { key: node_key(0), bytes: Vec::new(), previous, task_previous, sequence: 0 }
    }

    fn append(mut self, rho_q40: u64, at_ms: u64, kind: Kind) -> Self {
        self.sequence += 1;
        let body = Body {
            sequence: self.sequence,
            previous: self.previous,
            place: Some((TASK, self.sequence, self.task_previous)),
            at_ms,
            rho_q40,
            kind,
        };
        let body = wire::encode(&body);
        let hash = blake3::derive_key("murmuration ledger entry v1", &body);
        let length = body.len() as u16;
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend((!length).to_le_bytes());
        self.bytes.extend(body);
        self.bytes.extend(self.key.sign(&hash).to_bytes());
        (self.previous, self.task_previous) = (LedgerHash(hash), LedgerHash(hash));
        self
    }

    /// A charge of a round for a contribution; ρ as it should be, and `more` steps of 2⁻⁴⁰.
    fn charge(self, round: u64, contribution: u8, more: i64) -> Self {
        let rho = terms(round).rho().unwrap().raw().wrapping_add_signed(more);
        let kind = Kind::Charged {
            terms: (TASK, Round(round), PlanHash([3; 32]), 10_000, 200, 4, 4, 1024),
            contribution: ContentHash([contribution; 32]),
        };
        self.append(rho, NOW, kind)
    }

    fn findings(&self) -> audit::Findings {
        audit_ledger(&self.bytes, node_id(0), Some(&policy())).findings
    }
}

#[test]
fn charges_that_are_not_what_they_should_be_are_found() {
    let honest = Forger::new().charge(1, 1, 0).charge(2, 2, 0).findings();
    assert_eq!(honest.worst(), Level::Ok, "{honest:?}");

    let low = Forger::new().charge(1, 1, 0).charge(2, 2, -3).findings();
    assert_eq!(
        low.of("charge").map(|f| (f.level, f.at.as_str())).collect::<Vec<_>>(),
        [(Level::Fault, "entry 2")]
    );
    let high = Forger::new().charge(1, 1, 1 << 20).findings();
    assert_eq!(high.of("charge").map(|f| f.level).collect::<Vec<_>>(), [Level::Warning]);
}

#[test]
fn a_round_or_contribution_that_is_paid_for_twice_is_found() {
    let again = Forger::new().charge(2, 1, 0).charge(2, 2, 0).findings();
    assert!(again.of("rounds").any(|f| f.level == Level::Fault), "{again:?}");
    let twice = Forger::new().charge(1, 1, 0).charge(2, 1, 0).findings();
    assert!(twice.of("contributions").any(|f| f.level == Level::Fault), "{twice:?}");
}

#[test]
fn a_penalty_below_what_may_be_lost_is_found() {
    let torn = || Kind::Penalty(Reason::TornEntry { offset: 0, length: 9 });
    let small = Forger::new().charge(1, 1, 0).append(5, NOW, torn()).findings();
    assert!(small.of("penalties").any(|f| f.level == Level::Fault), "{small:?}");
    let enough = terms(1).rho().unwrap().raw();
    let right = Forger::new().charge(1, 1, 0).append(enough, NOW, torn()).findings();
    assert_eq!(right.worst(), Level::Note, "{right:?}");
}

#[test]
fn what_goes_beyond_the_budget_is_found() {
    // Half a ρ each, and a budget of 5.
    let charges = (1..=10).fold(Forger::new(), |f, round| f.charge(round, round as u8, 0));
    let over = charges.findings();
    let found: Vec<_> = over.of("budget").map(|f| (f.level, f.at.as_str())).collect();
    // Ten charges of just above 1/2 are above 5; over the lifetime and over the task.
    assert_eq!(found, [(Level::Fault, "entry 10"); 2]);
    let torn = Kind::Penalty(Reason::TornEntry { offset: 0, length: 9 });
    let penalty = Forger::new().charge(1, 1, 0).append(5 << 40, NOW, torn).findings();
    assert_eq!(penalty.worst(), Level::Warning, "{penalty:?}");
}

#[test]
fn a_clock_that_was_set_back_is_a_warning() {
    let torn = Kind::Penalty(Reason::TornEntry { offset: 0, length: 9 });
    let findings = Forger::new().charge(1, 1, 0).append(1 << 40, NOW - 1, torn).findings();
    assert_eq!(findings.of("time").count(), 1);
}

fn entry_starts(bytes: &[u8]) -> Vec<usize> {
    let (mut starts, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        starts.push(at);
        at += 4 + usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]])) + 64;
    }
    starts
}

/// `cargo test --release -p audit -- --ignored --nocapture ten_thousand` prints how long it takes.
#[test]
#[ignore = "a measurement"]
fn ten_thousand_charges() {
    let bytes = sample(10_000);
    let begun = std::time::Instant::now();
    let audit = audit_ledger(&bytes, node_id(0), None);
    println!("10,000 charges in {} bytes: audited in {:?}", bytes.len(), begun.elapsed());
    assert_eq!((audit.charges, audit.findings.worst()), (10_000, Level::Note));
}
