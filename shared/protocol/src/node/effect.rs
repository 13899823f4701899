//! What goes into a node machine and what comes out: plain values.

use grid::Q40;
use privacy::Clipped;
use wire::{
    Header, LedgerHead, MemberIndex, ModelHash, NodeId, Plan, Recipe, RecordHash, Round,
    RoundRecord, Signed, StateHash, ToCoordinator, ToNode, VersionNumber,
};

use super::{Declined, journal::Journal, memory::Memory};
use crate::{
    job::{ContributeJob, DealJob, DealtOutput, Entropy, KeysJob, KeysOutput, Prepared},
    rejection::Rejection,
    time::Time,
};

/// What happened.
pub enum Input {
    /// The coordinator said something; nothing of it is verified yet.
    Message(ToNode),
    /// Headers that were asked for.
    Headers(Vec<Signed<Header>>),
    /// A state's bytes that were asked for.
    State(Vec<u8>),
    /// The evidence of a step that was asked for.
    Record {
        /// What was asked for.
        hash: RecordHash,
        /// The evidence; none where the coordinator no longer has it.
        record: Option<Box<RoundRecord>>,
    },
    /// Somebody else tells of a node's ledger.
    LedgerHead(Signed<LedgerHead>),
    /// Somebody else tells of a header.
    Header(Signed<Header>),
    /// The ordered training is done.
    Trained(Trained),
    /// The ordered training failed or was given up; why is the program's to tell its owner.
    TrainingFailed(TrainKey),
    /// An ordered job is done.
    Worked(Output),
    /// The time that was asked for has come.
    Wake,
    /// The owner wants to take part in no new round.
    Pause,
    /// The owner wants to go on.
    Resume,
    /// Whether there is anything to train on.
    Conversations(bool),
    /// The owner has looked at the unfinished rounds and goes on.
    Forgive,
}

/// What is to be done, in order.
pub enum Effect {
    /// Make durable before the next effect.
    Persist(Record),
    /// Send to the coordinator.
    Send(ToCoordinator),
    /// Hand back [`Input::Wake`] at this time; replaces an earlier wish.
    Wake(Time),
    /// Train locally, clip, hand back [`Input::Trained`].
    Train(TrainOrder),
    /// Run, hand back [`Input::Worked`].
    Work(Job),
    /// Ask the coordinator for headers from this place in the chain on.
    FetchHeaders {
        /// The first place wanted.
        from: u64,
    },
    /// Ask the coordinator for the bytes of this state.
    FetchState(StateHash),
    /// Ask the coordinator for the evidence of this step.
    FetchRecord(RecordHash),
    /// Count a peer's fault.
    Reject(Rejection),
    /// Tell the owner.
    Report(Event),
}

/// What must survive a restart.
#[derive(Clone, Debug)]
pub enum Record {
    /// The present round; replaces the one before.
    Round(Journal),
    /// What is remembered beyond the present round; replaces what was before.
    Memory(Memory),
    /// Bytes to append to the ledger file.
    Ledger(Vec<u8>),
    /// A header of another history, signed by the coordinator: evidence, for people.
    Fork(Signed<Header>),
    /// Steps of the chain, and the last state that is known of its versions.
    Chain {
        /// To append, in order.
        headers: Vec<Signed<Header>>,
        /// The evidence of the last of them.
        record: Option<Box<RoundRecord>>,
        /// The state up to which the chain's versions are known, where it is new.
        state: Option<Vec<u8>>,
    },
}

/// What to train, from where. The result is clipped before it comes back.
#[derive(Clone)]
pub struct TrainOrder {
    /// For which round.
    pub round: Round,
    /// Steps, batches, optimiser.
    pub recipe: Recipe,
    /// The adapter's parameters to start from.
    pub parameters: Vec<f32>,
    /// The L2 clip.
    pub clip: grid::Q32,
    /// What the update will be good for.
    pub key: TrainKey,
}

/// What a trained update is good for: any attempt with the same base version, adapter, clip and
/// recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainKey {
    base: ModelHash,
    version: VersionNumber,
    adapter: wire::AdapterSpec,
    clip_q32: u64,
    recipe: Recipe,
}

