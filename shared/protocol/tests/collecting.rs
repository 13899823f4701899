//! Six real nodes and a real coordinator, message by message: whose signatures, complaints and contributions the
//! coordinator takes, once R2 is closed. Each check by itself, with all others satisfied, so that a missing one shows.

mod made;

use std::collections::{BTreeMap, VecDeque};

use ed25519_dalek::SigningKey;
use grid::Q40;
use made::{genesis, initial, key, plan};
use privacy::{Clipped, Ledger, Sampler, SavedState};
use protocol::{
    Coordinator, Entropy, Node, Policy, Preset, Rejection, Time,
    coordinator::{self, Conduct, CoordinatorStart, Settings},
    node::{self, NodeStart, Trained},
};
use version::Chain;
use wire::{
    Checked, Complaint, MemberIndex, MemberSet, NodeId, Signable, Signed, ToCoordinator, ToNode,
};

/// Whose program is not the shipped one.
const LIAR: u8 = 100;

fn key_of(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn id(number: u8) -> NodeId {
    NodeId(key_of(number).verifying_key().to_bytes())
}

/// What arrives instead of a node's message.
type Wire<'a> = &'a mut dyn FnMut(NodeId, ToCoordinator) -> Vec<(NodeId, ToCoordinator)>;

/// Nodes and coordinator, and what came of one round.
struct Swarm {
    nodes: BTreeMap<NodeId, Node>,
    coordinator: Coordinator,
    entropy: u64,
    /// What the coordinator refused, and of whom.
    refused: Vec<(NodeId, Rejection)>,
    /// Survivors, and members of R2.
    survived: Option<(usize, usize)>,
}

impl Swarm {
    /// Six nodes play a round as far as its survivors, through this wire.
    fn play(wire: Wire<'_>) -> Self {
        let nodes = (LIAR..LIAR + 6).map(|number| (id(number), start(&key_of(number)))).collect();
        let coordinator = Coordinator::start(coordinator(), Time(0), &mut Vec::new());
        let (entropy, refused, survived) = (0, Vec::new(), None);
        let mut swarm = Self { nodes, coordinator, entropy, refused, survived };
        let ids: Vec<NodeId> = swarm.nodes.keys().copied().collect();
        let mut said = VecDeque::new();
        for node in ids {
            swarm.tell_coordinator(coordinator::Input::Connected(node), Time(1), &mut said);
        }
        let begin = coordinator::Input::Begin { rotation_seed: [3; 32] };
        swarm.tell_coordinator(begin, Time(1), &mut said);
        let mut now = Time(1);
        while swarm.survived.is_none() {
            match said.pop_front() {
                Some((from, message)) => {
                    for (from, message) in wire(from, message) {
                        let input = coordinator::Input::Message { from, message };
                        swarm.tell_coordinator(input, now, &mut said);
                    }
                }
                // Whoever is waited for says nothing more: the window ends.
                None => {
                    now = Time(now.0 + 10_000);
                    assert!(now < Time(100_000), "the round does not end: {:?}", swarm.refused);
                    swarm.tell_coordinator(coordinator::Input::Wake, now, &mut said);
                }
            }
        }
        swarm
    }

    fn tell_coordinator(
        &mut self,
        input: coordinator::Input,
        now: Time,
        said: &mut VecDeque<(NodeId, ToCoordinator)>,
    ) {
        let mut effects = Vec::new();
        self.coordinator.handle(input, now, &mut effects);
        for effect in effects {
            match effect {
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

    fn refused(&self, why: Rejection) -> usize {
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
fn coordinator() -> CoordinatorStart {
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
        round: None,
        heads: Vec::new(),
        conduct: Conduct::default(),
    }
}

/// The same words in the liar's name.
fn in_its_own_name<T: Signable + Clone>(signed: &Signed<T>) -> Signed<T> {
    let value = signed.check(signed.claimed_signer()).expect("as it was sent").into_value();
    Checked::sign(value, &key_of(LIAR)).signed().clone()
}

/// The liar is on the roster and deals nothing: the round goes on without it, and it may not come back in.
#[test]
fn whoever_is_outside_r2_neither_signs_complains_nor_contributes() {
    let mut said = [false; 3];
    let swarm = Swarm::play(&mut |from, message| {
        let forged = match &message {
            ToCoordinator::SealedShares(_) if from == id(LIAR) => return Vec::new(),
            ToCoordinator::Consistency(seen) if !std::mem::replace(&mut said[0], true) => {
                let seen_value = seen.check(from).expect("as it was sent").into_value();
                let complaint = Complaint {
                    task: seen_value.task,
                    round: seen_value.round,
                    closed: seen_value.closed,
                    dealers: MemberSet::from_iter([MemberIndex(0), MemberIndex(1)]),
                };
                let complaint = Checked::sign(complaint, &key_of(LIAR)).signed().clone();
                said[1] = true;
                vec![
                    ToCoordinator::Complaint(complaint),
                    ToCoordinator::Consistency(in_its_own_name(seen)),
                ]
            }
            ToCoordinator::Contribution(made) if !std::mem::replace(&mut said[2], true) => {
                vec![ToCoordinator::Contribution(in_its_own_name(made))]
            }
            _ => Vec::new(),
        };
        let forged = forged.into_iter().map(|forged| (id(LIAR), forged));
        forged.chain([(from, message)]).collect()
    });
    assert_eq!(said, [true; 3]);
    assert_eq!(swarm.refused(Rejection::NotAMember), 3, "{:?}", swarm.refused);
    assert_eq!((swarm.refused.len(), swarm.survived), (3, Some((5, 5))));
}

/// Pitfall 4 while contributions are still taken: the first one counts, and the same bytes again are no fault.
#[test]
fn a_second_contribution_while_they_are_taken_is_a_contradiction() {
    let swarm = Swarm::play(&mut |from, message| {
        let again = match &message {
            ToCoordinator::Contribution(first) if from == id(LIAR) => {
                let mut other = first.check(from).expect("as it was sent").into_value();
                other.values[0] ^= 1;
                let other = Checked::sign(other, &key_of(LIAR)).signed().clone();
                vec![message.clone(), ToCoordinator::Contribution(other)]
            }
            _ => Vec::new(),
        };
        let again = again.into_iter().map(|again| (from, again));
        std::iter::once((from, message)).chain(again).collect()
    });
    assert_eq!(swarm.refused, [(id(LIAR), Rejection::Contradiction)]);
    assert_eq!(swarm.survived, Some((6, 6)));
}
