//! What goes into a coordinator machine and what comes out: plain values.

use std::collections::BTreeSet;

use grid::Q40;
use version::State;
use wire::{
    AbortReason, Contribution, GateResult, Header, LedgerHead, NodeId, Round, RoundRecord, Signed,
    StateHash, ToCoordinator, ToNode, Transcript, VersionNumber,
};

use super::Conduct;
use crate::{
    job::{Fault, UnmaskJob, Unmasked},
    rejection::Rejection,
    terms::PlanFault,
    time::Time,
};

/// What happened.
pub enum Input {
    /// Begin a round, with a seed for its rotation from the operating system.
    Begin {
        /// The seed.
        rotation_seed: [u8; 32],
    },
    /// Make an earlier version the newest one again.
    RollBack {
        /// Which.
        to: VersionNumber,
        /// Its state.
        state: Box<State>,
    },
    /// A member has connected.
    Connected(NodeId),
    /// A member has gone.
    Disconnected(NodeId),
    /// A member says something; nothing of it is verified yet.
    Message {
        /// Who.
        from: NodeId,
        /// What.
        message: ToCoordinator,
    },
    /// The ordered unmasking is done.
    Unmasked(Unmasked),
    /// The ordered judgement is done.
    Judged {
        /// The candidate's loss on the gate's conversations, in millionths of a nat per token.
        loss_micro: u64,
    },
    /// The time that was asked for has come.
    Wake,
}

/// What is to be done, in order.
pub enum Effect {
    /// Make durable before the next effect.
    Persist(Record),
    /// Send to one node, if it is connected.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: ToNode,
    },
    /// Hand back [`Input::Wake`] at this time; replaces an earlier wish.
    Wake(Time),
    /// Run, hand back [`Input::Unmasked`].
    Unmask(Box<UnmaskJob>),
    /// Measure a candidate on the gate's conversations, hand back [`Input::Judged`].
    Judge(Box<State>),
    /// Count a peer's fault.
    Reject {
        /// Whose.
        from: NodeId,
        /// What.
        why: Rejection,
    },
    /// Tell the operator.
    Report(Event),
}

/// What must survive a restart.
#[derive(Clone, Debug)]
pub enum Record {
    /// The present round but for its contributions; replaces the one before. All contributions of the round are
    /// durable before it.
    Round(Box<Transcript>),
    /// A contribution that was accepted, to append to those of the present round. It may be lost until the next
    /// [`Record::Round`]: before that nobody has been told what depends on it.
    Contribution(Signed<Contribution>),
    /// The highest ledger heads seen; replaces those before.
    Heads(Vec<Signed<LedgerHead>>),
    /// Who has spoilt rounds; replaces what was before.
    Conduct(Box<Conduct>),
    /// A step of the chain, its evidence and the new state: all of it or nothing.
    Step {
        /// To append.
        header: Signed<Header>,
        /// The evidence, where there is a sum.
        record: Option<Box<RoundRecord>>,
        /// The new version's state, where there is one.
        state: Option<Vec<u8>>,
    },
    /// A round's transcript, to keep for the audit behind the round's contributions; the present round is over.
    Finished(Box<Transcript>),
}

/// What the operator may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The configured terms make no round.
    Unplannable(PlanFault),
    /// A round begins.
    Began {
        /// Which.
        round: Round,
        /// What it costs each contributor.
        rho: Q40,
    },
    /// The roster is closed.
    Rostered {
        /// Which round.
        round: Round,
        /// How many are on it.
        members: usize,
    },
    /// Survivors are fixed.
    Survived {
        /// Which round.
        round: Round,
        /// How many are in the sum.
        survivors: usize,
        /// How many dealt shares.
        members: usize,
    },
    /// A member's share did not fit; the sum came out all the same, or not.
    Faulty {
        /// Which round.
        round: Round,
        /// What did not fit.
        fault: Fault,
        /// Who revealed it.
        node: Option<NodeId>,
    },
    /// A new version.
    Issued {
        /// Which round.
        round: Round,
        /// Which version.
        version: VersionNumber,
        /// Its state.
        state: StateHash,
        /// How it was judged.
        gate: GateResult,
    },
    /// A candidate that failed the gate.
    Refused {
        /// Which round.
        round: Round,
        /// How it was judged.
        gate: GateResult,
    },
    /// No sum.
    Aborted {
        /// Which round.
        round: Round,
        /// Why.
        reason: AbortReason,
        /// Who was missing, or failed, where it could not go on.
        spoilt_by: BTreeSet<NodeId>,
    },
    /// Whoever has spoilt the last rounds is left out of this one.
    LeftOut {
        /// Which round.
        round: Round,
        /// Who.
        node: NodeId,
    },
    /// One member's word stands against another's: nobody can tell yet who is wrong.
    Disagreed {
        /// Which round.
        round: Round,
        /// Who could not use what it was dealt, or revealed what does not fit.
        one: NodeId,
        /// Who dealt it.
        other: NodeId,
    },
    /// A member has spoilt a round that came to its end all the same.
    Spoilt {
        /// Which round.
        round: Round,
        /// Who.
        node: NodeId,
    },
    /// An earlier round is finished after a restart.
    Resumed {
        /// Which.
        round: Round,
    },
    /// A rollback that is not possible now, or to nothing.
    CannotRollBack {
        /// The version that was asked for.
        to: VersionNumber,
    },
}
