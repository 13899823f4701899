//! The one history: a genesis, then signed headers, each linked to the one before. A header names
//! by hash what it adds, so that the chain stays small and what it names can be fetched and
//! checked apart.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    codec::encode,
    id::{
        CoordinatorId, HeaderHash, ModelHash, RecordHash, Round, StateHash, TaskId, VersionNumber,
    },
    plan::{AdapterSpec, Plan},
    round::{Agreement, Roster, SharesClosed, Survivors},
    signed::{Signable, Signed},
};

/// What a task is, for ever. Its hash is the [`TaskId`], and the first header's parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// A name for people.
    pub name: String,
    /// Whose signature makes history.
    pub coordinator: CoordinatorId,
    /// The frozen base model.
    pub base: ModelHash,
    /// Which parameters are trained.
    pub adapter: AdapterSpec,
    /// How many they are (d).
    pub dimension: u32,
    /// The state of version 0.
    pub initial: StateHash,
}

impl Genesis {
    /// The most bytes a reader accepts.
    pub const LIMIT: usize = 1024;

    /// The task that this genesis begins.
    pub fn task(&self) -> TaskId {
        TaskId(blake3::derive_key("murmuration genesis v1", &encode(self)))
    }

    /// Whether it is short enough to be kept, and its name can be shown on a terminal without steering it.
    pub fn is_presentable(&self) -> bool {
        encode(self).len() <= Self::LIMIT && !self.name.chars().any(char::is_control)
    }

    /// What the first header names as its parent.
    pub fn head(&self) -> HeaderHash {
        HeaderHash(self.task().0)
    }
}

/// One step of the chain. Signed by the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Which task.
    pub task: TaskId,
    /// Place in the chain; the first header has 1.
    pub index: u64,
    /// The last round that a plan was signed for.
    pub round: Round,
    /// The newest global version after this step.
    pub version: VersionNumber,
    /// The header before; the genesis for the first.
    pub parent: HeaderHash,
    /// What happened.
    pub outcome: Outcome,
}

impl Signable for Header {
    const DOMAIN: &'static str = "murmuration header v1";
    const LIMIT: usize = 512;
    type Signer = CoordinatorId;
}

/// What a step of the chain adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// A new global version.
    Issued {
        /// The evidence: plan, survivors and sum.
        record: RecordHash,
        /// The state that follows from it.
        state: StateHash,
        /// How the candidate was judged.
        gate: GateResult,
    },
    /// A sum whose candidate failed the gate: recorded, its charges spent, state unchanged.
    Refused {
        /// The evidence: plan, survivors and sum.
        record: RecordHash,
        /// The state that would have followed.
        candidate: StateHash,
        /// How the candidate was judged.
        gate: GateResult,
    },
    /// A round without a sum.
    Aborted {
        /// Why.
        reason: AbortReason,
    },
    /// An earlier version's state (weights and optimiser state) becomes the newest version.
    RolledBack {
        /// The version that is restored.
        to: VersionNumber,
        /// Its state.
        state: StateHash,
    },
}

/// How a candidate was judged: losses on public held-out conversations, in millionths of a nat
/// per token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    /// The candidate's loss.
    pub loss_micro: u64,
    /// The largest loss that passes.
    pub limit_micro: u64,
}

impl GateResult {
    /// Whether the candidate may be issued.
    pub fn passes(self) -> bool {
        self.loss_micro <= self.limit_micro
    }
}

/// Why a round ended without a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AbortReason {
    /// Too few nodes advertised.
    TooFewAdvertised,
    /// Too few nodes sent their shares.
    TooFewShares,
    /// Too few nodes saw the same roster and shares.
    TooFewConsistent,
    /// Too few contributions arrived.
    TooFewContributions,
    /// Too few survivors agreed on who survived.
    TooFewAgreements,
    /// Too few shares were revealed, or they do not fit what was committed to.
    TooFewReveals,
    /// The coordinator was restarted before the sum was fixed.
    Interrupted,
    /// No threshold fits the roster's size with the plan's corrupt members and dropout.
    NoThreshold,
}

/// The evidence of one sum: whoever has the version before can compute the next from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundRecord {
    /// The terms.
    pub plan: Signed<Plan>,
    /// Who advertised.
    pub roster: Signed<Roster>,
    /// R2.
    pub closed: Signed<SharesClosed>,
    /// Who is in the sum.
    pub survivors: Signed<Survivors>,
    /// Their agreement.
    pub agreements: Vec<Signed<Agreement>>,
    /// d′ values of b bits, packed little-endian: the sum of the survivors' releases mod 2^b. Held by everybody who has
    /// the record: a coordinator sends one to every node.
    #[serde(with = "crate::bytes::shared")]
    pub sum: Arc<[u8]>,
}

impl RoundRecord {
    /// The most bytes a reader accepts.
    pub const LIMIT: usize = (1 << 20) * 4 + (1 << 17);

    /// The hash that a header names this record by.
    pub fn hash(&self) -> RecordHash {
        RecordHash(blake3::derive_key("murmuration round record v1", &encode(self)))
    }
}

/// Phase 6: what everybody needs to compute the next version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundResult {
    /// The new head of the chain.
    pub header: Signed<Header>,
    /// Its evidence; none for aborts and rollbacks.
    pub record: Option<RoundRecord>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AdapterKind;

    #[test]
    fn a_name_that_is_long_or_steers_a_terminal_is_not_presentable() {
        let named = |name: &str| Genesis {
            name: name.to_owned(),
            coordinator: CoordinatorId([1; 32]),
            base: ModelHash([2; 32]),
            adapter: AdapterSpec {
                kind: AdapterKind::FfaLora,
                rank: 4,
                alpha: 8,
                targets: Vec::new(),
                seed: [3; 32],
            },
            dimension: 2,
            initial: StateHash([4; 32]),
        };
        assert!(named("Zürich, 2026").is_presentable());
        for bad in ["up\u{1b}[1A", "two\nlines", &"x".repeat(Genesis::LIMIT)] {
            assert!(!named(bad).is_presentable(), "{bad:?}");
        }
    }
}
