//! A few real rounds in memory: the shipped machines, real masks, real noise, real ledgers. Messages arrive at once.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use audit::{Contributions, WholeTranscript};
use ed25519_dalek::SigningKey;
use grid::{Modulus, Q32, Q40};
use privacy::{Budget, Clipped, Ledger, Sampler, SavedState};
use protocol::{
    Coordinator, Entropy, Node, Policy, Preset, Time,
    coordinator::{self, Conduct, CoordinatorStart, Settings, coordinator_id},
    node::{self, NodeStart, Trained},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use version::{Chain, State};
use wire::{
    AdapterKind, AdapterSpec, CohortTerms, Contribution, Genesis, Header, ModelHash, NodeId,
    Precision, Projection, Recipe, RoundRecord, ServerOptimizer, ServerRule, Signed, ToCoordinator,
    TrainingOptimizer, Transcript, TranscriptPart, Windows,
};

const DIMENSION: usize = 60;
const ONE_Q32: u64 = 1 << 32;

/// What is left behind by some rounds.
pub struct Evidence {
    pub genesis: Genesis,
    pub headers: Vec<Signed<Header>>,
    pub records: Vec<RoundRecord>,
    pub transcripts: Vec<Kept>,
    pub states: Vec<State>,
    pub ledgers: Vec<(NodeId, Vec<u8>)>,
}

/// A transcript in memory.
#[derive(Clone)]
pub struct Kept {
    pub rest: Transcript,
    pub contributions: Vec<Signed<Contribution>>,
}

impl Kept {
    /// As the audit reads it.
    pub fn whole(&self) -> WholeTranscript {
        let contributions = Contributions::These(self.contributions.clone());
        WholeTranscript { contributions, rest: self.rest.clone() }
    }

    /// The bytes of its file.
    pub fn file(&self) -> Vec<u8> {
        let contributions = self.contributions.iter().cloned().map(TranscriptPart::Contribution);
        let end = TranscriptPart::End(Box::new(self.rest.clone()));
        log(contributions.chain([end]).map(|part| wire::encode(&part)))
    }
}

pub fn coordinator_key() -> SigningKey {
    SigningKey::from_bytes(&[77; 32])
}

pub fn node_key(node: usize) -> SigningKey {
    SigningKey::from_bytes(&[node as u8 + 1; 32])
}

pub fn node_id(node: usize) -> NodeId {
    NodeId(node_key(node).verifying_key().to_bytes())
}

pub fn policy() -> Policy {
    let budget = Budget::Limited { rho: Q40::from_f64_up(5.0).unwrap(), delta: 1e-6 };
    let preset = Policy::preset(Preset::None).unwrap();
    let rho_per_round_max = Q40::from_f64_up(1.0).unwrap();
    Policy { lifetime: budget, task: budget, rho_per_round_max, ..preset }
}

/// Plays `rounds` rounds of `nodes` nodes; the last node drops out before contributing if `drops`.
pub fn play(nodes: usize, rounds: usize, drops: bool) -> Evidence {
    World::new(nodes, drops.then(|| nodes - 1)).play(rounds)
}

enum Happening {
    AtNode(usize, Box<node::Input>),
    AtCoordinator(Box<coordinator::Input>),
}

struct World {
    now: Time,
    queue: VecDeque<Happening>,
    nodes: Vec<Node>,
    coordinator: Coordinator,
    /// The nodes', then the coordinator's.
    alarms: Vec<Option<Time>>,
    drops: Option<usize>,
    /// Of the present round, as the coordinator persists them.
    contributions: Vec<Signed<Contribution>>,
    rng: ChaCha20Rng,
    evidence: Evidence,
}

impl World {
    fn new(count: usize, drops: Option<usize>) -> Self {
        let (genesis, initial) = (genesis(), State::initial(vec![0.0; DIMENSION]));
        let start = CoordinatorStart {
            key: coordinator_key(),
            settings: settings(),
            chain: Chain::new(genesis.clone()),
            state: initial.clone(),
            base_loss_micro: 4_000_000,
            round: None,
            heads: Vec::new(),
            conduct: Conduct::default(),
        };
        let coordinator = Coordinator::start(start, Time(0), &mut Vec::new());
        let evidence = Evidence {
            headers: Vec::new(),
            records: Vec::new(),
            transcripts: Vec::new(),
            states: vec![initial.clone()],
            ledgers: (0..count).map(|node| (node_id(node), Vec::new())).collect(),
            genesis: genesis.clone(),
        };
        let nodes = (0..count).map(|node| start_node(node, &genesis, &initial)).collect();
        Self {
            now: Time(0),
            queue: VecDeque::new(),
            nodes,
            coordinator,
            alarms: vec![None; count + 1],
            drops,
            contributions: Vec::new(),
            rng: ChaCha20Rng::seed_from_u64(count as u64),
            evidence,
        }
    }

    fn play(mut self, rounds: usize) -> Evidence {
        for node in 0..self.nodes.len() {
            self.tell_coordinator(coordinator::Input::Connected(node_id(node)));
        }
        for round in 1..=rounds {
            let rotation_seed = [round as u8; 32];
            self.tell_coordinator(coordinator::Input::Begin { rotation_seed });
            while self.evidence.transcripts.len() < round {
                self.step();
            }
            // What the last message set off is still on its way.
            while let Some(happening) = self.queue.pop_front() {
                self.happen(happening);
            }
        }
        self.evidence
    }

    fn step(&mut self) {
        if let Some(happening) = self.queue.pop_front() {
            return self.happen(happening);
        }
        let alarms = self.alarms.iter().enumerate();
        let (who, at) = alarms
            .filter_map(|(who, alarm)| Some((who, (*alarm)?)))
            .min_by_key(|&(_, at)| at)
            .expect("somebody waits for something");
        self.alarms[who] = None;
        self.now = self.now.max(at);
        if who == self.nodes.len() {
            self.tell_coordinator(coordinator::Input::Wake);
        } else {
            self.tell_node(who, node::Input::Wake);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::AtNode(node, input) => self.tell_node(node, *input),
            Happening::AtCoordinator(input) => self.tell_coordinator(*input),
        }
    }

    fn tell_node(&mut self, node: usize, input: node::Input) {
        let mut effects = Vec::new();
        self.nodes[node].handle(input, self.now, &mut effects);
        effects.into_iter().for_each(|effect| self.perform_for_node(node, effect));
    }

    fn perform_for_node(&mut self, node: usize, effect: node::Effect) {
        use node::{Effect, Input, Record};
        let answer = match effect {
            Effect::Persist(Record::Ledger(entry)) => {
                return self.evidence.ledgers[node].1.extend(entry);
            }
            Effect::Send(ToCoordinator::Contribution(_)) if self.drops == Some(node) => return,
            Effect::Send(message) => {
                let input = coordinator::Input::Message { from: node_id(node), message };
                return self.queue.push_back(Happening::AtCoordinator(Box::new(input)));
            }
            Effect::Wake(at) => {
                self.alarms[node] = Some(at);
                return;
            }
            Effect::Train(order) => {
                let values: Vec<f32> =
                    (0..DIMENSION).map(|i| ((node + i) % 5) as f32 * 0.05).collect();
                let update = Clipped::new(&values, order.clip).unwrap();
                Input::Trained(Trained { key: order.key, update })
            }
            Effect::Work(job) => {
                let mut entropy = [0; 32];
                self.rng.fill_bytes(&mut entropy);
                Input::Worked(job.run(Entropy::new(entropy)))
            }
            Effect::FetchHeaders { from } => {
                Input::Headers(self.coordinator.chain().from(from).to_vec())
            }
            Effect::FetchState(_) => Input::State(self.coordinator.state().encode()),
            Effect::FetchRecord(_) => unreachable!("nobody misses a result here"),
            Effect::Persist(_) | Effect::Reject(_) | Effect::Report(_) => return,
        };
        self.queue.push_back(Happening::AtNode(node, Box::new(answer)));
    }

    fn tell_coordinator(&mut self, input: coordinator::Input) {
        let mut effects = Vec::new();
        self.coordinator.handle(input, self.now, &mut effects);
        effects.into_iter().for_each(|effect| self.perform_for_coordinator(effect));
    }

    fn perform_for_coordinator(&mut self, effect: coordinator::Effect) {
        use coordinator::{Effect, Input, Record};
        let answer = match effect {
            Effect::Send { to, message } => {
                let node = (0..self.nodes.len()).find(|&node| node_id(node) == to).unwrap();
                let input: Box<node::Input> = Box::new(node::Input::Message(message));
                return self.queue.push_back(Happening::AtNode(node, input));
            }
            Effect::Persist(Record::Step { header, record, state }) => {
                self.evidence.headers.push(header);
                self.evidence.records.extend(record.map(|record| *record));
                let state = state.map(|bytes| State::decode(&bytes).unwrap());
                return self.evidence.states.extend(state);
            }
            Effect::Persist(Record::Contribution(contribution)) => {
                return self.contributions.push(contribution);
            }
            Effect::Persist(Record::Finished(rest)) => {
                let contributions = std::mem::take(&mut self.contributions);
                return self.evidence.transcripts.push(Kept { rest: *rest, contributions });
            }
            Effect::Wake(at) => {
                let coordinator = self.nodes.len();
                self.alarms[coordinator] = Some(at);
                return;
            }
            Effect::Unmask(job) => Input::Unmasked(job.run()),
            Effect::Judge(_) => Input::Judged { loss_micro: 4_000_000 },
            Effect::Persist(_) | Effect::Reject { .. } | Effect::Report(_) => return,
        };
        self.queue.push_back(Happening::AtCoordinator(Box::new(answer)));
    }
}

fn start_node(node: usize, genesis: &Genesis, initial: &State) -> Node {
    let limits = policy().limits();
    let (ledger, _) =
        Ledger::open(&[], node_key(node), limits, SavedState::NothingSent, 0).unwrap();
    let start = NodeStart {
        key: node_key(node),
        policy: policy(),
        ledger,
        chain: Chain::new(genesis.clone()),
        state: Some(initial.clone()),
        journal: None,
        memory: None,
        // One of them has the other exact sampler: what it adds is nobody else's business.
        sampler: if node == 0 { Sampler::Opendp } else { Sampler::Blocks },
        has_conversations: true,
    };
    Node::start(start, &mut Vec::new())
}

/// The task that is played.
pub fn genesis() -> Genesis {
    Genesis {
        name: "an audited task".to_owned(),
        coordinator: coordinator_id(&coordinator_key()),
        base: ModelHash([7; 32]),
        adapter: AdapterSpec {
            kind: AdapterKind::FfaLora,
            rank: 4,
            alpha: 8,
            targets: vec![Projection::Q],
            seed: [3; 32],
        },
        dimension: DIMENSION as u32,
        initial: State::initial(vec![0.0; DIMENSION]).hash(),
    }
}

fn settings() -> Settings {
    let (clip, modulus) = (Q32::from_raw(ONE_Q32), Modulus::new(20).unwrap());
    let (scale, noise) =
        Settings::noise_for(clip, Q32::from_raw(ONE_Q32), 3, modulus, DIMENSION).unwrap();
    Settings {
        clip_q32: clip.raw(),
        scale_q32: scale.raw(),
        modulus_bits: 20,
        noise,
        cohort: CohortTerms {
            survivors_min: 4,
            corrupt_numerator: 1,
            corrupt_denominator: 10,
            dropout_numerator: 1,
            dropout_denominator: 10,
        },
        windows: Windows {
            train_ms: 1_000,
            advertise_ms: 1_000,
            shares_ms: 1_000,
            consistency_ms: 1_000,
            contribute_ms: 1_000,
            survivors_ms: 1_000,
            reveal_ms: 1_000,
        },
        recipe: Recipe {
            steps: 8,
            batch: 4,
            sequence: 64,
            optimizer: TrainingOptimizer::Sgd { momentum_q32: 0 },
            learning_rate_q32: ONE_Q32 / 10,
            precision: Precision::F32,
        },
        server: ServerOptimizer {
            rule: ServerRule::FedAvgM { momentum_q32: ONE_Q32 / 2 },
            learning_rate_q32: ONE_Q32,
        },
        gate_tolerance_q32: ONE_Q32 / 50,
    }
}

impl Evidence {
    /// Writes the files as a coordinator keeps them.
    pub fn write(&self, folder: &Path) {
        let keep = |name: &str, bytes: Vec<u8>| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        keep("genesis", wire::encode(&self.genesis));
        keep("chain", log(self.headers.iter().map(wire::encode)));
        for (number, state) in self.states.iter().enumerate() {
            keep(&format!("states/{number}"), state.encode());
        }
        for record in &self.records {
            keep(&format!("records/{}", record.hash()), wire::encode(record));
        }
        for (number, transcript) in (1..).zip(&self.transcripts) {
            keep(&format!("transcripts/round-{number:06}"), transcript.file());
        }
        for (node, ledger) in &self.ledgers {
            keep(&format!("ledgers/{}", node.short()), ledger.clone());
        }
    }
}

/// The bytes of a log with these records, as `store` writes it.
pub fn log(records: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = b"murlog\0\x01".to_vec();
    for payload in records {
        let mut hasher = blake3::Hasher::new_derive_key("murmuration log record v1");
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&(payload.len() as u64).to_le_bytes());
        hasher.update(&payload);
        bytes.extend(b"rec\n");
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(&hasher.finalize().as_bytes()[..16]);
        bytes.extend(payload);
    }
    bytes
}
