//! The coordinator's side of a round.
//!
//! ```text
//! Resting ─begin→ Recruiting ─roster→ Sharing ─R2→ Confirming ─t signatures→ Collecting
//!   ─contributions→ Agreeing ─t agreements→ Revealing ─shares→ Unmasking ─sum→ Judging
//!   ─loss→ Resting, with a new header: issued or refused
//! ```
//!
//! Every phase may end in a signed abort instead. What the coordinator is trusted with is small:
//! it cannot read a contribution, and nodes recompute every step. It persists what it must not
//! contradict after a restart before it says it (ARCHITECTURE.md, *A round*: restart rule).

mod agreeing;
mod collecting;
mod conduct;
mod confirming;
mod context;
mod contributed;
mod effect;
mod issuing;
mod pace;
mod recruiting;
mod restart;
mod revealing;
mod settings;
mod sharing;
mod unfinished;

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::SigningKey;
use version::{Chain, State};
use wire::{
    Checked, CoordinatorId, LedgerHead, NodeId, Outcome, Plan, Round, RoundResult, Signed,
    ToCoordinator, ToNode, Transcript, VersionNumber,
};

use agreeing::Agreeing;
use collecting::Collecting;
pub use conduct::Conduct;
use confirming::Confirming;
use context::Context;
pub use effect::{Effect, Event, Input, Record};
use issuing::{Judging, Unmasking};
use pace::Pace;
use recruiting::Recruiting;
use revealing::Revealing;
pub use settings::{Settings, SettingsError};
use sharing::Sharing;
pub use unfinished::{Unfinished, UnfinishedError};

use crate::{rejection::Rejection, terms::Terms, time::Time};

/// What a coordinator machine is made from.
pub struct CoordinatorStart {
    /// Whose signature makes history.
    pub key: SigningKey,
    /// The terms that it offers.
    pub settings: Settings,
    /// The task's chain so far.
    pub chain: Chain,
    /// The state of its newest version.
    pub state: State,
    /// The loss of version 0 on the gate's conversations, in millionths of a nat per token.
    pub base_loss_micro: u64,
    /// The round that was going on, as last persisted.
    pub round: Option<Unfinished>,
    /// The highest ledger head seen of every node.
    pub heads: Vec<Signed<LedgerHead>>,
    /// Who has spoilt rounds, as last persisted.
    pub conduct: Conduct,
}

/// The coordinator's side of the protocol. Same inputs, times and job outputs: same effects.
pub struct Coordinator {
    key: SigningKey,
    settings: Settings,
    chain: Chain,
    state: State,
    base_loss_micro: u64,
    last_round: Round,
    present: BTreeSet<NodeId>,
    heads: BTreeMap<NodeId, Checked<LedgerHead>>,
    /// How often news of a node's ledger were persisted in this round.
    heads_kept: BTreeMap<NodeId, u32>,
    pace: Pace,
    conduct: Conduct,
    /// As it was last persisted.
    kept_conduct: Conduct,
    phase: Phase,
}

/// What the coordinator waits for.
enum Phase {
    Resting,
    Recruiting(Recruiting),
    Sharing(Sharing),
    Confirming(Confirming),
    Collecting(Collecting),
    Agreeing(Agreeing),
    Revealing(Revealing),
    Unmasking(Unmasking),
    Judging(Judging),
}

/// How often in a round the heads of all nodes are written down for news of one: it contributes once, and may
/// be charged for a backup. One that signs longer and longer heads is only remembered, and written down with
/// the next roster.
const HEADS_KEPT: u32 = 4;

/// What a phase may be waiting for.
enum Step {
    Message { from: NodeId, message: ToCoordinator },
    Unmasked(crate::job::Unmasked),
    Judged { loss_micro: u64 },
    Wake,
    Gone,
}

impl Coordinator {
    /// Starts or restarts a coordinator: a round whose sum was fixed is finished, any other one
    /// that was going on is aborted.
    pub fn start(start: CoordinatorStart, now: Time, effects: &mut Vec<Effect>) -> Self {
        let CoordinatorStart { key, settings, chain, state, base_loss_micro, .. } = start;
        let CoordinatorStart { round, heads, conduct, .. } = start;
        let heads = heads
            .into_iter()
            .filter_map(|head| head.check(head.claimed_signer()).ok())
            .map(|head| (head.signer(), head))
            .collect();
        let mut coordinator = Self {
            key,
            pace: Pace::new(settings.windows),
            kept_conduct: conduct.clone(),
            conduct,
            settings,
            last_round: chain.last_round(),
            chain,
            state,
            base_loss_micro,
            present: BTreeSet::new(),
            heads,
            heads_kept: BTreeMap::new(),
            phase: Phase::Resting,
        };
        if let Some(unfinished) = round {
            coordinator.resume(unfinished, now, effects);
        }
        coordinator
    }

