//! What the coordinator keeps of every round, for the audit: all that it signed, all that it accepted.
//!
//! Contributions are as large as everything else together is small, so they stand by themselves: a file holds them
//! one by one, in the order in which they came, and the rest as its last part ([`TranscriptPart`]). Nobody who
//! writes or reads one needs more than one contribution in memory.

use serde::{Deserialize, Serialize};

use crate::{
    chain::{Header, RoundRecord},
    id::NodeId,
    plan::Plan,
    round::{
        Agreement, Consistency, Contribution, Reveal, Roster, SealedShares, SharesClosed, Survivors,
    },
    signed::Signed,
};

/// One part of a transcript as a file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TranscriptPart {
    /// Phase 4: what one member sent.
    Contribution(Signed<Contribution>),
    /// Everything else; nothing follows it.
    End(Box<Transcript>),
}

impl TranscriptPart {
    /// The most bytes a reader accepts.
    pub const LIMIT: usize = Transcript::LIMIT + 1;
}

/// One round as the coordinator saw it, but for its contributions. Advertise messages stand in the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// Phase 0.
    pub plan: Signed<Plan>,
    /// Phase 2.
    pub roster: Option<Signed<Roster>>,
    /// Phase 3.
    pub sealed: Vec<Signed<SealedShares>>,
    /// Phase 3 ends.
    pub closed: Option<Signed<SharesClosed>>,
    /// Phase 3b.
    pub consistencies: Vec<Signed<Consistency>>,
    /// Phase 5a.
    pub survivors: Option<Signed<Survivors>>,
    /// Phase 5a ends.
    pub agreements: Vec<Signed<Agreement>>,
    /// Phase 5b.
    pub reveals: Vec<Signed<Reveal>>,
    /// Phase 6: what became of it.
    pub header: Option<Signed<Header>>,
    /// The evidence of the sum, where there is one.
    pub record: Option<RoundRecord>,
    /// Messages that were refused, counted by sender and reason code.
    pub rejections: Vec<(NodeId, u16, u32)>,
}

impl Transcript {
    /// The most bytes a reader accepts: the sum of 2²⁰ values and all messages of 64 members.
    pub const LIMIT: usize = 16 << 20;

    /// A transcript that holds only the plan.
    pub fn new(plan: Signed<Plan>) -> Self {
        Self {
            plan,
            roster: None,
            sealed: Vec::new(),
            closed: None,
            consistencies: Vec::new(),
            survivors: None,
            agreements: Vec::new(),
            reveals: Vec::new(),
            header: None,
            record: None,
            rejections: Vec::new(),
        }
    }
}
