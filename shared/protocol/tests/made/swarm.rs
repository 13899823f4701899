//! Six real nodes and a real coordinator, message by message.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::{BTreeMap, VecDeque};

use ed25519_dalek::SigningKey;
use grid::Q40;
use privacy::{Clipped, Ledger, Sampler, SavedState};
use protocol::{
    Coordinator, Entropy, Node, Policy, Preset, Rejection, Time,
    coordinator::{self, Conduct, CoordinatorStart, Record, Settings, Unfinished},
    node::{self, NodeStart, Trained},
};
use version::Chain;
use wire::{Contribution, NodeId, Signed, ToCoordinator, ToNode};

use crate::made::{genesis, initial, key, plan};

/// Whose program is not the shipped one.
pub const LIAR: u8 = 100;

pub fn key_of(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub fn id(number: u8) -> NodeId {
    NodeId(key_of(number).verifying_key().to_bytes())
}

/// What arrives instead of a node's message.
pub type Wire<'a> = &'a mut dyn FnMut(NodeId, ToCoordinator) -> Vec<(NodeId, ToCoordinator)>;

type Said = VecDeque<(NodeId, ToCoordinator)>;

/// When to look at what came of it.
type Until = fn(&Swarm) -> bool;

/// Nodes and coordinator, and what came of one round.
pub struct Swarm {
    nodes: BTreeMap<NodeId, Node>,
    coordinator: Coordinator,
    entropy: u64,
    /// What the coordinator refused, and of whom.
    pub refused: Vec<(NodeId, Rejection)>,
    /// Survivors, and members of R2.
    pub survived: Option<(usize, usize)>,
    /// What the coordinator persisted.
    pub persisted: Vec<Record>,
}

impl Swarm {
    /// Six nodes play a round as far as its survivors, through this wire.
    pub fn play(wire: Wire<'_>) -> Self {
        Self::play_until(|swarm| swarm.survived.is_some(), wire)
    }

    /// Six nodes play a round; the program stops behind the effect that makes this true.
    pub fn play_until(until: Until, wire: Wire<'_>) -> Self {
        let nodes = (LIAR..LIAR + 6).map(|number| (id(number), start(&key_of(number)))).collect();
        let coordinator = Coordinator::start(coordinator(None), Time(0), &mut Vec::new());
        let mut swarm = Self {
            nodes,
            coordinator,
            entropy: 0,
            refused: Vec::new(),
            survived: None,
            persisted: Vec::new(),
        };
        let mut inputs = swarm.connections();
        inputs.push(coordinator::Input::Begin { rotation_seed: [3; 32] });
        swarm.run(inputs, until, wire);
        swarm
    }

    /// Starts the coordinator's program again, with what it has read back.
    pub fn restart(&mut self, unfinished: Unfinished, until: Until) {
        let (mut effects, mut said) = (Vec::new(), VecDeque::new());
        let start = coordinator(Some(unfinished));
        self.coordinator = Coordinator::start(start, Time(100_000), &mut effects);
        self.perform(effects, until, &mut said);
        self.run(self.connections(), until, &mut |from, message| vec![(from, message)]);
    }

    /// The contributions that were persisted, in order.
    pub fn contributions(&self) -> Vec<Signed<Contribution>> {
        let contribution = |record: &Record| match record {
            Record::Contribution(contribution) => Some(contribution.clone()),
            _ => None,
        };
        self.persisted.iter().filter_map(contribution).collect()
    }

    fn connections(&self) -> Vec<coordinator::Input> {
        self.nodes.keys().copied().map(coordinator::Input::Connected).collect()
    }

    fn run(&mut self, inputs: Vec<coordinator::Input>, until: Until, wire: Wire<'_>) {
        let (mut now, mut said) = (Time(1), VecDeque::new());
        for input in inputs {
            self.tell_coordinator(input, now, until, &mut said);
        }
        while !until(self) {
            match said.pop_front() {
                Some((from, message)) => {
                    for (from, message) in wire(from, message) {
                        let input = coordinator::Input::Message { from, message };
                        self.tell_coordinator(input, now, until, &mut said);
                    }
                }
                // Whoever is waited for says nothing more: the window ends.
                None => {
                    now = Time(now.0 + 10_000);
                    assert!(now < Time(200_000), "the round does not end: {:?}", self.refused);
                    self.tell_coordinator(coordinator::Input::Wake, now, until, &mut said);
                }
            }
        }
    }

    fn tell_coordinator(
        &mut self,
        input: coordinator::Input,
        now: Time,
        until: Until,
        said: &mut Said,
    ) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut effects = Vec::new();
            self.coordinator.handle(input, now, &mut effects);
            inputs.extend(self.perform(effects, until, said));
        }
    }

    /// In order, and nothing behind the effect at which the program stops.
    fn perform(
        &mut self,
        effects: Vec<coordinator::Effect>,
        until: Until,
        said: &mut Said,
    ) -> Vec<coordinator::Input> {
        let mut inputs = Vec::new();
        for effect in effects {
            if until(self) {
                return Vec::new();
            }
            match effect {
                coordinator::Effect::Persist(record) => self.persisted.push(record),
                coordinator::Effect::Unmask(job) => {
                    inputs.push(coordinator::Input::Unmasked(job.run()));
                }
                coordinator::Effect::Judge(_) => {
                    inputs.push(coordinator::Input::Judged { loss_micro: 1 });
                }
                coordinator::Effect::Send { to, message } => {
                    let answers = self.tell_node(to, message);
                    said.extend(answers.into_iter().map(|answer| (to, answer)));
                }
                coordinator::Effect::Reject { from, why } => self.refused.push((from, why)),
                coordinator::Effect::Report(coordinator::Event::Survived {
                    survivors,
                    members,
                    ..
                }) => self.survived = Some((survivors, members)),
                _ => {}
            }
        }
        inputs
    }

    /// Does a node's work at once and rings its alarms; what it says.
    fn tell_node(&mut self, to: NodeId, message: ToNode) -> Vec<ToCoordinator> {
        let mut inputs = vec![node::Input::Message(message)];
        let (mut said, mut now) = (Vec::new(), Time(1));
        while let Some(input) = inputs.pop() {
            let mut effects = Vec::new();
            self.nodes.get_mut(&to).expect("one of them").handle(input, now, &mut effects);
            for effect in effects {
                match effect {
                    node::Effect::Train(order) => {
                        let update = Clipped::new(&[0.01; 1000], order.clip).expect("finite");
                        inputs.push(node::Input::Trained(Trained { key: order.key, update }));
                    }
                    node::Effect::Work(job) => {
                        self.entropy += 1;
                        let mut bytes = [0; 32];
                        bytes[..8].copy_from_slice(&self.entropy.to_le_bytes());
                        inputs.push(node::Input::Worked(job.run(Entropy::new(bytes))));
                    }
                    node::Effect::Wake(at) => {
                        now = at;
                        inputs.push(node::Input::Wake);
                    }
                    node::Effect::Send(message) => said.push(message),
                    _ => {}
                }
            }
        }
        said
    }

    pub fn refused(&self, why: Rejection) -> usize {
        self.refused.iter().filter(|refused| **refused == (id(LIAR), why)).count()
    }
}

