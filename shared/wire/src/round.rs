//! The messages of a round after its plan, in protocol order (ARCHITECTURE.md, *A round*).
//! Nodes sign what they send; the coordinator signs what everybody must see alike.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    id::{
        ClosedHash, CoordinatorId, LedgerHash, NodeId, PlanHash, RosterHash, Round, SharesRoot,
        SurvivorsHash, TaskId,
    },
    members::{MemberIndex, MemberSet},
    signed::{Signable, Signed},
};

/// Asks to become a member, with the one-time secret of an invite. Signed by the node.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrol {
    /// Which task.
    pub task: TaskId,
    /// The invite's secret.
    pub secret: [u8; 32],
}

impl fmt::Debug for Enrol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Enrol({:?})", self.task)
    }
}

impl Signable for Enrol {
    const DOMAIN: &'static str = "murmuration enrol v1";
    const LIMIT: usize = 128;
    type Signer = NodeId;
}

/// Who may take part, from a revision on. Signed by the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberList {
    /// Which task.
    pub task: TaskId,
    /// Rises with every change.
    pub revision: u64,
    /// The members, ascending.
    pub members: Vec<NodeId>,
}

impl Signable for MemberList {
    const DOMAIN: &'static str = "murmuration members v1";
    const LIMIT: usize = 1 << 20;
    type Signer = CoordinatorId;
}

/// The newest entry of a node's ledger for one task: shown to others, so that a rolled-back
/// ledger is noticed. Signed by the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerHead {
    /// Which task's sub-chain.
    pub task: TaskId,
    /// Its entries so far.
    pub sequence: u64,
    /// The hash of the last of them; of the task id where there is none.
    pub head: LedgerHash,
}

impl Signable for LedgerHead {
    const DOMAIN: &'static str = "murmuration ledger head v1";
    const LIMIT: usize = 128;
    type Signer = NodeId;
}

/// Phase 2: a node takes part, with keys for this round alone. Signed by the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advertise {
    /// Which task.
    pub task: TaskId,
    /// Which round.
    pub round: Round,
    /// The plan that was accepted.
    pub plan: PlanHash,
    /// X25519 public key from which pairwise masks are agreed.
    pub mask_key: [u8; 32],
    /// X25519 public key under which shares are sealed.
    pub seal_key: [u8; 32],
    /// Commitment to the self-mask seed.
    pub seed_commitment: [u8; 32],
    /// The node's ledger of this task.
    pub ledger: Signed<LedgerHead>,
}

impl Signable for Advertise {
    const DOMAIN: &'static str = "murmuration advertise v1";
    const LIMIT: usize = 512;
    type Signer = NodeId;
}

/// Phase 2 ends: who advertised, ascending by node id. Signed by the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Which task.
    pub task: TaskId,
    /// Which round.
    pub round: Round,
    /// The plan.
    pub plan: PlanHash,
    /// What each member signed.
    pub members: Vec<Signed<Advertise>>,
}

impl Signable for Roster {
    const DOMAIN: &'static str = "murmuration roster v1";
    const LIMIT: usize = 64 * 640;
    type Signer = CoordinatorId;
}

/// A pair of Shamir shares (mask key, self-mask seed), sealed for one neighbour.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedShare {
    /// The other end: the target in [`SealedShares`], the source in [`Inbox`].
    pub member: MemberIndex,
    /// ChaCha20-Poly1305 ciphertext.
    #[serde(with = "crate::bytes")]
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for SealedShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedShare(member {}, {} bytes)", self.member, self.ciphertext.len())
    }
}

/// Phase 3: shares for every other member, ascending by target. Signed by the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedShares {
    /// Which task.
    pub task: TaskId,
    /// Which round.
    pub round: Round,
    /// The roster they were made for.
    pub roster: RosterHash,
    /// One for every other member.
    pub shares: Vec<SealedShare>,
}

impl Signable for SealedShares {
    const DOMAIN: &'static str = "murmuration sealed shares v1";
    const LIMIT: usize = 64 * 160;
    type Signer = NodeId;
}

/// Phase 3 ends: R2, whose shares arrived for everybody in time, and the Merkle root of the
/// inboxes. Signed by the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharesClosed {
    /// Which task.
    pub task: TaskId,
    /// Which round.
    pub round: Round,
    /// The plan.
    pub plan: PlanHash,
    /// The roster.
    pub roster: RosterHash,
    /// R2.
    pub members: MemberSet,
    /// Over the inboxes of all roster members.
    pub shares: SharesRoot,
}

