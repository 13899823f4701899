//! The made world: a clock, a queue of things to come, and every program in it.

mod coordinating;
mod nodes;
mod wires;

use std::collections::BTreeMap;

use protocol::{
    Coordinator, Node, Time,
    job::UnmaskJob,
    node::{Job, TrainOrder},
};
use rand::{Rng, RngExt};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use wire::{Header, NodeId, RecordHash, RoundRecord, Signed, StateHash, ToCoordinator, ToNode};

use crate::{
    behaviour::Behaviour,
    clocks::Clocks,
    disk::{CoordinatorDisk, NodeDisk},
    effects::{Boundary, Moment, Side},
    faults::{FaultKind, Faults},
    hostile,
    invariants::{Invariant, Invariants},
    links::Link,
    outcome::Outcome,
    queue::Queue,
    scenario::{Scenario, initial_state, node_id},
    trace::Trace,
    workload::Masking,
};

/// So many nodes are there from the beginning, so that there can be a round.
const ALWAYS_THERE: usize = 4;

/// Everything that there is in one run.
pub struct World {
    now: Time,
    queue: Queue<Happening>,
    rng: ChaCha20Rng,
    faults: Faults,
    links: Vec<Link>,
    clocks: Clocks,
    nodes: Vec<NodeProgram>,
    coordinator: CoordinatorProgram,
    invariants: Invariants,
    behaviour: Box<dyn Behaviour>,
    trace: Trace,
    outcome: Outcome,
    calm: Calm,
    masking: Masking,
    /// Which node has which identity.
    numbers: BTreeMap<NodeId, usize>,
}

/// Whether things still go wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Calm {
    No,
    /// Since the world had issued so many versions.
    Since(u64),
    /// The run is over.
    Over,
}

/// A node's program.
struct NodeProgram {
    id: NodeId,
    disk: NodeDisk,
    machine: Option<Node>,
    /// Rises with every crash, so that what an earlier life ordered is dropped.
    life: u64,
    left: bool,
    alarm: Option<Time>,
    /// What was asked for and has not come.
    wants_headers: Option<u64>,
    wants_state: Option<StateHash>,
    wants_record: Option<RecordHash>,
}

/// The coordinator's program.
struct CoordinatorProgram {
    disk: CoordinatorDisk,
    machine: Option<Coordinator>,
    life: u64,
    alarm: Option<Time>,
}

/// What can happen.
enum Happening {
    NodeStarts { node: usize },
    CoordinatorStarts,
    Connects { node: usize, epoch: u64 },
    CoordinatorNotices { node: usize, epoch: u64 },
    GivenUp { node: usize, epoch: u64 },
    ArrivesAtNode { node: usize, sent: Sent, message: Box<ToNode> },
    ArrivesAtCoordinator { node: usize, sent: Sent, message: Box<ToCoordinator> },
    AsksHeaders { node: usize, epoch: u64, from: u64 },
    GetsHeaders { node: usize, life: u64, headers: Vec<Signed<Header>> },
    AsksState { node: usize, epoch: u64, hash: StateHash },
    GetsState { node: usize, life: u64, hash: StateHash, bytes: Vec<u8> },
    AsksRecord { node: usize, epoch: u64, hash: RecordHash },
    GetsRecord { node: usize, life: u64, hash: RecordHash, record: Option<Box<RoundRecord>> },
    NodeAlarm { node: usize, life: u64, at: Time },
    NodeTrained { node: usize, life: u64, order: Box<TrainOrder> },
    NodeWorks { node: usize, life: u64, job: Box<Job> },
    OwnerForgives { node: usize, life: u64 },
    Leaves { node: usize },
    CutOff { for_ms: u32 },
    ComesBack { nodes: Vec<usize> },
    CoordinatorAlarm { life: u64, at: Time },
    CoordinatorUnmasks { life: u64, job: Box<UnmaskJob> },
    CoordinatorJudges { life: u64 },
    CoordinatorPolls { life: u64 },
    Heals,
    Deadline,
}

/// Under which circumstances a message was sent.
#[derive(Clone, Copy)]
struct Sent {
    /// Its number on the link, in its direction.
    number: u64,
    epoch: u64,
    /// The receiver's life.
    life: u64,
}

