//! The node's side of a round.
//!
//! ```text
//! Waiting ─plan→ Training ─update→ Keying ─keys→ Advertising ─instant→ AwaitingRoster
//!   ─roster→ Dealing ─shares→ AwaitingInbox ─inbox→ AwaitingConsistency ─t signatures→ Preparing
//!   ─masked→ Holding ─instant: charge, then send→ AwaitingSurvivors ─U→ AwaitingAgreements
//!   ─t signatures→ AwaitingResult ─result→ Waiting
//! ```
//!
//! A result, or a newer plan, ends whatever was going on; secrets are wiped, and nothing has been
//! charged before the instant of sending. What was answered once is only ever answered with the
//! same bytes again ([`journal`]); after a restart that is all that happens in a round.

mod accepting;
mod advertising;
mod agreeing;
mod confirming;
mod context;
mod contributing;
mod dealing;
mod effect;
mod history;
pub mod journal;
pub mod memory;
mod quorum;
mod seen;
mod training;

use std::collections::BTreeSet;

use ed25519_dalek::SigningKey;
use privacy::{EntryKind, Ledger, Sampler};
use wire::{
    Checked, Genesis, Header, LedgerHead, NodeId, Plan, RecordHash, Round, RoundRecord, Signed,
    ToNode,
};

pub use accepting::Declined;
use advertising::{Advertising, AwaitingRoster, Keying};
use agreeing::{AwaitingAgreements, AwaitingResult, AwaitingSurvivors};
pub(crate) use confirming::inbox_leaf;
use confirming::{AwaitingConsistency, AwaitingInbox};
use context::Context;
use contributing::{Holding, Preparing};
use dealing::Dealing;
pub use effect::{Effect, Event, Input, Job, Output, Record, TrainOrder, Trained};
use history::History;
use journal::{Journal, Repeat};
use memory::Memory;
use seen::Seen;
use training::Training;

use crate::{policy::Policy, rejection::Rejection, time::Time};

/// What a node machine is made from: at the first start, and from saved state at every later one.
pub struct NodeStart {
    /// The node's identity.
    pub key: SigningKey,
    /// Its owner's limits.
    pub policy: Policy,
    /// Its ledger, opened and recovered.
    pub ledger: Ledger,
    /// The task's verified chain so far.
    pub chain: version::Chain,
    /// The last state that is known of the chain's versions; none until one has been fetched.
    pub state: Option<version::State>,
    /// The round that was going on, as last persisted.
    pub journal: Option<Journal>,
    /// What it remembers of earlier rounds, as last persisted.
    pub memory: Option<Memory>,
    /// Who draws its noise.
    pub sampler: Sampler,
    /// Whether there is anything to train on.
    pub has_conversations: bool,
}

/// The node's side of the protocol. Same inputs, times and job outputs: same effects.
pub struct Node {
    key: SigningKey,
    id: NodeId,
    policy: Policy,
    ledger: Ledger,
    history: History,
    journal: Journal,
    memory: Memory,
    trained: Option<Trained>,
    seen: Seen,
    /// A plan that builds on steps of the chain, or on a state, that are being fetched.
    pending: Option<Checked<Plan>>,
    phase: Phase,
    paused: bool,
    sampler: Sampler,
    has_conversations: bool,
}

/// What the node waits for.
enum Phase {
    Waiting,
    Training(Training),
    Keying(Keying),
    Advertising(Advertising),
    AwaitingRoster(AwaitingRoster),
    Dealing(Dealing),
    AwaitingInbox(AwaitingInbox),
    AwaitingConsistency(AwaitingConsistency),
    Preparing(Preparing),
    Holding(Holding),
    AwaitingSurvivors(AwaitingSurvivors),
    AwaitingAgreements(AwaitingAgreements),
    AwaitingResult(AwaitingResult),
}

