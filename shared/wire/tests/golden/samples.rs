//! One fixed value of every message.

use ed25519_dalek::SigningKey;
use serde::{Serialize, de::DeserializeOwned};
use wire::{
    AbortReason, AdapterKind, AdapterSpec, Advertise, Agreement, Checked, ClosedHash, CohortTerms,
    Complaint, Consistency, ContentHash, Contribution, CoordinatorId, DecodeError, Enrol,
    GateResult, Genesis, Gossip, GridTerms, Header, HeaderHash, Inbox, Invite, LedgerHash,
    LedgerHead, MemberIndex, MemberList, MemberSet, ModelHash, NodeId, NoiseTerms, Outcome, Plan,
    PlanHash, Precision, Projection, Recipe, RecordHash, Refusal, Request, Response, Reveal,
    RevealedShare, Roster, RosterHash, Round, RoundRecord, RoundResult, SealedShare, SealedShares,
    ServerOptimizer, ServerRule, ShareKind, SharesClosed, SharesRoot, Signable, Signed, StateHash,
    Survivors, SurvivorsHash, TaskId, ToCoordinator, ToNode, TrainingOptimizer, Transcript,
    TranscriptPart, VersionNumber, Windows, decode, encode,
};

/// A value's bytes, and how its type reads bytes.
pub struct Sample {
    /// The file's name, without its ending.
    pub name: &'static str,
    /// The value's canonical bytes.
    pub bytes: Vec<u8>,
    /// The most bytes its reader accepts.
    pub limit: usize,
    /// Decodes, and encodes what was read.
    pub reread: fn(&[u8], usize) -> Result<Vec<u8>, DecodeError>,
}

fn reread<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<Vec<u8>, DecodeError> {
    decode::<T>(bytes, limit).map(|value| encode(&value))
}

fn plain<T: Serialize + DeserializeOwned>(name: &'static str, limit: usize, value: &T) -> Sample {
    Sample { name, bytes: encode(value), limit, reread: reread::<T> }
}

fn message<T: Signable>(name: &'static str, value: &T) -> Sample {
    plain(name, T::LIMIT, value)
}

/// Every message of the crate, in the order of its files.
pub fn all() -> Vec<Sample> {
    let mut samples = before_a_round();
    samples.extend(of_a_round());
    samples.extend(of_the_chain());
    samples.extend(exchanges());
    samples
}

fn before_a_round() -> Vec<Sample> {
    vec![
        plain("genesis", Genesis::LIMIT, &genesis()),
        message("enrol", &Enrol { task: TASK, secret: [0x42; 32] }),
        message("member_list", &member_list()),
        plain("invite", 2048, &invite()),
        message("plan", &plan()),
    ]
}

fn of_a_round() -> Vec<Sample> {
    vec![
        message("ledger_head", &ledger_head()),
        message("advertise", &advertise()),
        message("roster", &roster()),
        message("sealed_shares", &sealed_shares()),
        message("shares_closed", &shares_closed()),
        plain("inbox", Request::LIMIT, &inbox()),
        message("consistency", &consistency()),
        message("complaint", &complaint()),
        message("contribution", &contribution()),
        message("survivors", &survivors()),
        message("agreement", &agreement()),
        message("reveal", &reveal()),
    ]
}

fn of_the_chain() -> Vec<Sample> {
    let gate = GateResult { loss_micro: 3_141_592, limit_micro: 3_200_000 };
    let (record, state) = (RecordHash([0x61; 32]), StateHash([0x62; 32]));
    vec![
        message("header_issued", &header(Outcome::Issued { record, state, gate })),
        message("header_refused", &header(Outcome::Refused { record, candidate: state, gate })),
        message("header_aborted", &header(Outcome::Aborted { reason: AbortReason::Interrupted })),
        message("header_rolled_back", &header(Outcome::RolledBack { to: VersionNumber(2), state })),
        plain("round_record", RoundRecord::LIMIT, &record_of_the_round()),
        plain("round_result", Request::LIMIT, &result()),
        plain(
            "transcript_contribution",
            TranscriptPart::LIMIT,
            &TranscriptPart::Contribution(signed(contribution(), &node_key())),
        ),
        plain("transcript_end", TranscriptPart::LIMIT, &TranscriptPart::End(transcript().into())),
    ]
}