    /// Takes one input and appends what is to be done about it.
    pub fn handle(&mut self, input: Input, now: Time, effects: &mut Vec<Effect>) {
        match input {
            Input::Begin { rotation_seed } => self.begin(rotation_seed, now, effects),
            Input::RollBack { to, state } => self.roll_back(to, *state, effects),
            Input::Connected(node) => self.welcome(node, effects),
            Input::Disconnected(node) => {
                self.present.remove(&node);
                self.step(Step::Gone, now, effects);
            }
            Input::Message { from, message: ToCoordinator::LaterHead(head) } => {
                self.hear_head(from, &head, effects);
            }
            Input::Message { from, message } => {
                self.step(Step::Message { from, message }, now, effects);
            }
            Input::Unmasked(unmasked) => self.step(Step::Unmasked(unmasked), now, effects),
            Input::Judged { loss_micro } => self.step(Step::Judged { loss_micro }, now, effects),
            Input::Wake => self.step(Step::Wake, now, effects),
        }
    }

    /// The verified chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The newest version's state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether a new round may begin.
    pub fn is_resting(&self) -> bool {
        matches!(self.phase, Phase::Resting)
    }

    /// Who is connected.
    pub fn present(&self) -> &BTreeSet<NodeId> {
        &self.present
    }

    /// What the coordinator waits for, for `status`.
    pub fn waits_for(&self) -> &'static str {
        match &self.phase {
            Phase::Resting => "the next round",
            Phase::Recruiting(_) => "nodes that train and advertise",
            Phase::Sharing(_) => "sealed shares",
            Phase::Confirming(_) => "signatures on the same roster and shares",
            Phase::Collecting(_) => "contributions",
            Phase::Agreeing(_) => "signatures on the same survivors",
            Phase::Revealing(_) => "revealed shares",
            Phase::Unmasking(_) => "its own unmasking",
            Phase::Judging(_) => "the gate's judgement",
        }
    }

    /// Phase 0: signs a plan that no earlier attempt number has, and offers it to everybody.
    fn begin(&mut self, rotation_seed: [u8; 32], now: Time, effects: &mut Vec<Effect>) {
        if !self.is_resting() {
            return;
        }
        let round = self.last_round.max(self.chain.last_round()).next();
        let plan = self.settings.plan(&self.chain, round, rotation_seed, self.pace.windows());
        let plan: Checked<Plan> = Checked::sign(plan, &self.key);
        let terms = match Terms::read(plan, self.chain.genesis()) {
            Ok(terms) => terms,
            Err(fault) => return effects.push(Effect::Report(Event::Unplannable(fault))),
        };
        self.last_round = round;
        self.heads_kept.clear();
        let transcript = Transcript::new(terms.plan().signed().clone());
        effects.push(Effect::Persist(Record::Round(Box::new(transcript.clone()))));
        effects.push(Effect::Report(Event::Began { round, rho: terms.rho }));
        let plan = ToNode::Plan(terms.plan().signed().clone());
        effects.extend(send_all(self.present.iter().copied(), &plan));
        self.phase = Phase::Recruiting(Recruiting::begin(terms, transcript, now, effects));
    }

    /// Restores an earlier version's weights and optimiser state as a new, signed step.
    fn roll_back(&mut self, to: VersionNumber, state: State, effects: &mut Vec<Effect>) {
        let known = self.chain.state_of(to);
        if !self.is_resting() || known != Some(state.hash()) {
            return effects.push(Effect::Report(Event::CannotRollBack { to }));
        }
        let outcome = Outcome::RolledBack { to, state: state.hash() };
        let header = issuing::next_header(&self.chain, &self.key, self.last_round, outcome);
        self.state = state;
        issuing::extend(&mut self.chain, &header);
        effects.push(Effect::Persist(Record::Step {
            header: header.signed().clone(),
            record: None,
            state: None,
        }));
        let result = RoundResult { header: header.signed().clone(), record: None };
        effects.extend(send_all(self.present.iter().copied(), &ToNode::Result(result)));
    }

    /// A member has connected: it is told what everybody knows, and asked again what it has not
    /// answered.
    fn welcome(&mut self, node: NodeId, effects: &mut Vec<Effect>) {
        self.present.insert(node);
        if let Some(message) = self.phase.question_for(node) {
            effects.push(Effect::Send { to: node, message });
        }
    }

    /// Somebody has seen a later ledger head of a node than that node showed.
    fn hear_head(&mut self, from: NodeId, head: &Signed<LedgerHead>, effects: &mut Vec<Effect>) {
        let owner = head.claimed_signer();
        match head.check(owner) {
            Ok(_) if !self.present.contains(&owner) && !self.heads.contains_key(&owner) => {
                effects.push(Effect::Reject { from, why: Rejection::NotAMember });
            }
            Ok(head) if head.task == self.chain.task() => {
                let known = self.heads.get(&owner);
                let forked = known.filter(|k| k.sequence == head.sequence && k.head != head.head);
                if let Some(known) = forked {
                    // One of the two is not its owner's any more: it learns so, and charges for it.
                    for head in [known, &head] {
                        let message = ToNode::LaterHead(head.signed().clone());
                        effects.push(Effect::Send { to: owner, message });
                    }
                    effects.push(Effect::Reject { from: owner, why: Rejection::Fork });
                } else if known.is_none_or(|k| k.sequence < head.sequence) {
                    if from != owner {
                        let message = ToNode::LaterHead(head.signed().clone());
                        effects.push(Effect::Send { to: owner, message });
                    }
                    self.heads.insert(owner, head);
                    let kept = self.heads_kept.entry(owner).or_default();
                    *kept = kept.saturating_add(1);
                    if *kept <= HEADS_KEPT {
                        let heads = self.heads.values().map(|head| head.signed().clone()).collect();
                        effects.push(Effect::Persist(Record::Heads(heads)));
                    }
                }
            }
            Ok(_) => effects.push(Effect::Reject { from, why: Rejection::OtherTask }),
            Err(error) => effects.push(Effect::Reject { from, why: error.into() }),
        }
    }

    fn step(&mut self, step: Step, now: Time, effects: &mut Vec<Effect>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Resting);
        let mut context = Context {
            key: &self.key,
            settings: &self.settings,
            chain: &mut self.chain,
            state: &mut self.state,
            base_loss_micro: self.base_loss_micro,
            present: &self.present,
            heads: &mut self.heads,
            pace: &mut self.pace,
            conduct: &mut self.conduct,
            kept_conduct: &mut self.kept_conduct,
            now,
            effects,
        };
        let before = context.effects.len();
        let rang = matches!(step, Step::Wake);
        self.phase = phase.handle(step, &mut context);
        // An alarm that rang early is set again.
        let set = effects[before..].iter().any(|effect| matches!(effect, Effect::Wake(_)));
        if let Some(at) = self.phase.alarm(now).filter(|at| rang && !set && *at > now) {
            effects.push(Effect::Wake(at));
        }
    }
}