impl Node {
    /// Starts or restarts a node. The effects resend what was on its way when it stopped.
    pub fn start(start: NodeStart, effects: &mut Vec<Effect>) -> Self {
        let NodeStart { key, policy, ledger, chain, state, journal, memory, .. } = start;
        let NodeStart { sampler, has_conversations, .. } = start;
        let id = NodeId(key.verifying_key().to_bytes());
        let history = History::new(chain, state);
        let mut journal = journal.unwrap_or_default();
        let dropped = journal.drop_unsent(&ledger) | journal.drop_keyless();
        let ending = history.ending_of(journal.round());
        let ended = ending.is_some_and(|summed| journal.end(summed));
        if dropped || ended {
            effects.push(Effect::Persist(Record::Round(journal.clone())));
        }
        let mut memory = memory.unwrap_or_default();
        if ledger.entries().last().is_some_and(|e| matches!(e.kind, EntryKind::Penalty(_))) {
            memory.lose(journal.round());
        }
        effects.extend(journal.answers().map(|message| Effect::Send(message.clone())));
        match history.is_joining() {
            true => history.want_headers(effects),
            false => history.ask(effects),
        }
        Self {
            key,
            id,
            policy,
            ledger,
            history,
            journal,
            memory,
            trained: None,
            seen: Seen::default(),
            pending: None,
            phase: Phase::Waiting,
            paused: false,
            sampler,
            has_conversations,
        }
    }

    /// Takes one input and appends what is to be done about it.
    pub fn handle(&mut self, input: Input, now: Time, effects: &mut Vec<Effect>) {
        match input {
            Input::Message(message) => self.hear(message, now, effects),
            Input::Headers(headers) => self.catch_up(&headers, now, effects),
            Input::State(bytes) => {
                let wrong = self.history.take_state(&bytes, effects);
                self.reject_if(wrong, effects);
                self.take_up(now, effects);
            }
            Input::Record { hash, record } => self.catch_up_one(hash, record, now, effects),
            Input::LedgerHead(head) => self.hear_head(&head, now, effects),
            Input::Header(header) => self.history.compare(&header, effects),
            Input::Pause => self.paused = true,
            Input::Resume => self.paused = false,
            Input::Conversations(any) => self.has_conversations = any,
            Input::Forgive => self.journal.forgive(),
            Input::TrainingFailed(key) => {
                if matches!(&self.phase, Phase::Training(training) if training.is_for(&key)) {
                    self.phase = Phase::Waiting;
                }
            }
            Input::Trained(update) => self.step(Step::Trained(update), now, effects),
            Input::Worked(output) => self.step(Step::Worked(output), now, effects),
            Input::Wake => self.step(Step::Wake, now, effects),
        }
    }

    /// Which node this is.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The ledger, for status and budget.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The verified chain.
    pub fn chain(&self) -> &version::Chain {
        self.history.chain()
    }

    /// The newest version's state, once it is known.
    pub fn state(&self) -> Option<&version::State> {
        self.history.state()
    }

