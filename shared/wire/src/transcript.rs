//! What the coordinator keeps of every round, for the audit: all that it signed, all that it
//! accepted, in the order of the phases.

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

/// One round as the coordinator saw it. Advertise messages stand in the roster.
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
    /// Phase 4.
    pub contributions: Vec<Signed<Contribution>>,
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
    /// The most bytes a reader accepts: 64 contributions of 2²⁰ values and what belongs to them.
    pub const LIMIT: usize = 300 << 20;

    /// A transcript that holds only the plan.
    pub fn new(plan: Signed<Plan>) -> Self {
        Self {
            plan,
            roster: None,
            sealed: Vec::new(),
            closed: None,
            consistencies: Vec::new(),
            contributions: Vec::new(),
            survivors: None,
            agreements: Vec::new(),
            reveals: Vec::new(),
            header: None,
            record: None,
            rejections: Vec::new(),
        }
    }
}
