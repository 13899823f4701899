//! Everything that can go wrong here, and what to do about it.

use grid::Ratio;
use wire::{MAX_MEMBERS, MemberIndex};

use crate::SEALED_BYTES;

/// Why a step of secure aggregation was refused.
///
/// No message holds a secret: members, counts and positions only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecaggError {
    /// A member index beyond the largest roster.
    #[error("member {member} is outside every roster: places run from 0 to {}", MAX_MEMBERS - 1)]
    MemberOutOfRange {
        /// The place that was named.
        member: MemberIndex,
    },
    /// A public key that is not the one encoding of its point.
    #[error("the public key is not in canonical form; its member must generate a new one")]
    NonCanonicalKey,
    /// A public key that makes every agreement with it the same.
    #[error("the public key has low order, so it protects nothing; refuse its member")]
    LowOrderKey,
    /// A threshold that no sharing can have.
    #[error(
        "cannot share among {count} members with threshold {threshold}: 2 <= threshold <= members <= {MAX_MEMBERS}"
    )]
    SharingOutOfRange {
        /// Shares that must meet.
        threshold: usize,
        /// Shares that are made.
        count: usize,
    },
    /// Two shares of one secret from the same member.
    #[error("two shares come from member {member}; count each member's share once")]
    DuplicateShare {
        /// Whose share came twice.
        member: MemberIndex,
    },
    /// Fewer shares than the threshold.
    #[error(
        "{have} shares are not enough to recover a secret, {need} are needed; wait for more or abort the round"
    )]
    NotEnoughShares {
        /// Shares at hand.
        have: usize,
        /// The threshold.
        need: usize,
    },
    /// A roster whose size is not the one that the thresholds were made for.
    #[error("the roster has {roster} members, but the thresholds are for {expected}")]
    RosterSize {
        /// Members in the roster.
        roster: usize,
        /// Members that the thresholds are for.
        expected: usize,
    },
    /// A roster in which this member's place holds somebody else's keys.
    #[error("the roster does not hold this member's own keys at place {own}; refuse the roster")]
    NotInRoster {
        /// The place that should be ours.
        own: MemberIndex,
    },
    /// Sealed shares of a wrong size.
    #[error(
        "the sealed shares from member {source_member} are {length} bytes long instead of {SEALED_BYTES}; refuse them"
    )]
    SealedLength {
        /// Who sent them.
        source_member: MemberIndex,
        /// How long they are.
        length: usize,
    },
    /// Sealed shares that were changed, or sealed for another plan, roster or member.
    #[error(
        "the shares from member {source_member} do not open: changed, or sealed for another plan, roster or member; refuse them"
    )]
    SealBroken {
        /// Who sent them.
        source_member: MemberIndex,
    },
    /// A member without neighbour keys here: itself, or a place outside the roster.
    #[error("member {member} is not a neighbour of this member")]
    NotANeighbour {
        /// Who was named.
        member: MemberIndex,
    },
    /// A masking under another plan than the sharing.
    #[error(
        "the masks are asked for another plan than the one the shares were dealt under; refuse it"
    )]
    PlanChanged,
    /// A set of masking members that leaves this one out or could never be unmasked.
    #[error(
        "the masking members ({members}) are too few (at least {need}), reach outside the roster or leave out member {own}; stay out of this round"
    )]
    MaskingMembers {
        /// How many there are.
        members: usize,
        /// The threshold.
        need: usize,
        /// The member that was asked to mask.
        own: MemberIndex,
    },
    /// A value that is not below the modulus.
    #[error("the value at coordinate {coordinate} is not below 2^{bits}; reduce values first")]
    NotReduced {
        /// Which coordinate.
        coordinate: usize,
        /// The modulus is 2 to this.
        bits: u32,
    },
    /// A contribution that is no packed vector of the sum's length.
    #[error("the contribution of member {member} does not unpack")]
    NotPacked {
        /// Whose.
        member: MemberIndex,
        /// What is wrong with it.
        source: grid::GridError,
    },
    /// A vector of another length than the sum.
    #[error("a vector of {length} coordinates cannot be added to a sum of {expected}")]
    LengthMismatch {
        /// The vector's coordinates.
        length: usize,
        /// The sum's coordinates.
        expected: usize,
    },
    /// A second contribution of the same member.
    #[error("the contribution of member {member} is already in the sum; count every member once")]
    CountedTwice {
        /// Whose contribution it is.
        member: MemberIndex,
    },
    /// Recovered secrets that do not cover the round's members exactly once.
    #[error(
        "unmasking needs the seed of every survivor and the mask key of every other masking member, each once; member {member} breaks this"
    )]
    UnmaskingMembers {
        /// The first member that is missing, superfluous or there twice.
        member: MemberIndex,
    },
    /// Shares that agree with each other but not with what their owner announced.
    #[error(
        "the shares of member {owner} agree, but on another secret than it announced: it dealt wrong shares, or more than {tolerated} holders lie together; abort the round"
    )]
    WrongSecret {
        /// Whose secret it is.
        owner: MemberIndex,
        /// Lying holders that would have been found out.
        tolerated: usize,
    },
    /// Too many wrong shares.
    #[error(
        "too many of the {shares} shares of member {owner} are wrong to recover its secret (threshold {threshold}); wait for more shares or abort the round"
    )]
    Unrecoverable {
        /// Whose secret it is.
        owner: MemberIndex,
        /// Shares at hand.
        shares: usize,
        /// The threshold.
        threshold: usize,
    },
    /// Too few members for any secrecy against a lying coordinator.
    #[error("a roster of {members} members is too small: recruit at least {minimum}")]
    RosterTooSmall {
        /// Members in the roster.
        members: usize,
        /// The smallest roster.
        minimum: usize,
    },
    /// More members than the complete graph is made for.
    #[error(
        "a roster of {members} members is too large: at most {MAX_MEMBERS} until the sparse graph of neighbours is built"
    )]
    RosterTooLarge {
        /// Members in the roster.
        members: usize,
    },
    /// A third or more of the roster may be corrupt.
    #[error(
        "with {corrupt} of the roster corrupt, no threshold keeps one contribution secret: state a fraction under 1/3"
    )]
    TooManyCorrupt {
        /// γ.
        corrupt: Ratio,
    },
    /// A dropout that leaves fewer members than the threshold.
    #[error(
        "when {dropped} of {members} members drop out, fewer than the {threshold} that unmasking needs are left: plan for less dropout"
    )]
    DropoutTooLarge {
        /// Members in the roster.
        members: usize,
        /// Members that may drop out.
        dropped: usize,
        /// The threshold.
        threshold: usize,
    },
    /// A Merkle tree of nothing.
    #[error("a Merkle tree needs at least one leaf")]
    NoLeaves,
    /// A leaf that the tree does not have.
    #[error("the Merkle tree has {leaves} leaves, none at place {index}")]
    NoSuchLeaf {
        /// The place asked for.
        index: usize,
        /// How many leaves there are.
        leaves: usize,
    },
    /// An inbox whose sources are not in ascending order, each once.
    #[error(
        "an inbox lists its sources in ascending order, each once; member {member} is out of order"
    )]
    InboxOrder {
        /// The first source out of order.
        member: MemberIndex,
    },
}