    /// The owner's limits.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What the node remembers of earlier rounds, for `status` and `budget`.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What the node waits for, for `status`.
    pub fn waits_for(&self) -> &'static str {
        match &self.phase {
            Phase::Waiting => "the next plan",
            Phase::Training(_) => "its own training",
            Phase::Keying(_) => "its keys",
            Phase::Advertising(_) => "its instant to advertise",
            Phase::AwaitingRoster(_) => "the roster",
            Phase::Dealing(_) => "its shares",
            Phase::AwaitingInbox(_) => "the others' shares",
            Phase::AwaitingConsistency(_) => "signatures on the same roster and shares",
            Phase::Preparing(_) => "its noise and masks",
            Phase::Holding(_) => "its instant to contribute",
            Phase::AwaitingSurvivors(_) => "the list of survivors",
            Phase::AwaitingAgreements(_) => "signatures on the same survivors",
            Phase::AwaitingResult(_) => "the round's result",
        }
    }

    fn genesis(&self) -> &Genesis {
        self.history.chain().genesis()
    }

    fn hear(&mut self, message: ToNode, now: Time, effects: &mut Vec<Effect>) {
        match message {
            ToNode::Plan(plan) => self.consider(&plan, now, effects),
            ToNode::Result(result) => {
                let mut outcome = self.history.follow(&result, effects);
                self.reject_if(outcome.rejection.take(), effects);
                // A sum that leaves this node out has used its charge as little as an abort has.
                let counted = outcome.summed && outcome.met.contains(&self.id);
                self.meet(std::mem::take(&mut outcome.met), effects);
                if outcome.ends(self.journal.round()) {
                    let own = outcome.round == Some(self.journal.round());
                    self.end_round(counted && own, effects);
                }
                self.take_up(now, effects);
            }
            ToNode::LaterHead(head) => self.charge_missing(&head, now, effects),
            ToNode::Members(_) => {}
            message => match self.journal.repeated(&message) {
                Repeat::No => self.step(Step::Message(message), now, effects),
                Repeat::Same(answer) => effects.push(Effect::Send(answer)),
                Repeat::Contradicts => effects.push(Effect::Reject(Rejection::Contradiction)),
            },
        }
    }

    /// Takes headers that were missed. They may end the round that was going on, and a plan may have
    /// waited for them; one that still builds on something else when nothing more comes is forgotten.
    fn catch_up(&mut self, headers: &[Signed<Header>], now: Time, effects: &mut Vec<Effect>) {
        let before = self.history.chain().head();
        let fork = self.history.catch_up(headers, effects);
        self.reject_if(fork, effects);
        if let Some(summed) = self.history.ending_of(self.journal.round()) {
            self.end_round(summed, effects);
        }
        let head = self.history.chain().head();
        let elsewhere = self.pending.as_ref().is_some_and(|plan| plan.head != head);
        let grew = head != before;
        // There may be more; a node that joins takes only the newest version by its hash.
        let more = grew && (elsewhere || self.history.is_joining());
        if more {
            self.history.want_headers(effects);
        } else if elsewhere {
            self.pending = None;
        }
        if !(more && self.history.is_joining()) {
            self.history.ask(effects);
        }
        self.take_up(now, effects);
    }

    /// Takes the evidence of a step that was missed: only that shows that its round gave a sum, and whether
    /// this node is in it.
    fn catch_up_one(
        &mut self,
        hash: RecordHash,
        record: Option<Box<RoundRecord>>,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        match self.history.take_record(hash, record.as_deref(), effects) {
            Ok(Some((round, met))) => {
                let counted = met.contains(&self.id);
                self.meet(met, effects);
                if counted && self.journal.summed(round) {
                    effects.push(Effect::Persist(Record::Round(self.journal.clone())));
                }
            }
            Ok(None) => {}
            Err(rejection) => effects.push(Effect::Reject(rejection)),
        }
        self.take_up(now, effects);
    }

    fn end_round(&mut self, summed: bool, effects: &mut Vec<Effect>) {
        self.ledger.withdraw();
        if let Some(trained) = std::mem::replace(&mut self.phase, Phase::Waiting).into_trained() {
            self.trained = Some(trained);
        }
        if self.journal.end(summed) {
            effects.push(Effect::Persist(Record::Round(self.journal.clone())));
        }
    }

    /// Remembers who was in a sum that has just been verified.
    fn meet(&mut self, members: BTreeSet<NodeId>, effects: &mut Vec<Effect>) {
        if self.memory.met(members) {
            effects.push(Effect::Persist(Record::Memory(self.memory.clone())));
        }
    }

    /// Promise 3: somebody has seen a later head of our own ledger than we have.
    fn charge_missing(&mut self, head: &Signed<LedgerHead>, now: Time, effects: &mut Vec<Effect>) {
        let head = match head.check(self.id) {
            Ok(head) if head.task == self.history.chain().task() => head,
            Ok(_) => return effects.push(Effect::Reject(Rejection::OtherTask)),
            Err(error) => return effects.push(Effect::Reject(error.into())),
        };
        if let Ok(Some(entry)) = self.ledger.reconcile(&head, now.0) {
            effects.push(Effect::Persist(Record::Ledger(entry.into_vec())));
            self.memory.lose(self.journal.round().max(self.history.chain().last_round()));
            effects.push(Effect::Persist(Record::Memory(self.memory.clone())));
            effects.push(Effect::Report(Event::LedgerWasRolledBack { later: head.sequence }));
        }
    }

    /// Somebody tells of a ledger: of this node's own, or of one that its owner may show shorter again.
    fn hear_head(&mut self, head: &Signed<LedgerHead>, now: Time, effects: &mut Vec<Effect>) {
        if head.claimed_signer() == self.id {
            return self.charge_missing(head, now, effects);
        }
        match head.check(head.claimed_signer()) {
            Ok(head) if head.task == self.history.chain().task() => {
                context::tell_of(self.seen.heard(&head), effects);
            }
            Ok(_) => effects.push(Effect::Reject(Rejection::OtherTask)),
            Err(error) => effects.push(Effect::Reject(error.into())),
        }
    }

    fn reject_if(&self, rejection: Option<Rejection>, effects: &mut Vec<Effect>) {
        effects.extend(rejection.map(Effect::Reject));
    }

    fn step(&mut self, step: Step, now: Time, effects: &mut Vec<Effect>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Waiting);
        let mut context = Context {
            key: &self.key,
            id: self.id,
            genesis: self.history.chain().genesis(),
            policy: &self.policy,
            memory: &mut self.memory,
            sampler: self.sampler,
            ledger: &mut self.ledger,
            journal: &mut self.journal,
            seen: &mut self.seen,
            now,
            effects,
        };
        let before = context.effects.len();
        let rang = matches!(step, Step::Wake);
        self.phase = phase.handle(step, &mut context);
        // An alarm that rang early is set again.
        let set = effects[before..].iter().any(|effect| matches!(effect, Effect::Wake(_)));
        if let Some(at) = self.phase.alarm().filter(|at| rang && !set && *at > now) {
            effects.push(Effect::Wake(at));
        }
    }
}

