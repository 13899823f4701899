//! Whole rounds of the shipped machines over real files: the program dies behind every record, with every kind of
//! torn file, and comes back.

use std::collections::VecDeque;

use privacy::{Clipped, Ledger, Sampler, SavedState};
use protocol::{
    Entropy, Node, Policy, Preset,
    coordinator::Event,
    node::{self, NodeStart, Trained},
};
use store::LogReader;
use wire::{Contribution, NodeId, RoundRecord, ToCoordinator, ToNode, TranscriptPart};

use super::*;

const NODES: u8 = 4;

/// A coordinator that is run over its folder, with nodes that answer at once.
struct Swarm {
    made: Made,
    nodes: Vec<Node>,
    machine: Coordinator,
    records: Records,
    /// Records that are still performed before the program dies.
    left: usize,
    persisted: Vec<&'static str>,
    sum: Option<RoundRecord>,
}

fn key(node: u8) -> SigningKey {
    SigningKey::from_bytes(&[node + 1; 32])
}

fn id(node: u8) -> NodeId {
    NodeId(key(node).verifying_key().to_bytes())
}

fn node(genesis: &Genesis, number: u8) -> Node {
    let policy = Policy::preset(Preset::None).unwrap();
    let policy = Policy { rho_per_round_max: grid::Q40::MAXIMUM, ..policy };
    let saved = SavedState::NothingSent;
    let ledger = Ledger::open(&[], key(number), policy.limits(), saved, 0).unwrap().0;
    let start = NodeStart {
        key: key(number),
        policy,
        ledger,
        chain: Chain::new(genesis.clone()),
        state: Some(state(0.0)),
        journal: None,
        memory: None,
        sampler: Sampler::default(),
        has_conversations: true,
    };
    Node::start(start, &mut Vec::new())
}

fn name(record: &Record) -> &'static str {
    match record {
        Record::Round(round) if round.header.is_some() => "whole round",
        Record::Round(round) if round.agreements.is_empty() => "plan",
        Record::Round(_) => "fixed",
        Record::Contribution(_) => "contribution",
        Record::Heads(_) => "heads",
        Record::Conduct(_) => "conduct",
        Record::Step { .. } => "step",
        Record::Finished(_) => "finished",
    }
}

impl Swarm {
    fn new(survive: usize) -> Self {
        let made = made();
        let (records, saved) = made.open();
        let nodes = (0..NODES).map(|number| node(saved.chain.genesis(), number)).collect();
        let (machine, _) = made.start(saved);
        let (persisted, sum) = (Vec::new(), None);
        Self { made, nodes, machine, records, left: survive, persisted, sum }
    }

    /// A round from its plan. Whether the program lived to its end.
    fn round(&mut self) -> bool {
        let mut inputs: Vec<Input> =
            (0..NODES).map(|number| Input::Connected(id(number))).collect();
        inputs.push(Input::Begin { rotation_seed: [3; 32] });
        self.run(inputs)
    }

    /// The program again, over the files that are there; everybody finds back.
    fn restart(self) -> Self {
        let Self { made, nodes, records, .. } = self;
        drop(records);
        let (records, saved) = made.open();
        let (machine, effects) = made.start(saved);
        let (left, persisted, sum) = (usize::MAX, Vec::new(), None);
        let mut swarm = Self { made, nodes, machine, records, left, persisted, sum };
        let (mut inputs, mut said) = (Vec::new(), VecDeque::new());
        assert!(swarm.perform(effects, &mut inputs, &mut said));
        inputs.extend((0..NODES).map(|number| Input::Connected(id(number))));
        assert!(swarm.run(inputs));
        swarm
    }

    fn run(&mut self, inputs: Vec<Input>) -> bool {
        let (mut inputs, mut said, mut now) = (VecDeque::from(inputs), VecDeque::new(), Time(1));
        loop {
            let input = match (inputs.pop_front(), said.pop_front()) {
                (Some(input), first) => {
                    first.into_iter().for_each(|first| said.push_front(first));
                    input
                }
                (None, Some((from, message))) => Input::Message { from, message },
                (None, None) if self.machine.is_resting() => return true,
                (None, None) => {
                    now = now + 1_000_000;
                    Input::Wake
                }
            };
            let (mut effects, mut more) = (Vec::new(), Vec::new());
            self.machine.handle(input, now, &mut effects);
            if !self.perform(effects, &mut more, &mut said) {
                return false;
            }
            inputs.extend(more);
        }
    }

