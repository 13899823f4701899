//! What the swarm says: every message in protocol order, with one canonical byte form.
//!
//! It never decides anything, reads no clock, opens no socket and knows no tensor.
//! Everybody uses it: the rules build messages, the network carries them, the store and the
//! audit keep and read them.
//!
//! Reading order: [`id`], [`codec`], [`signed`], then one file per stretch of a round:
//! [`plan`] → [`round`] → [`chain`], what is kept ([`transcript`]) and how peers ask
//! ([`exchange`], [`invite`]).

mod bytes;
pub mod chain;
pub mod codec;
pub mod exchange;
pub mod id;
pub mod invite;
pub mod members;
pub mod plan;
pub mod round;
pub mod signed;
pub mod transcript;
mod verified;

pub use chain::{AbortReason, GateResult, Genesis, Header, Outcome, RoundRecord, RoundResult};
pub use codec::{DecodeError, WIRE_VERSION, decode, encode};
pub use exchange::{Gossip, Refusal, Request, Response, ToCoordinator, ToNode};
pub use id::{
    ClosedHash, ContentHash, CoordinatorId, HeaderHash, LedgerHash, ModelHash, NodeId, PlanHash,
    RecordHash, RosterHash, Round, SharesRoot, StateHash, SurvivorsHash, TaskId, VersionNumber,
};
pub use invite::{Invite, InviteError};
pub use members::{MAX_MEMBERS, MemberIndex, MemberSet};
pub use plan::{
    AdapterKind, AdapterSpec, CohortTerms, GridTerms, NoiseTerms, Plan, Precision, Projection,
    Recipe, ServerOptimizer, ServerRule, TrainingOptimizer, Windows,
};
pub use round::{
    Advertise, Agreement, Complaint, Consistency, Contribution, Enrol, Inbox, LedgerHead,
    MemberList, Reveal, RevealedShare, Roster, SealedShare, SealedShares, ShareKind, SharesClosed,
    Survivors,
};
pub use signed::{Checked, Signable, Signature, Signed, SignedError, sign_hash, verify_hash};
pub use transcript::{Transcript, TranscriptPart};
pub use verified::verifications;