fn exchanges() -> Vec<Sample> {
    let (node, coordinator) = (node_key(), coordinator_key());
    vec![
        plain("request_hello", Request::LIMIT, &Request::Hello(TASK)),
        plain("request_headers", Request::LIMIT, &Request::Headers { task: TASK, from: 300 }),
        plain("request_state", Request::LIMIT, &Request::State(StateHash([0x62; 32]))),
        plain(
            "request_slice",
            Request::LIMIT,
            &Request::Slice { content: CONTENT, offset: 1 << 20 },
        ),
        plain(
            "request_to_coordinator",
            Request::LIMIT,
            &Request::ToCoordinator(ToCoordinator::Agreement(signed(agreement(), &node))),
        ),
        plain(
            "request_to_node",
            Request::LIMIT,
            &Request::ToNode(ToNode::Survivors(signed(survivors(), &coordinator))),
        ),
        plain("response_accepted", Response::LIMIT, &Response::Accepted),
        plain(
            "response_task",
            Response::LIMIT,
            &Response::Task { genesis: genesis(), members: signed(member_list(), &coordinator) },
        ),
        plain(
            "response_state",
            Response::LIMIT,
            &Response::State { content: CONTENT, length: 84_212 },
        ),
        plain("request_record", Request::LIMIT, &Request::Record(RecordHash([0x61; 32]))),
        plain(
            "response_record",
            Response::LIMIT,
            &Response::Record(Box::new(record_of_the_round())),
        ),
        plain("response_slice", Response::LIMIT, &Response::Slice(vec![0x77; 40])),
        plain("response_refused", Response::LIMIT, &Response::Refused(Refusal::InvalidInvite)),
        plain("gossip_plan", Gossip::LIMIT, &Gossip::Plan(signed(plan(), &coordinator))),
        plain(
            "gossip_ledger_head",
            Gossip::LIMIT,
            &Gossip::LedgerHead(signed(ledger_head(), &node)),
        ),
    ]
}

const TASK: TaskId = TaskId([0x11; 32]);
const ROUND: Round = Round(300);
const CONTENT: ContentHash = ContentHash([0x63; 32]);

fn node_key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn coordinator_key() -> SigningKey {
    SigningKey::from_bytes(&[2; 32])
}

fn signed<T: Signable>(value: T, key: &SigningKey) -> Signed<T> {
    Checked::sign(value, key).signed().clone()
}

fn adapter() -> AdapterSpec {
    AdapterSpec {
        kind: AdapterKind::FfaLora,
        rank: 8,
        alpha: 16,
        targets: vec![Projection::Q, Projection::V],
        seed: [0x21; 32],
    }
}

fn genesis() -> Genesis {
    Genesis {
        name: "starlings".into(),
        coordinator: CoordinatorId(coordinator_key().verifying_key().to_bytes()),
        base: ModelHash([0x22; 32]),
        adapter: adapter(),
        dimension: 21_504,
        initial: StateHash([0x23; 32]),
    }
}

fn member_list() -> MemberList {
    MemberList { task: TASK, revision: 9, members: vec![NodeId([0x31; 32]), NodeId([0x32; 32])] }
}

fn invite() -> Invite {
    Invite {
        coordinator: genesis().coordinator,
        addresses: vec!["/ip4/192.0.2.7/tcp/4001".into()],
        task: TASK,
        secret: [0x42; 32],
        expires_unix: 1_800_000_000,
    }
}

fn plan() -> Plan {
    Plan {
        task: TASK,
        round: ROUND,
        base: ModelHash([0x22; 32]),
        head: HeaderHash([0x24; 32]),
        version: VersionNumber(4),
        adapter: adapter(),
        dimension: 21_504,
        grid: GridTerms {
            clip_q32: 1 << 31,
            scale_q32: 5_000 << 32,
            modulus_bits: 20,
            rotation_seed: [0x25; 32],
        },
        noise: NoiseTerms { sigma_numerator: 12_345, sigma_denominator: 64, honest: 6 },
        cohort: CohortTerms {
            survivors_min: 5,
            corrupt_numerator: 1,
            corrupt_denominator: 10,
            dropout_numerator: 3,
            dropout_denominator: 10,
        },
        windows: Windows {
            train_ms: 60_000,
            advertise_ms: 5_000,
            shares_ms: 6_000,
            consistency_ms: 7_000,
            contribute_ms: 8_000,
            survivors_ms: 9_000,
            reveal_ms: 10_000,
        },
        recipe: Recipe {
            steps: 12,
            batch: 8,
            sequence: 256,
            optimizer: TrainingOptimizer::AdamW { weight_decay_q32: 42 },
            learning_rate_q32: 4_294_967,
            precision: Precision::Bf16,
        },
        server: ServerOptimizer {
            rule: ServerRule::FedAdam {
                beta1_q32: 3_865_470_566,
                beta2_q32: 4_252_017_623,
                tau_q32: 4_294_967,
            },
            learning_rate_q32: 1 << 32,
        },
    }
}

