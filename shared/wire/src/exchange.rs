//! How peers ask and answer. All of a round's messages go over connections that nodes open to
//! the coordinator, so a node that nobody can reach takes full part.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    chain::{Genesis, Header, RoundRecord, RoundResult},
    id::{ContentHash, RecordHash, StateHash, TaskId},
    plan::Plan,
    round::{
        Advertise, Agreement, Complaint, Consistency, Contribution, Enrol, Inbox, LedgerHead,
        MemberList, Reveal, Roster, SealedShares, Survivors,
    },
    signed::Signed,
};

/// What a node sends to the coordinator within a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToCoordinator {
    /// Phase 2.
    Advertise(Signed<Advertise>),
    /// Phase 3.
    SealedShares(Signed<SealedShares>),
    /// Phase 3b.
    Consistency(Signed<Consistency>),
    /// Phase 4.
    Contribution(Signed<Contribution>),
    /// Phase 5a.
    Agreement(Signed<Agreement>),
    /// Phase 5b.
    Reveal(Signed<Reveal>),
    /// A later ledger head of a roster member than the one it advertised.
    LaterHead(Signed<LedgerHead>),
    /// Phase 3b, instead of [`ToCoordinator::Consistency`].
    Complaint(Signed<Complaint>),
}

/// What the coordinator sends to a node within a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToNode {
    /// Phase 0.
    Plan(Signed<Plan>),
    /// Phase 2 ends.
    Roster(Signed<Roster>),
    /// Phase 3 ends.
    Inbox(Inbox),
    /// Phase 3b ends: what everybody signed.
    Consistencies(Vec<Signed<Consistency>>),
    /// Phase 5a.
    Survivors(Signed<Survivors>),
    /// Phase 5a ends: what the survivors signed.
    Agreements(Vec<Signed<Agreement>>),
    /// Phase 6.
    Result(RoundResult),
    /// A later ledger head of this node than the one it advertised.
    LaterHead(Signed<LedgerHead>),
    /// The members have changed.
    Members(Signed<MemberList>),
}

/// A request over one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Node → coordinator: become a member.
    Enrol(Signed<Enrol>),
    /// Node → coordinator: a member is here, and wants what is going on in this task.
    Hello(TaskId),
    /// Node → coordinator: a message of the round.
    ToCoordinator(ToCoordinator),
    /// Coordinator → node: a message of the round.
    ToNode(ToNode),
    /// Node → coordinator: headers of a task from this place in the chain on.
    Headers {
        /// Which task.
        task: TaskId,
        /// The first place wanted; the chain's first header has 1.
        from: u64,
    },
    /// Node → coordinator: where the bytes of a version's state are.
    State(StateHash),
    /// A verified slice of stored bytes.
    Slice {
        /// Which bytes.
        content: ContentHash,
        /// The first byte wanted; a multiple of the slice size.
        offset: u64,
    },
    /// Node → coordinator: the evidence of one step of the chain.
    Record(RecordHash),
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// Taken; what follows from it comes as messages.
    Accepted,
    /// Welcome, or here is what you asked for: the task and its members.
    Task {
        /// What the task is.
        genesis: Genesis,
        /// Who may take part.
        members: Signed<MemberList>,
    },
    /// Headers, in the chain's order; fewer than there are where they would not fit.
    Headers(Vec<Signed<Header>>),
    /// The state's bytes are this content, of this length.
    State {
        /// Which bytes.
        content: ContentHash,
        /// How many.
        length: u64,
    },
    /// A slice in the verified encoding of bao (BLAKE3 tree hashes with the bytes).
    Slice(#[serde(with = "crate::bytes")] Vec<u8>),
    /// Not given, and why.
    Refused(Refusal),
    /// The evidence of a step.
    Record(Box<RoundRecord>),
}

/// Why a request was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Error)]
pub enum Refusal {
    /// The sender is not on the list of members.
    #[error("not a member of this swarm: ask its coordinator for an invite")]
    NotAMember,
    /// The invite's secret is unknown, used or expired.
    #[error("the invite is unknown, already used or expired: ask for a new one")]
    InvalidInvite,
    /// Nothing is known under that name.
    #[error("not found")]
    NotFound,
    /// Not this peer's to answer.
    #[error("this peer does not answer such requests")]
    NotMine,
    /// Too much at once.
    #[error("busy: try again later")]
    Busy,
}

/// What is told to everybody through gossip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gossip {
    /// A new round's terms.
    Plan(Signed<Plan>),
    /// The head of the version chain.
    Head(Signed<Header>),
    /// A node's ledger head.
    LedgerHead(Signed<LedgerHead>),
}

impl Gossip {
    /// The most bytes of one gossip message.
    pub const LIMIT: usize = 8192;
}

impl Request {
    /// The most bytes of one request: a contribution of 2²⁰ values of 32 bits.
    pub const LIMIT: usize = (1 << 20) * 4 + (1 << 18);
}

impl Response {
    /// The most bytes of one response: the evidence of a sum of 2²⁰ values of 32 bits.
    pub const LIMIT: usize = RoundRecord::LIMIT + (1 << 17);
}