impl Signable for SharesClosed {
    const DOMAIN: &'static str = "murmuration shares closed v1";
    const LIMIT: usize = 256;
    type Signer = CoordinatorId;
}

/// What the coordinator relays to one member of R2: the shares that all others sealed for it,
/// and the proof that they are the ones under the signed root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbox {
    /// R2 and the root.
    pub closed: Signed<SharesClosed>,
    /// From every other member of R2, ascending by source.
    pub shares: Vec<SealedShare>,
    /// Merkle path of this inbox.
    pub proof: Vec<[u8; 32]>,
}

/// Phase 3b: the node saw this plan, roster, R2 and root. Signed by the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// Which task.
    pub task: TaskId,
    /// Which round.
    pub round: Round,
    /// Covers plan, roster, R2 and root.
    pub closed: ClosedHash,
}

impl Signable for Consistency {
    const DOMAIN: &'static str = "murmuration consistency v1";
    const LIMIT: usize = 128;
    type Signer = NodeId;
}

/// Phase 3b: the node stays out, because shares that were dealt to it do not open. Signed by the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// Which task.
    pub task: TaskId,
    /// Which round.
    pub round: Round,
    /// The R2 and shares that it has seen.
    pub closed: ClosedHash,
    /// Whose shares do not open.
    pub dealers: MemberSet,
}

impl Signable for Complaint {
    const DOMAIN: &'static str = "murmuration complaint v1";
    const LIMIT: usize = 128;
    type Signer = NodeId;
}

/// Phase 4: clipped, quantised, noised, masked. Signed by the node.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// Which task.
    pub task: TaskId,
    /// Which round.
    pub round: Round,
    /// The R2 and shares that the masks are bound to.
    pub closed: ClosedHash,
    /// d′ values of b bits, packed little-endian.
    #[serde(with = "crate::bytes")]
    pub values: Vec<u8>,
}

impl fmt::Debug for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contribution(round {}, {} bytes)", self.round, self.values.len())
    }
}

impl Signable for Contribution {
    const DOMAIN: &'static str = "murmuration contribution v1";
    const LIMIT: usize = (1 << 20) * 4 + 256;
    type Signer = NodeId;
}

/// Phase 5a: U, whose contribution is in the sum. Signed by the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivors {
    /// Which task.
    pub task: TaskId,
    /// Which round.
    pub round: Round,
    /// The R2 that they are part of.
    pub closed: ClosedHash,
    /// U.
    pub members: MemberSet,
}

impl Signable for Survivors {
    const DOMAIN: &'static str = "murmuration survivors v1";
    const LIMIT: usize = 256;
    type Signer = CoordinatorId;
}

/// Phase 5a: the node agrees to one U in this round and to no other. Signed by the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Which task.
    pub task: TaskId,
    /// Which round.
    pub round: Round,
    /// The survivors' list.
    pub survivors: SurvivorsHash,
}

impl Signable for Agreement {
    const DOMAIN: &'static str = "murmuration agreement v1";
    const LIMIT: usize = 128;
    type Signer = NodeId;
}

/// Which secret of a member a share belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ShareKind {
    /// The self-mask seed of a survivor.
    Seed,
    /// The mask key of a member that dropped out.
    MaskKey,
}

/// One Shamir share, of one kind, of one member's secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevealedShare {
    /// Whose secret.
    pub member: MemberIndex,
    /// Which secret.
    pub kind: ShareKind,
    /// The share's value; its place is the revealer's.
    pub share: [u8; 32],
}

impl fmt::Debug for RevealedShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevealedShare({:?} of {})", self.kind, self.member)
    }
}

/// Phase 5b: exactly one kind of share for every member of R2, ascending. Signed by the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    /// Which task.
    pub task: TaskId,
    /// Which round.
    pub round: Round,
    /// The survivors' list that was agreed on.
    pub survivors: SurvivorsHash,
    /// One share for every member of R2.
    pub shares: Vec<RevealedShare>,
}

impl Signable for Reveal {
    const DOMAIN: &'static str = "murmuration reveal v1";
    const LIMIT: usize = 64 * 64;
    type Signer = NodeId;
}