impl World {
    /// A world at its beginning.
    pub fn new(scenario: &Scenario, seed: u64, behaviour: Box<dyn Behaviour>) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let size = scenario.draw_size(&mut rng);
        let mut faults = Faults::new(scenario.mix.clone(), seed, &mut rng);
        scenario.crashes.iter().for_each(|&(boundary, passes)| faults.aim_at(boundary, passes));
        let links = (0..size).map(|_| Link::new(&faults, &mut rng)).collect();
        let clocks = Clocks::new(size, &mut faults, &mut rng);
        let mut disk = CoordinatorDisk::default();
        disk.keep_state(initial_state().encode());
        let coordinator = CoordinatorProgram { disk, machine: None, life: 0, alarm: None };
        let mut queue = Queue::new();
        queue.push(Time(0), Happening::CoordinatorStarts);
        for node in 0..size {
            let at = if node < ALWAYS_THERE {
                Time(1)
            } else {
                arrival(scenario, &mut faults, &mut rng)
            };
            queue.push(at, Happening::NodeStarts { node });
        }
        for _ in 0..2 {
            if scenario.mix.partition > 0.0 && rng.random_bool(scenario.mix.partition) {
                let at = Time(0) + rng.random_range(0..scenario.faulty_ms);
                queue.push(at, Happening::CutOff { for_ms: rng.random_range(500..12_000) });
            }
        }
        queue.push(Time(0) + scenario.faulty_ms, Happening::Heals);
        queue.push(Time(0) + scenario.faulty_ms + scenario.calm_ms, Happening::Deadline);
        let nodes: Vec<NodeProgram> = (0..size).map(NodeProgram::new).collect();
        let numbers: BTreeMap<_, _> =
            nodes.iter().enumerate().map(|(number, program)| (program.id, number)).collect();
        Self {
            now: Time(0),
            queue,
            rng,
            faults,
            links,
            clocks,
            nodes,
            coordinator,
            invariants: Invariants::new(numbers.clone(), scenario.masking, behaviour.as_ref()),
            behaviour,
            trace: Trace::default(),
            outcome: Outcome { seed, nodes: size, ..Outcome::default() },
            calm: Calm::No,
            masking: scenario.masking,
            numbers,
        }
    }

    /// A world at its beginning, with the programs as they ship but for those that the mix makes hostile.
    pub fn shipped(scenario: &Scenario, seed: u64) -> Self {
        let nodes = scenario.draw_size(&mut ChaCha20Rng::seed_from_u64(seed));
        Self::new(scenario, seed, hostile::draw(&scenario.mix, seed, nodes))
    }

    /// The same, with a line for everything that happens.
    pub fn traced(self) -> Self {
        Self { trace: Trace::kept(), ..self }
    }

    /// The same, with every line told as it happens.
    pub fn telling(self, tell: Box<dyn FnMut(String)>) -> Self {
        Self { trace: Trace::told(tell), ..self }
    }

    /// Runs until a version was issued after the last fault and every node holds it, until time is
    /// up, or until an invariant is broken.
    pub fn run(mut self) -> Outcome {
        while self.calm != Calm::Over && self.invariants.violations.is_empty() {
            let Some((at, happening)) = self.queue.pop() else { break };
            self.now = at;
            self.happens(happening);
            self.end_if_everybody_is_up_to_date();
        }
        self.check_transcripts();
        let [nodes, coordinator] = self.behaviour.lies();
        self.faults.count_many(FaultKind::NodeLied, nodes);
        self.faults.count_many(FaultKind::CoordinatorLied, coordinator);
        self.outcome.faults = self.faults.happened;
        self.outcome.boundaries = self.faults.hit;
        self.outcome.violations = self.invariants.violations;
        self.outcome.trace = self.trace.into_lines();
        self.outcome
    }

    fn happens(&mut self, happening: Happening) {
        use Happening::*;
        match happening {
            NodeStarts { node } => self.start_node(node),
            CoordinatorStarts => self.start_coordinator(),
            Connects { node, epoch } => self.connect(node, epoch),
            CoordinatorNotices { node, epoch } => self.notice_gone(node, epoch),
            GivenUp { node, epoch } => self.give_up(node, epoch),
            ArrivesAtNode { node, sent, message } => self.arrive_at_node(node, sent, *message),
            ArrivesAtCoordinator { node, sent, message } => {
                self.arrive_at_coordinator(node, sent, *message);
            }
            AsksHeaders { node, epoch, from } => self.serve_headers(node, epoch, from),
            GetsHeaders { node, life, headers } => self.get_headers(node, life, headers),
            AsksState { node, epoch, hash } => self.serve_state(node, epoch, hash),
            GetsState { node, life, hash, bytes } => self.get_state(node, life, hash, bytes),
            AsksRecord { node, epoch, hash } => self.serve_record(node, epoch, hash),
            GetsRecord { node, life, hash, record } => self.get_record(node, life, hash, record),
            NodeAlarm { node, life, at } => self.ring_node(node, life, at),
            NodeTrained { node, life, order } => self.finish_training(node, life, &order),
            NodeWorks { node, life, job } => self.run_job(node, life, *job),
            OwnerForgives { node, life } => self.forgive(node, life),
            Leaves { node } => self.leave(node),
            CutOff { for_ms } => self.cut_off(for_ms),
            ComesBack { nodes } => self.come_back(&nodes),
            CoordinatorAlarm { life, at } => self.ring_coordinator(life, at),
            CoordinatorUnmasks { life, job } => self.unmask(life, *job),
            CoordinatorJudges { life } => self.judge(life),
            CoordinatorPolls { life } => self.poll(life),
            Heals => self.heal(),
            Deadline => self.miss_deadline(),
        }
    }

    /// Asks for something to happen after so many milliseconds.
    fn later(&mut self, after_ms: u32, happening: Happening) {
        self.queue.push(self.now + after_ms, happening);
    }

    /// When an alarm rings that was set to this time.
    fn rings_at(&self, at: Time) -> Time {
        let early = Time(at.0.saturating_sub(self.behaviour.rings_early_ms()));
        early.max(self.now + 1).min(at)
    }

    fn between(&mut self, least_ms: u32, most_ms: u32) -> u32 {
        self.rng.random_range(least_ms..=most_ms)
    }

    fn entropy(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    fn line(&mut self, text: impl FnOnce() -> String) {
        self.trace.line(self.now, text);
    }

    /// Whether a program stops here.
    fn stops(&mut self, side: Side, moment: Moment, effect: &'static str) -> bool {
        let boundary = Boundary { side, effect, moment };
        let stops = self.faults.crashes(boundary, &mut self.rng);
        if stops {
            self.line(|| format!("CRASH of a {boundary}"));
        }
        stops
    }

    fn heal(&mut self) {
        self.line(|| "from now on nothing goes wrong any more".to_owned());
        self.faults.heal();
        self.links.iter_mut().for_each(Link::heal);
        self.outcome.versions_in_trouble = self.outcome.versions;
        self.calm = Calm::Since(self.outcome.versions);
    }

    fn end_if_everybody_is_up_to_date(&mut self) {
        let Calm::Since(versions) = self.calm else { return };
        let Some(coordinator) = &self.coordinator.machine else { return };
        let head = coordinator.chain().head();
        let holds = |program: &NodeProgram| {
            let machine = program.machine.as_ref();
            machine.is_some_and(|node| node.chain().head() == head && node.state().is_some())
        };
        let living = self.nodes.iter().filter(|program| !program.left);
        if self.outcome.versions > versions && living.into_iter().all(holds) {
            self.calm = Calm::Over;
        }
    }

    fn miss_deadline(&mut self) {
        if !self.behaviour.lets_versions_come() {
            self.calm = Calm::Over;
            return;
        }
        let coordinator = self.coordinator.machine.as_ref().map(Coordinator::waits_for);
        let nodes: Vec<_> = self
            .nodes
            .iter()
            .map(|program| program.machine.as_ref().map(|node| (node.round(), node.waits_for())))
            .collect();
        let what = format!(
            "no version that everybody holds: the coordinator waits for {coordinator:?}, the nodes for {nodes:?}"
        );
        self.invariants.note(self.now, Err((Invariant::Lively, None, what)));
    }

    /// Every round that has a header has its transcript.
    fn check_transcripts(&mut self) {
        if !self.behaviour.keeps_coordinators_disk() {
            return;
        }
        let disk = &self.coordinator.disk;
        let open = u64::from(disk.round.is_some());
        let ends = disk.finished.iter().filter(|round| round.transcript.header.is_some());
        let (kept, lacking) =
            (ends.count() as u64, disk.finished.iter().find(|round| round.lacks()));
        if let Some(round) = lacking {
            let what = format!("{round:?} does not hold what its sum was made of");
            self.invariants.note(self.now, Err((Invariant::DurableFirst, None, what)));
        }
        let ended = self.outcome.rounds;
        if kept + open < ended {
            let what = format!("{ended} rounds have ended, and {kept} transcripts were kept");
            self.invariants.note(self.now, Err((Invariant::DurableFirst, None, what)));
        }
    }
}

/// When a node starts for the first time.
fn arrival(scenario: &Scenario, faults: &mut Faults, rng: &mut ChaCha20Rng) -> Time {
    match faults.strikes(FaultKind::Arrived, scenario.mix.arrives, rng) {
        true => Time(0) + rng.random_range(1_000..scenario.faulty_ms),
        false => Time(1),
    }
}

impl NodeProgram {
    fn new(node: usize) -> Self {
        Self {
            id: node_id(node),
            disk: NodeDisk::default(),
            machine: None,
            life: 0,
            left: false,
            alarm: None,
            wants_headers: None,
            wants_state: None,
            wants_record: None,
        }
    }
}
