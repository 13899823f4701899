//! The nodes' programs: starting, performing what a machine orders, stopping at any edge.

use privacy::{Ledger, Sampler};
use protocol::{
    Entropy, Node, Time,
    node::{Effect, Event, Input, Job, NodeStart, Output, Record, TrainOrder, Trained},
};
use version::{Chain, State};

use super::{Happening, World};
use crate::{
    behaviour::Actor,
    effects::{Moment, PERSIST_RECOVERY, Side, name_node_effects},
    faults::FaultKind,
    invariants::Invariant,
    scenario::{genesis, node_key, policy},
    words, workload,
};

impl World {
    /// Starts a node from its disk, as a program would.
    pub(super) fn start_node(&mut self, node: usize) {
        if self.nodes[node].left || self.nodes[node].machine.is_some() {
            return;
        }
        if self.stops(Side::Node, Moment::Before, "starting") {
            return self.crash_node(node);
        }
        let mut disk = std::mem::take(&mut self.nodes[node].disk);
        self.behaviour.starting(node, &mut disk);
        self.nodes[node].disk = disk;
        let Some(ledger) = self.open_ledger(node) else { return };
        let Some(chain) = self.read_chain(node) else { return };
        let disk = &self.nodes[node].disk;
        let start = NodeStart {
            key: node_key(node),
            policy: policy(),
            ledger,
            state: self.read_state(node, &chain),
            chain,
            journal: disk.journal.clone(),
            memory: disk.memory.clone(),
            sampler: Sampler::default(),
            has_conversations: true,
        };
        self.line(|| format!("node {node} starts"));
        let mut effects = Vec::new();
        let machine = Node::start(start, &mut effects);
        let as_everybody = self.behaviour.tells_one_history(node);
        self.invariants.node_started(self.now, node, &machine, as_everybody);
        self.nodes[node].machine = Some(machine);
        self.connect_soon(node, 20, 300);
        if self.stops(Side::Node, Moment::After, "starting") {
            return self.crash_node(node);
        }
        self.perform_for_node(node, effects);
    }