/// What a phase may be waiting for.
enum Step {
    Message(ToNode),
    Trained(Trained),
    Worked(Output),
    Wake,
}

impl Phase {
    fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match self {
            Self::Waiting => context.out_of_phase(step, Self::Waiting),
            Self::Training(phase) => phase.handle(step, context),
            Self::Keying(phase) => phase.handle(step, context),
            Self::Advertising(phase) => phase.handle(step, context),
            Self::AwaitingRoster(phase) => phase.handle(step, context),
            Self::Dealing(phase) => phase.handle(step, context),
            Self::AwaitingInbox(phase) => phase.handle(step, context),
            Self::AwaitingConsistency(phase) => phase.handle(step, context),
            Self::Preparing(phase) => phase.handle(step, context),
            Self::Holding(phase) => phase.handle(step, context),
            Self::AwaitingSurvivors(phase) => phase.handle(step, context),
            Self::AwaitingAgreements(phase) => phase.handle(step, context),
            Self::AwaitingResult(phase) => phase.handle(step, context),
        }
    }

    /// When the phase must look at the clock again.
    fn alarm(&self) -> Option<Time> {
        match self {
            Self::Advertising(phase) => Some(phase.alarm()),
            Self::Holding(phase) => Some(phase.alarm()),
            _ => None,
        }
    }

    /// The trained update, where noise has not been ordered for it: good for the next attempt.
    fn into_trained(self) -> Option<Trained> {
        match self {
            Self::Keying(phase) => Some(phase.into_trained()),
            Self::Advertising(phase) => Some(phase.into_trained()),
            Self::AwaitingRoster(phase) => Some(phase.into_trained()),
            Self::Dealing(phase) => Some(phase.into_trained()),
            Self::AwaitingInbox(phase) => Some(phase.into_trained()),
            _ => None,
        }
    }
}

/// The rounds of a node's ledger and journal.
impl Node {
    /// The attempt that the node last took part in.
    pub fn round(&self) -> Round {
        self.journal.round()
    }
}