impl Phase {
    fn handle(self, step: Step, context: &mut Context<'_>) -> Phase {
        match self {
            Self::Resting => context.out_of_phase(step, Self::Resting),
            Self::Recruiting(phase) => phase.handle(step, context),
            Self::Sharing(phase) => phase.handle(step, context),
            Self::Confirming(phase) => phase.handle(step, context),
            Self::Collecting(phase) => phase.handle(step, context),
            Self::Agreeing(phase) => phase.handle(step, context),
            Self::Revealing(phase) => phase.handle(step, context),
            Self::Unmasking(phase) => phase.handle(step, context),
            Self::Judging(phase) => phase.handle(step, context),
        }
    }

    /// When the phase must look at the clock again.
    fn alarm(&self, now: Time) -> Option<Time> {
        match self {
            Self::Recruiting(phase) => Some(phase.alarm()),
            Self::Sharing(phase) => Some(phase.alarm()),
            Self::Confirming(phase) => Some(phase.alarm()),
            Self::Collecting(phase) => Some(phase.alarm()),
            Self::Agreeing(phase) => Some(phase.alarm()),
            Self::Revealing(phase) => Some(phase.alarm(now)),
            Self::Resting | Self::Unmasking(_) | Self::Judging(_) => None,
        }
    }

    /// What a node that has just come back should be asked.
    fn question_for(&self, node: NodeId) -> Option<ToNode> {
        match self {
            Self::Recruiting(phase) => phase.question_for(node),
            Self::Sharing(phase) => phase.question_for(node),
            Self::Confirming(phase) => phase.question_for(node),
            Self::Collecting(phase) => phase.question_for(node),
            Self::Agreeing(phase) => phase.question_for(node),
            Self::Revealing(phase) => phase.question_for(node),
            Self::Resting | Self::Unmasking(_) | Self::Judging(_) => None,
        }
    }
}

/// The same message to several nodes.
fn send_all(
    nodes: impl IntoIterator<Item = NodeId>,
    message: &ToNode,
) -> impl Iterator<Item = Effect> {
    nodes.into_iter().map(|to| Effect::Send { to, message: message.clone() })
}

/// The identity that a key stands for.
pub fn coordinator_id(key: &SigningKey) -> CoordinatorId {
    CoordinatorId(key.verifying_key().to_bytes())
}