    /// In order; false if the program dies.
    fn perform(
        &mut self,
        effects: Vec<Effect>,
        inputs: &mut Vec<Input>,
        said: &mut VecDeque<(NodeId, ToCoordinator)>,
    ) -> bool {
        for effect in effects {
            match effect {
                Effect::Persist(_) if self.left == 0 => return false,
                Effect::Persist(record) => {
                    self.records.persist(&record).unwrap();
                    // Ledger heads have nothing to do with it.
                    if name(&record) != "heads" {
                        self.left -= 1;
                        self.persisted.push(name(&record));
                    }
                    if let Record::Step { record: Some(record), .. } = record {
                        self.sum = Some(*record);
                    }
                }
                Effect::Send { to, message } => {
                    said.extend(self.tell(to, message).into_iter().map(|answer| (to, answer)));
                }
                Effect::Unmask(job) => inputs.push(Input::Unmasked(job.run())),
                Effect::Judge(_) => inputs.push(Input::Judged { loss_micro: 1 }),
                Effect::Report(Event::Unplannable(fault)) => panic!("{fault}"),
                Effect::Wake(_) | Effect::Reject { .. } | Effect::Report(_) => {}
            }
        }
        true
    }

    fn tell(&mut self, to: NodeId, message: ToNode) -> Vec<ToCoordinator> {
        let number = (0..NODES).find(|&number| id(number) == to).unwrap();
        let (mut inputs, mut said) = (vec![node::Input::Message(message)], Vec::new());
        let mut now = Time(1);
        while let Some(input) = inputs.pop() {
            let mut effects = Vec::new();
            self.nodes[usize::from(number)].handle(input, now, &mut effects);
            for effect in effects {
                match effect {
                    node::Effect::Train(order) => {
                        let update = Clipped::new(&[0.01; DIMENSION], order.clip).unwrap();
                        inputs.push(node::Input::Trained(Trained { key: order.key, update }));
                    }
                    node::Effect::Work(job) => {
                        let entropy = Entropy::new([self.persisted.len() as u8 ^ number; 32]);
                        inputs.push(node::Input::Worked(job.run(entropy)));
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

    /// The present round's file of contributions.
    fn growing(&self) -> PathBuf {
        self.made.path.join("contributions")
    }

    /// The contributions of the finished round, and everything else, as a reader finds them.
    fn transcript(&self) -> (Vec<Signed<Contribution>>, Transcript) {
        let path = self.made.path.join("transcripts/round-000001");
        let mut reader =
            LogReader::open(&path).unwrap().expect("a finished round has its transcript");
        let mut contributions = Vec::new();
        while let Some(bytes) = reader.next_record().unwrap() {
            match wire::decode(&bytes, TranscriptPart::LIMIT).unwrap() {
                TranscriptPart::Contribution(contribution) => contributions.push(contribution),
                TranscriptPart::End(rest) => {
                    assert_eq!(reader.rest(), 0, "nothing follows the end");
                    assert!(reader.next_record().unwrap().is_none());
                    return (contributions, *rest);
                }
            }
        }
        panic!("a transcript without its end");
    }

    /// Round 1 has ended, with or without a sum, and its transcript is whole.
    fn assert_finished(&self, what: &str) {
        let chain = self.machine.chain();
        assert_eq!(chain.headers().len(), 1, "{what}");
        let header = chain.headers()[0].check(coordinator_id(&self.made.key)).unwrap();
        let (contributions, rest) = self.transcript();
        assert_eq!(rest.header.as_ref(), Some(header.signed()), "{what}");
        assert!(!self.growing().exists() && !self.made.path.join("round").exists(), "{what}");
        match header.outcome {
            Outcome::Issued { record, .. } => {
                let kept = rest.record.expect("an issued version has its record");
                assert_eq!((kept.hash(), contributions.len()), (record, 4), "{what}");
                assert!(self.sum.as_ref().is_none_or(|sum| *sum == kept), "{what}: one sum");
            }
            Outcome::Aborted { reason } => assert_eq!(reason, AbortReason::Interrupted, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

/// The records of a round with a sum, in order.
const WHOLE: [&str; 9] = [
    "plan",
    "contribution",
    "contribution",
    "contribution",
    "contribution",
    "fixed",
    "whole round",
    "step",
    "finished",
];

#[test]
fn a_crash_behind_any_record_of_a_round_ends_in_its_sum_or_in_one_abort() {
    for survive in 1..=WHOLE.len() {
        let mut swarm = Swarm::new(survive);
        let lived = swarm.round();
        assert_eq!(swarm.persisted, WHOLE[..survive], "each contribution by itself");
        assert_eq!(lived, survive == WHOLE.len());
        let said = swarm.sum.take();
        let mut swarm = swarm.restart();
        swarm.sum = swarm.sum.or(said);
        let what = format!("died behind {}", WHOLE[survive - 1]);
        swarm.assert_finished(&what);
        let issued = swarm.machine.chain().version().0 == 1;
        assert_eq!(issued, survive >= 6, "{what}: with what fixes the sum it has one");
    }
}

/// Nobody has been told of survivors: what is torn or damaged was never said to be there.
#[test]
fn what_a_crash_leaves_of_contributions_before_the_survivors_is_no_damage() {
    let length = fs::metadata(collecting().growing()).unwrap().len() as usize;
    let one = (length - 8) / 3;
    for (cut, flipped, kept) in [
        (length - 1, None, 2),
        (8 + 2 * one + 5, None, 2),
        (8 + one, None, 1),
        (8, None, 0),
        (length, Some(8 + one + one / 2), 1),
    ] {
        let swarm = collecting();
        let mut bytes = fs::read(swarm.growing()).unwrap();
        bytes.truncate(cut);
        flipped.into_iter().for_each(|at: usize| bytes[at] ^= 1);
        fs::write(swarm.growing(), bytes).unwrap();
        let swarm = swarm.restart();
        let what = format!("cut at {cut}, flipped {flipped:?}");
        swarm.assert_finished(&what);
        assert_eq!(swarm.transcript().0.len(), kept, "{what}");
    }
}

/// Dead behind the third contribution.
fn collecting() -> Swarm {
    let mut swarm = Swarm::new(4);
    assert!(!swarm.round());
    swarm
}

/// Dead behind what fixes the sum.
fn fixed() -> Swarm {
    let mut swarm = Swarm::new(6);
    assert!(!swarm.round());
    swarm
}

/// To the bytes of a file whose contributions have so many bytes each.
type Damage = fn(&mut Vec<u8>, usize);

#[test]
fn a_contribution_that_is_lost_or_damaged_behind_the_survivors_is_named_and_nothing_is_touched() {
    let length = fs::metadata(fixed().growing()).unwrap().len() as usize;
    let one = (length - 8) / 4;
    let damages: [(Damage, &[&str]); 4] = [
        (|bytes, one| bytes[8 + 2 * one + 60] ^= 1, &["damaged at byte", "2 of 4"]),
        (|bytes, _| bytes.truncate(bytes.len() - 1), &["damaged at byte", "1 of 4"]),
        (|bytes, one| bytes.truncate(8 + 3 * one), &["1 of 4 contributions are missing"]),
        (|bytes, _| bytes[0] ^= 1, &["is not a log"]),
    ];
    for (damage, words) in damages {
        let swarm = fixed();
        let mut bytes = fs::read(swarm.growing()).unwrap();
        damage(&mut bytes, one);
        fs::write(swarm.growing(), &bytes).unwrap();
        let round = fs::read(swarm.made.path.join("round")).unwrap();
        let told = refused(&swarm);
        assert!(words.iter().all(|words| told.contains(words)), "{words:?}: {told}");
        assert_eq!(fs::read(swarm.growing()).unwrap(), bytes);
        assert_eq!(fs::read(swarm.made.path.join("round")).unwrap(), round);
    }
    let swarm = fixed();
    fs::remove_file(swarm.growing()).unwrap();
    assert!(refused(&swarm).contains("4 of 4 contributions are missing"));
    // As the message says.
    fs::remove_file(swarm.made.path.join("round")).unwrap();
    assert!(swarm.made.open().1.round.is_none());
}

/// Why the coordinator does not start: with the file, and what to do.
fn refused(swarm: &Swarm) -> String {
    let error = Records::open(&Home::open(&swarm.made.path).unwrap()).err().expect("it must not");
    let told = format!("{error:#}");
    assert!(told.contains(swarm.growing().to_str().unwrap()), "{told}");
    assert!(told.contains("restore it from a backup, or move it"), "{told}");
    told
}

/// The end was written and the file not moved, or moved and `round` still there.
#[test]
fn a_transcript_is_finished_wherever_its_last_steps_were_cut_short() {
    for moved_back in [true, false] {
        let mut swarm = Swarm::new(8);
        assert!(!swarm.round());
        let round = fs::read(swarm.made.path.join("round")).unwrap();
        let swarm = swarm.restart();
        fs::write(swarm.made.path.join("round"), round).unwrap();
        let place = swarm.made.path.join("transcripts/round-000001");
        if moved_back {
            fs::rename(&place, swarm.growing()).unwrap();
        }
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(swarm.made.path.join("round"), private).unwrap();
        swarm.restart().assert_finished(&format!("moved back: {moved_back}"));
    }
}

/// What is left of a round that was given up is no part of the next one.
#[test]
fn contributions_of_a_round_that_was_given_up_are_forgotten() {
    let swarm = fixed();
    let contributions = fs::read(swarm.growing()).unwrap();
    fs::remove_file(swarm.made.path.join("round")).unwrap();
    let (mut records, saved) = swarm.made.open();
    let (mut machine, mut effects) = swarm.made.start(saved);
    machine.handle(Input::Begin { rotation_seed: [9; 32] }, Time(1), &mut effects);
    assert_eq!(fs::read(swarm.growing()).unwrap(), contributions);
    swarm.made.persist(&mut records, &effects, usize::MAX);
    assert!(!swarm.growing().exists());
}
