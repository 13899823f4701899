//! Rounds: the coordinator on this thread, the nodes on all cores.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Instant,
};

use protocol::{
    Coordinator, Time,
    coordinator::{Effect, Event, Input, Record},
};
use rayon::{Scope, in_place_scope};
use swarm::scenario;
use wire::{NodeId, ToNode};

use crate::{
    programs::{Arrival, NodeProgram},
    task::{BITS, Size},
};

/// What one round took, in seconds.
pub struct Seconds {
    /// From the plan to the sum, unmasked.
    pub sum: f64,
    /// The same in seconds of processors.
    pub cpu: f64,
    /// Of that: from the revealed shares to the sum.
    pub unmasking: f64,
    /// From the sum until every node has recomputed the version, without the gate.
    pub version: f64,
    /// Of `sum`: how long the coordinator was in each phase.
    pub phases: Vec<(String, f64)>,
}

/// All programs of a task.
pub struct Swarm {
    size: Size,
    coordinator: Coordinator,
    now: Time,
    alarm: Option<Time>,
    nodes: BTreeMap<NodeId, Mutex<NodeProgram>>,
    rounds: u64,
}

/// What is noted while a round goes on.
struct Notes {
    began: Instant,
    cpu: f64,
    phase: (&'static str, Instant),
    phases: Vec<(String, f64)>,
    sum: Option<(f64, f64)>,
    unmasking: f64,
}

impl Swarm {
    /// Starts everything.
    pub fn new(size: Size) -> Self {
        let mut effects = Vec::new();
        let mut coordinator = Coordinator::start(size.coordinator(), Time(0), &mut effects);
        let nodes: BTreeMap<_, _> = (0..size.nodes)
            .map(|number| NodeProgram::start(size, number))
            .map(|program| (program.id(), Mutex::new(program)))
            .collect();
        for &node in nodes.keys() {
            coordinator.handle(Input::Connected(node), Time(0), &mut effects);
        }
        Self { size, coordinator, now: Time(0), alarm: None, nodes, rounds: 0 }
    }

    /// Plays one round to its version.
    pub fn round(&mut self) -> Seconds {
        self.rounds += 1;
        for node in self.nodes.values_mut() {
            node.get_mut().unwrap().train();
        }
        let began = Instant::now();
        let phase = ("a plan", began);
        let mut notes =
            Notes { began, cpu: cpu_seconds(), phase, phases: vec![], sum: None, unmasking: 0.0 };
        let (sender, arrivals) = channel();
        let nodes = std::mem::take(&mut self.nodes);
        in_place_scope(|scope| self.until_rest(&nodes, scope, &sender, &arrivals, &mut notes));
        self.nodes = nodes;
        let whole = began.elapsed().as_secs_f64();
        let (sum, cpu) = notes.sum.expect("the round has a sum");
        let Notes { phases, unmasking, .. } = notes;
        let versions = self.nodes.values().map(|node| node.lock().unwrap().version());
        // Those that dropped out live on, and follow.
        assert!(versions.into_iter().all(|version| version == self.rounds), "not all followed");
        Seconds { sum, cpu, unmasking, version: whole - sum, phases }
    }

    fn until_rest<'s>(
        &mut self,
        nodes: &'s BTreeMap<NodeId, Mutex<NodeProgram>>,
        scope: &Scope<'s>,
        sender: &Sender<Arrival>,
        arrivals: &Receiver<Arrival>,
        notes: &mut Notes,
    ) {
        let rotation_seed = [self.rounds as u8; 32];
        let mut inputs = vec![Input::Begin { rotation_seed }];
        let mut busy = 0;
        loop {
            while let Some(input) = inputs.pop() {
                let mut effects = Vec::new();
                self.coordinator.handle(input, self.now, &mut effects);
                notes.enter(self.coordinator.waits_for());
                for effect in effects {
                    if let Some((to, message)) = self.perform(effect, &mut inputs, notes) {
                        busy += 1;
                        let (node, sender) = (&nodes[&to], sender.clone());
                        scope.spawn(move |_| {
                            node.lock().unwrap().hear(message, &sender);
                            sender.send(Arrival::Done).unwrap();
                        });
                    }
                }
            }
            if busy == 0 {
                if self.coordinator.is_resting() {
                    return;
                }
                self.now = self.alarm.take().expect("somebody is waited for until some time");
                inputs.push(Input::Wake);
                continue;
            }
            match arrivals.recv().unwrap() {
                Arrival::Message(from, message) => inputs.push(Input::Message { from, message }),
                Arrival::Done => busy -= 1,
            }
        }
    }

    fn perform(
        &mut self,
        effect: Effect,
        inputs: &mut Vec<Input>,
        notes: &mut Notes,
    ) -> Option<(NodeId, ToNode)> {
        match effect {
            Effect::Send { to, message } => return Some((to, message)),
            Effect::Wake(at) => self.alarm = Some(at),
            Effect::Unmask(job) => {
                let began = Instant::now();
                inputs.push(Input::Unmasked(job.run()));
                notes.unmasking = began.elapsed().as_secs_f64();
                notes.sum();
            }
            Effect::Judge(_) => inputs.push(Input::Judged { loss_micro: scenario::LOSS_MICRO }),
            Effect::Persist(Record::Step { record, .. }) => {
                self.check(&record.expect("a step with a sum").sum);
            }
            Effect::Reject { why, .. } => panic!("the coordinator refuses a message: {why}"),
            Effect::Report(Event::Aborted { reason, .. }) => panic!("aborted: {reason:?}"),
            Effect::Persist(_) | Effect::Report(_) => {}
        }
        None
    }

    /// The published sum is that of whoever has not dropped out.
    fn check(&self, packed: &[u8]) {
        let modulus = grid::Modulus::new(BITS).unwrap();
        let sum = grid::unpack(packed, self.size.padded(), modulus).unwrap();
        let counted = self.size.dropped..self.size.nodes;
        assert!(sum == self.size.expected(counted), "the sum is wrong");
    }
}

impl Notes {
    /// The coordinator waits for something, perhaps for something new.
    fn enter(&mut self, phase: &'static str) {
        let (before, since) = self.phase;
        if phase != before && self.sum.is_none() {
            self.phases.push((before.to_owned(), since.elapsed().as_secs_f64()));
            self.phase = (phase, Instant::now());
        }
    }

    /// The sum is there.
    fn sum(&mut self) {
        let (phase, since) = self.phase;
        self.phases.push((phase.to_owned(), since.elapsed().as_secs_f64()));
        self.sum = Some((self.began.elapsed().as_secs_f64(), cpu_seconds() - self.cpu));
    }
}

/// Seconds that all living threads have had of processors; 0 where the system does not say.
pub fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let told = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        told.split_whitespace().next()?.parse::<u64>().ok()
    });
    nanoseconds.sum::<u64>() as f64 / 1e9
}