impl TrainKey {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            base: plan.base,
            version: plan.version,
            adapter: plan.adapter.clone(),
            clip_q32: plan.grid.clip_q32,
            recipe: plan.recipe.clone(),
        }
    }
}

/// A trained and clipped update.
pub struct Trained {
    /// From the order.
    pub key: TrainKey,
    /// The clipped update.
    pub update: Clipped,
}

impl Trained {
    /// Whether it may be used for this plan too.
    pub(super) fn fits(&self, plan: &Plan) -> bool {
        self.key == TrainKey::new(plan)
    }
}

/// Costly work of the node's side.
pub enum Job {
    /// Draw keys.
    Keys(KeysJob),
    /// Deal shares.
    Deal(DealJob),
    /// Quantise, noise, mask.
    Contribute(ContributeJob),
}

impl Job {
    /// Does the work.
    pub fn run(self, entropy: Entropy) -> Output {
        match self {
            Self::Keys(job) => Output::Keys(job.run(entropy)),
            Self::Deal(job) => Output::Dealt(job.run(entropy)),
            Self::Contribute(job) => Output::Prepared(job.run(entropy)),
        }
    }
}

/// What a [`Job`] gave.
pub enum Output {
    /// Of [`Job::Keys`].
    Keys(KeysOutput),
    /// Of [`Job::Deal`].
    Dealt(DealtOutput),
    /// Of [`Job::Contribute`].
    Prepared(Prepared),
}

/// What the owner may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A plan, or the cohort that came together for it, was refused.
    Refused {
        /// Which round.
        round: Round,
        /// Why.
        why: Declined,
        /// The number with which the node would have taken part, where one would.
        would_do: Option<String>,
    },
    /// A round begins.
    Began {
        /// Which.
        round: Round,
        /// What it will cost.
        rho: Q40,
    },
    /// The contribution was charged and is on its way.
    Contributed {
        /// Which round.
        round: Round,
        /// What it cost.
        rho: Q40,
    },
    /// The node stays out of the rest of a round.
    StayedOut {
        /// Which round.
        round: Round,
        /// Why.
        why: StayedOut,
    },
    /// A member's dealt shares did not open.
    BadDealer {
        /// Its place in the roster.
        member: MemberIndex,
    },
    /// A new version was recomputed from its sum and is now the newest.
    Adopted {
        /// Which version.
        version: VersionNumber,
    },
    /// A version was taken by its hash alone: by a node that joins, or because the coordinator no
    /// longer has the evidence of a step that this node has missed.
    AdoptedByHash {
        /// Which version.
        version: VersionNumber,
    },
    /// The coordinator has made an earlier version's state the newest version.
    Restored {
        /// Which version it is now.
        version: VersionNumber,
    },
    /// A signed version is not what its own published sum gives: this node goes no further with it.
    DoesNotFollow {
        /// Which version.
        version: VersionNumber,
    },
    /// A round ended without a new version.
    NoVersion {
        /// Which round.
        round: Round,
        /// Why, for people.
        why: &'static str,
    },
    /// Others have seen a later ledger of ours: the difference was charged.
    LedgerWasRolledBack {
        /// How many entries they have seen.
        later: u64,
    },
    /// A node has shown two ledgers of one length: one of them is a copy that was restored.
    LedgerForked {
        /// Whose.
        node: NodeId,
    },
    /// The coordinator has signed two histories; the evidence is kept.
    Forked {
        /// The place at which the other one differs from the one that is known here.
        index: u64,
    },
}

/// Why a node does not go on in a round that it joined. Nothing was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StayedOut {
    /// Its contribution was not ready in the window.
    #[error("its contribution was not ready in time")]
    Late,
    /// Shares that were dealt to it do not open.
    #[error("shares that were dealt to it do not open")]
    BadDealing,
    /// The budget no longer holds the charge.
    #[error("the budget no longer holds the charge")]
    Budget,
    /// Keys or masks could not be made.
    #[error("its keys or masks could not be made")]
    Secagg,
    /// The update could not be made private.
    #[error("its update could not be quantised and noised")]
    Privacy,
}