    /// Opens and recovers the ledger; none if the program stopped while doing so.
    fn open_ledger(&mut self, node: usize) -> Option<Ledger> {
        let limits = policy().limits();
        let disk = &self.nodes[node].disk;
        let saved = disk.saved_state(self.nodes[node].id, genesis().task());
        let opened = Ledger::open(&disk.ledger, node_key(node), limits, saved, self.now.0);
        let (ledger, recovery) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.fail_to_start(node, &error.to_string());
                return None;
            }
        };
        if let Some(replacement) = recovery.replacement {
            if self.stops(Side::Node, Moment::Before, PERSIST_RECOVERY) {
                self.crash_node(node);
                return None;
            }
            self.nodes[node].disk.ledger = replacement;
            if self.stops(Side::Node, Moment::After, PERSIST_RECOVERY) {
                self.crash_node(node);
                return None;
            }
        }
        Some(ledger)
    }

    fn read_chain(&mut self, node: usize) -> Option<Chain> {
        let mut chain = Chain::new(genesis());
        for header in &self.nodes[node].disk.headers {
            if let Err(error) = chain.extend(header) {
                let error = error.to_string();
                self.fail_to_start(node, &error);
                return None;
            }
        }
        Some(chain)
    }

    /// The newest of the chain's states that the disk has; everybody has that of version 0.
    fn read_state(&self, node: usize, chain: &Chain) -> Option<State> {
        let kept = self.nodes[node].disk.states.iter().rev();
        let mut kept =
            kept.map(|bytes| State::decode(bytes).expect("a state that was kept decodes"));
        let known = kept.find(|state| chain.place_of(state.hash()).is_some());
        Some(known.unwrap_or_else(crate::scenario::initial_state))
    }

    fn fail_to_start(&mut self, node: usize, error: &str) {
        let what = format!("node {node} does not start: {error}");
        self.invariants.note(self.now, Err((Invariant::Restarts, None, what)));
    }

    /// Hands an input to a node's machine, if it runs, and performs what it orders.
    pub(super) fn tell_node(&mut self, node: usize, input: Input) {
        let Some(machine) = self.nodes[node].machine.as_mut() else { return };
        let mut effects = Vec::new();
        machine.handle(input, self.clocks.node(node).local(self.now), &mut effects);
        self.outcome.steps += 1;
        self.perform_for_node(node, effects);
        if let Some(machine) = &self.nodes[node].machine {
            let as_everybody = self.behaviour.tells_one_history(node);
            self.invariants.node_stepped(self.now, node, machine, as_everybody);
        }
    }

    fn perform_for_node(&mut self, node: usize, mut effects: Vec<Effect>) {
        let program = &self.nodes[node];
        let actor = Actor { node, restarts: program.life, disk: &program.disk };
        self.behaviour.node_effects(&actor, &mut effects);
        let names = name_node_effects(&effects);
        for (effect, name) in effects.into_iter().zip(names) {
            let Some(name) = name else {
                self.note_report(node, &effect);
                continue;
            };
            if self.stops(Side::Node, Moment::Before, name) {
                return self.crash_node(node);
            }
            if let Effect::Persist(record @ (Record::Ledger(_) | Record::Chain { .. })) = &effect
                && self.stops(Side::Node, Moment::During, name)
            {
                self.nodes[node].disk.tear(record, &mut self.rng);
                return self.crash_node(node);
            }
            self.perform_one_for_node(node, effect);
            if self.stops(Side::Node, Moment::After, name) {
                return self.crash_node(node);
            }
        }
    }

    fn perform_one_for_node(&mut self, node: usize, effect: Effect) {
        let life = self.nodes[node].life;
        match effect {
            Effect::Persist(record) => self.nodes[node].disk.keep(record),
            Effect::Send(message) => self.send_to_coordinator(node, message),
            Effect::Wake(at) => {
                let at = self.rings_at(self.clocks.node(node).world(at));
                self.nodes[node].alarm = Some(at);
                self.queue.push(at, Happening::NodeAlarm { node, life, at });
            }
            Effect::Train(order) => {
                let slow = self.faults.mix.slow_training;
                let slow = self.faults.strikes(FaultKind::SlowTraining, slow, &mut self.rng);
                let after =
                    if slow { self.between(3_000, 9_000) } else { self.between(200, 1_800) };
                self.later(after, Happening::NodeTrained { node, life, order: Box::new(order) });
            }
            Effect::Work(job) => {
                let slow = self.faults.mix.slow_work;
                let slow = self.faults.strikes(FaultKind::SlowWork, slow, &mut self.rng);
                let after = if slow { self.between(2_200, 5_000) } else { self.between(2, 40) };
                self.later(after, Happening::NodeWorks { node, life, job: Box::new(job) });
            }
            Effect::FetchHeaders { from } => {
                self.nodes[node].wants_headers = Some(from);
                self.ask_again(node);
            }
            Effect::FetchState(hash) => {
                self.nodes[node].wants_state = Some(hash);
                self.ask_again(node);
            }
            Effect::FetchRecord(hash) => {
                self.nodes[node].wants_record = Some(hash);
                self.ask_again(node);
            }
            Effect::Reject(_) | Effect::Report(_) => {}
        }
    }

    fn note_report(&mut self, node: usize, effect: &Effect) {
        match effect {
            Effect::Reject(why) => {
                self.line(|| format!("node {node} rejects: {why}"));
                *self.outcome.rejections.entry(format!("node: {why}")).or_default() += 1;
            }
            Effect::Report(event) => {
                self.line(|| format!("node {node} tells its owner: {event:?}"));
                *self.outcome.reports.entry(words::owner(event)).or_default() += 1;
                if let Event::Refused { why, .. } = event
                    && why.to_string().contains("ended without a sum")
                {
                    let life = self.nodes[node].life;
                    self.later(1_000, Happening::OwnerForgives { node, life });
                }
            }
            _ => {}
        }
    }

    /// Everything in memory is lost; what the disk has synced stays.
    pub(super) fn crash_node(&mut self, node: usize) {
        self.line(|| format!("node {node} is down"));
        let program = &mut self.nodes[node];
        program.machine = None;
        program.life += 1;
        program.alarm = None;
        program.wants_headers = None;
        program.wants_state = None;
        program.wants_record = None;
        self.break_link(node);
        let after = self.between(50, 4_000);
        self.later(after, Happening::NodeStarts { node });
    }

    pub(super) fn leave(&mut self, node: usize) {
        let remain = self.nodes.iter().filter(|program| !program.left).count();
        if remain <= 5 || self.nodes[node].left || self.calm != super::Calm::No {
            return;
        }
        self.faults.count(FaultKind::Left);
        self.line(|| format!("node {node} leaves for good"));
        self.nodes[node].left = true;
        self.crash_node(node);
    }

    pub(super) fn ring_node(&mut self, node: usize, life: u64, at: Time) {
        let program = &mut self.nodes[node];
        if program.life == life && program.alarm.take_if(|alarm| *alarm == at).is_some() {
            self.tell_node(node, Input::Wake);
        }
    }

    pub(super) fn finish_training(&mut self, node: usize, life: u64, order: &TrainOrder) {
        if self.nodes[node].life == life {
            let update = workload::made_update(node, order.clip);
            let trained = Trained { key: order.key.clone(), update };
            self.tell_node(node, Input::Trained(trained));
        }
    }

    pub(super) fn run_job(&mut self, node: usize, life: u64, job: Job) {
        if self.nodes[node].life != life {
            return;
        }
        let entropy = self.entropy();
        self.behaviour.job(node, &job, &entropy);
        let output = match job {
            Job::Contribute(job) => {
                let (round, entropy) = (job.round(), Entropy::new(entropy));
                let (prepared, values) = workload::contribute(node, job, self.masking, entropy);
                self.invariants.drawn(self.now, round, node, values);
                Output::Prepared(prepared)
            }
            Job::Deal(job) => Output::Dealt(self.masking.deal(job, Entropy::new(entropy))),
            job => job.run(Entropy::new(entropy)),
        };
        self.tell_node(node, Input::Worked(output));
    }

    pub(super) fn forgive(&mut self, node: usize, life: u64) {
        if self.nodes[node].life == life {
            self.tell_node(node, Input::Forgive);
        }
    }
}
