//! Every way a peer can be wrong. A rejection is counted, and the round goes on.

use thiserror::Error;
use wire::{MemberIndex, SignedError};

/// A peer's fault: the message is not taken, nothing else happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The signature or the form of the message is wrong.
    #[error("signature or form: {0}")]
    Signed(SignedError),
    /// For another task.
    #[error("for another task")]
    OtherTask,
    /// For a round that is not the present one: stale, replayed or early.
    #[error("for another round")]
    OtherRound,
    /// Not what is waited for in this phase.
    #[error("not waited for now")]
    OutOfPhase,
    /// For another plan, roster, R2 or survivors' list than the present one.
    #[error("made for other terms than those of this round")]
    OtherTerms,
    /// A second, different message where only one is allowed.
    #[error("contradicts an earlier message of the same sender")]
    Contradiction,
    /// The same message again.
    #[error("sent before")]
    Repeated,
    /// The sender is not on the list it must be on.
    #[error("the sender is not a member here")]
    NotAMember,
    /// Members out of order, twice, missing, or not ours.
    #[error("members are out of order, missing or too many")]
    Members,
    /// Keys that must not be used.
    #[error("member {0}: keys that must not be used")]
    Keys(MemberIndex),
    /// Too few for the plan's numbers.
    #[error("fewer than the plan demands")]
    TooFew,
    /// I am not among them.
    #[error("this node is left out")]
    LeftOut,
    /// A vector of the wrong length or with stray bits.
    #[error("a vector that does not have the plan's shape")]
    Shape,
    /// The Merkle proof does not lead to the signed root.
    #[error("not under the signed root of shares")]
    Proof,
    /// A share that does not open.
    #[error("the share of member {0} does not open")]
    SealBroken(MemberIndex),
    /// Shares that contradict the member's commitment.
    #[error("member {0} revealed a share that does not fit")]
    BadShare(MemberIndex),
    /// The commitment or key of a member does not fit its shares.
    #[error("member {0} dealt shares that do not fit its commitment")]
    BadDealing(MemberIndex),
    /// A header, record or state that does not follow from what is known.
    #[error("does not follow from the version before")]
    DoesNotFollow,
    /// No answer, where the round could not go on without it.
    #[error("did not answer, or not well, and the round was lost")]
    Missing,
    /// A version chain that differs from the one that is known.
    #[error("a fork: another history than the one that is known")]
    Fork,
}

impl Rejection {
    /// A stable number for transcripts.
    pub fn code(self) -> u16 {
        match self {
            Self::Signed(_) => 1,
            Self::OtherTask => 2,
            Self::OtherRound => 3,
            Self::OutOfPhase => 4,
            Self::OtherTerms => 5,
            Self::Contradiction => 6,
            Self::Repeated => 7,
            Self::NotAMember => 8,
            Self::Members => 9,
            Self::Keys(_) => 10,
            Self::TooFew => 11,
            Self::LeftOut => 12,
            Self::Shape => 13,
            Self::Proof => 14,
            Self::SealBroken(_) => 15,
            Self::BadShare(_) => 16,
            Self::BadDealing(_) => 17,
            Self::DoesNotFollow => 18,
            Self::Fork => 19,
            Self::Missing => 20,
        }
    }
}

impl From<SignedError> for Rejection {
    fn from(error: SignedError) -> Self {
        Self::Signed(error)
    }
}
