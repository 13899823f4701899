//! Everything that is refused here, each with its own reason.

use grid::GridError;
use wire::{Round, SignedError, VersionNumber};

/// Why a state cannot be read or the next one cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// The sum or the plan's terms do not fit the grid.
    #[error("the published sum does not fit its plan")]
    Grid(#[from] GridError),
    /// A sum of nobody's contributions.
    #[error("a sum needs at least one survivor")]
    NoSurvivors,
    /// A plan whose grid has no units.
    #[error("the plan's scale is 0: give at least 1 grid unit per 2^32 parameter units")]
    ZeroScale,
    /// State and plan are of different adapters.
    #[error(
        "the state has {state} parameters, but the plan trains {plan}: they are of different tasks"
    )]
    Dimension {
        /// Parameters of the state.
        state: usize,
        /// Parameters of the plan.
        plan: usize,
    },
    /// A decay rate that keeps everything or more.
    #[error("the plan's {name} is {value_q32}/2^32: give less than 1")]
    Decay {
        /// Which rate.
        name: &'static str,
        /// Its value in units of 2^-32.
        value_q32: u64,
    },
    /// An adaptive rule without a floor under its denominator.
    #[error("the plan's τ is 0, which leaves 0/0: give at least 2^-32")]
    ZeroTau,
    /// A number grew out of range.
    #[error(
        "coordinate {index} of the {vector} is not a finite number: lower the server's learning rate"
    )]
    NotFinite {
        /// Which vector.
        vector: &'static str,
        /// Which coordinate.
        index: usize,
    },
    /// The calling thread computes with other rules than the rest of the swarm.
    #[error(
        "this thread flushes subnormal numbers to zero and would compute another version than the \
         swarm: compute on a thread that no numerical library has configured"
    )]
    FlushesSubnormals,
    /// Bytes that are no state.
    #[error("not the state of a version: the first bytes are not \"murstate\"")]
    NotAState,
    /// A format that this build does not know.
    #[error(
        "state format {found}, where this build reads {}: update this program",
        crate::state::FORMAT
    )]
    Format {
        /// The format byte that was found.
        found: u8,
    },
    /// A server rule that this build does not know.
    #[error("moments of the unknown server rule {found}: update this program")]
    UnknownRule {
        /// The rule byte that was found.
        found: u8,
    },
    /// Cut or extended.
    #[error("a state of {expected} bytes stands in {found} bytes: fetch it again")]
    Length {
        /// Bytes that the header announces; `u64::MAX` if more than can be counted.
        expected: u64,
        /// Bytes that were given.
        found: u64,
    },
}

/// Why a header is not the next link. The chain is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// Not signed by the task's coordinator, or not a header.
    #[error("a header that the task's coordinator did not sign in this form")]
    Signature(#[from] SignedError),
    /// A header of another task.
    #[error("header {index} belongs to another task")]
    Task {
        /// The header's place.
        index: u64,
    },
    /// A header that the chain holds already.
    #[error("header {index} is already in the chain")]
    Known {
        /// The header's place.
        index: u64,
    },
    /// Another header stands at this place: the coordinator signed two histories.
    #[error(
        "fork: the coordinator signed two different headers for place {index}; keep both as evidence"
    )]
    Fork {
        /// The place that was signed twice.
        index: u64,
    },
    /// Headers between are missing.
    #[error("header {found} where {expected} is next: fetch the headers from {expected} on")]
    Index {
        /// The next place.
        expected: u64,
        /// The header's place.
        found: u64,
    },
    /// It does not build on the chain's head: with a good signature, evidence of a fork.
    #[error(
        "header {index} does not name the chain's head as its parent: the coordinator signed another history"
    )]
    Parent {
        /// The header's place.
        index: u64,
    },
    /// The round counter fell or stood still.
    #[error("header {index} is of round {found}, after round {last}: a round is never used twice")]
    Round {
        /// The header's place.
        index: u64,
        /// The last round of the chain.
        last: Round,
        /// The header's round.
        found: Round,
    },
    /// The version number does not follow.
    #[error("header {index} says version {found} where its outcome makes it {expected}")]
    Version {
        /// The header's place.
        index: u64,
        /// What the outcome makes it.
        expected: VersionNumber,
        /// What the header says.
        found: VersionNumber,
    },
    /// A version was issued although its loss is above the limit.
    #[error(
        "header {index} issues a version that its own gate refuses ({loss_micro} above {limit_micro} millionths)"
    )]
    IssuedButFailed {
        /// The header's place.
        index: u64,
        /// The candidate's loss.
        loss_micro: u64,
        /// The limit.
        limit_micro: u64,
    },
    /// A candidate was refused although its loss is within the limit.
    #[error(
        "header {index} refuses a version that its own gate passes ({loss_micro} within {limit_micro} millionths)"
    )]
    RefusedButPassed {
        /// The header's place.
        index: u64,
        /// The candidate's loss.
        loss_micro: u64,
        /// The limit.
        limit_micro: u64,
    },
    /// A rollback to a version that never was.
    #[error("header {index} rolls back to version {to}, which was never issued")]
    UnknownVersion {
        /// The header's place.
        index: u64,
        /// The version that it names.
        to: VersionNumber,
    },
    /// A rollback that brings another state than that version's.
    #[error("header {index} rolls back to version {to} with a state that is not that version's")]
    RollbackState {
        /// The header's place.
        index: u64,
        /// The version that it names.
        to: VersionNumber,
    },
}