fn ledger_head() -> LedgerHead {
    LedgerHead { task: TASK, sequence: 17, head: LedgerHash([0x41; 32]) }
}

fn advertise() -> Advertise {
    Advertise {
        task: TASK,
        round: ROUND,
        plan: PlanHash([0x43; 32]),
        mask_key: [0x44; 32],
        seal_key: [0x45; 32],
        seed_commitment: [0x46; 32],
        ledger: signed(ledger_head(), &node_key()),
    }
}

fn roster() -> Roster {
    let members = vec![signed(advertise(), &node_key())];
    Roster { task: TASK, round: ROUND, plan: PlanHash([0x43; 32]), members }
}

fn sealed(member: u8) -> SealedShare {
    SealedShare { member: MemberIndex(member), ciphertext: vec![0x51 + member; 80] }
}

fn sealed_shares() -> SealedShares {
    SealedShares {
        task: TASK,
        round: ROUND,
        roster: RosterHash([0x47; 32]),
        shares: vec![sealed(1), sealed(2)],
    }
}

fn shares_closed() -> SharesClosed {
    SharesClosed {
        task: TASK,
        round: ROUND,
        plan: PlanHash([0x43; 32]),
        roster: RosterHash([0x47; 32]),
        members: MemberSet(0b1110_1101),
        shares: SharesRoot([0x48; 32]),
    }
}

fn inbox() -> Inbox {
    Inbox {
        closed: signed(shares_closed(), &coordinator_key()),
        shares: vec![sealed(0), sealed(2)],
        proof: vec![[0x49; 32], [0x4a; 32], [0x4b; 32]],
    }
}

fn consistency() -> Consistency {
    Consistency { task: TASK, round: ROUND, closed: ClosedHash([0x4c; 32]) }
}

fn complaint() -> Complaint {
    let dealers = MemberSet(0b0000_1001);
    Complaint { task: TASK, round: ROUND, closed: ClosedHash([0x4c; 32]), dealers }
}

fn contribution() -> Contribution {
    Contribution {
        task: TASK,
        round: ROUND,
        closed: ClosedHash([0x4c; 32]),
        values: (0..40).collect(),
    }
}

fn survivors() -> Survivors {
    Survivors {
        task: TASK,
        round: ROUND,
        closed: ClosedHash([0x4c; 32]),
        members: MemberSet(0b1110_0101),
    }
}

fn agreement() -> Agreement {
    Agreement { task: TASK, round: ROUND, survivors: SurvivorsHash([0x4d; 32]) }
}

fn reveal() -> Reveal {
    let share = |member, kind| RevealedShare {
        member: MemberIndex(member),
        kind,
        share: [0x60 + member; 32],
    };
    let shares = vec![share(0, ShareKind::Seed), share(3, ShareKind::MaskKey)];
    Reveal { task: TASK, round: ROUND, survivors: SurvivorsHash([0x4d; 32]), shares }
}

fn header(outcome: Outcome) -> Header {
    Header {
        task: TASK,
        index: 301,
        round: ROUND,
        version: VersionNumber(5),
        parent: HeaderHash([0x24; 32]),
        outcome,
    }
}

fn record_of_the_round() -> RoundRecord {
    let coordinator = coordinator_key();
    RoundRecord {
        plan: signed(plan(), &coordinator),
        roster: signed(roster(), &coordinator),
        closed: signed(shares_closed(), &coordinator),
        survivors: signed(survivors(), &coordinator),
        agreements: vec![signed(agreement(), &node_key())],
        sum: (0..80).collect(),
    }
}

fn result() -> RoundResult {
    let outcome = Outcome::Aborted { reason: AbortReason::TooFewShares };
    RoundResult { header: signed(header(outcome), &coordinator_key()), record: None }
}

fn transcript() -> Transcript {
    let (node, record) = (node_key(), record_of_the_round());
    Transcript {
        roster: Some(record.roster.clone()),
        sealed: vec![signed(sealed_shares(), &node)],
        closed: Some(record.closed.clone()),
        consistencies: vec![signed(consistency(), &node)],
        survivors: Some(record.survivors.clone()),
        agreements: record.agreements.clone(),
        reveals: vec![signed(reveal(), &node)],
        header: Some(result().header),
        rejections: vec![(NodeId([0x31; 32]), 7, 2)],
        record: Some(record.clone()),
        ..Transcript::new(record.plan)
    }
}