fn start(key: &SigningKey) -> Node {
    let preset = Policy::preset(Preset::Default).expect("a preset");
    let policy = Policy { rho_per_round_max: Q40::MAXIMUM, ..preset };
    let saved = SavedState::Unknown { task: None };
    let ledger = Ledger::open(&[], key.clone(), policy.limits(), saved, 0).expect("a new one").0;
    let start = NodeStart {
        key: key.clone(),
        policy,
        ledger,
        chain: Chain::new(genesis()),
        state: Some(initial()),
        journal: None,
        memory: None,
        sampler: Sampler::default(),
        has_conversations: true,
    };
    Node::start(start, &mut Vec::new())
}

/// The terms of the made plan.
fn coordinator(round: Option<Unfinished>) -> CoordinatorStart {
    let plan = plan();
    let settings = Settings {
        clip_q32: plan.grid.clip_q32,
        scale_q32: plan.grid.scale_q32,
        modulus_bits: plan.grid.modulus_bits,
        noise: plan.noise,
        cohort: plan.cohort,
        windows: plan.windows,
        recipe: plan.recipe,
        server: plan.server,
        gate_tolerance_q32: 0,
    };
    CoordinatorStart {
        key: key(),
        settings,
        chain: Chain::new(genesis()),
        state: initial(),
        base_loss_micro: 1,
        round,
        heads: Vec::new(),
        conduct: Conduct::default(),
    }
}
