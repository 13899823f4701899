//! Connections and messages: what is sent arrives late, twice, out of order, or not at all.

use protocol::{coordinator, node};
use rand::RngExt;
use wire::{Header, RecordHash, RoundRecord, Signed, StateHash, ToCoordinator, ToNode};

use super::{Happening, Sent, World};
use crate::{
    effects::{sending, sending_to_node},
    faults::FaultKind,
    links::{Direction, Passage},
};

/// From so many milliseconds on a message counts as held up by its link.
const HELD_UP_MS: u32 = 200;

impl World {
    pub(super) fn send_to_coordinator(&mut self, node: usize, message: ToCoordinator) {
        for message in self.behaviour.to_coordinator(node, message) {
            let program = &self.nodes[node];
            if self.behaviour.is_honest(node) {
                self.invariants.said_by_node(self.now, program.id, &message, &program.disk);
            } else {
                self.invariants.said_by_liar(self.now, program.id, &message);
            }
            self.line(|| format!("node {node} is {}", sending(&message)));
            let life = self.coordinator.life;
            let bytes = || wire::codec::encode(&message).len();
            self.carry(node, Direction::ToCoordinator, life, bytes, |sent| {
                let message = Box::new(message.clone());
                Happening::ArrivesAtCoordinator { node, sent, message }
            });
        }
    }

    pub(super) fn send_to_node(&mut self, node: usize, message: ToNode) {
        for message in self.behaviour.to_node(node, message) {
            let honest = self.behaviour.has_honest_coordinator();
            let disk = honest.then_some(&self.coordinator.disk);
            self.invariants.said_by_coordinator(self.now, &message, disk);
            self.line(|| format!("coordinator is {} to node {node}", sending_to_node(&message)));
            let life = self.nodes[node].life;
            let bytes = || wire::codec::encode(&message).len();
            self.carry(node, Direction::ToNode, life, bytes, |sent| {
                let message = Box::new(message.clone());
                Happening::ArrivesAtNode { node, sent, message }
            });
        }
    }

    /// Sends one message over a link, if it is up.
    fn carry(
        &mut self,
        node: usize,
        direction: Direction,
        life: u64,
        bytes: impl FnOnce() -> usize,
        arrival: impl Fn(Sent) -> Happening,
    ) {
        let link = &mut self.links[node];
        if !link.up || link.cut {
            return;
        }
        let (number, epoch) = (link.number(direction), link.epoch);
        let transfer = link.transfer_ms(direction, bytes, self.now).unwrap_or_default();
        if transfer >= HELD_UP_MS {
            self.faults.count(FaultKind::SlowLink);
        }
        match self.links[node].pass(&mut self.faults, &mut self.rng) {
            Passage::Arrives(after, again) => {
                let sent = Sent { number, epoch, life };
                self.later(transfer + after, arrival(sent));
                if let Some(again) = again {
                    self.later(transfer + again, arrival(sent));
                }
            }
            Passage::GivenUp(after) => self.later(after, Happening::GivenUp { node, epoch }),
        }
    }

    pub(super) fn arrive_at_node(&mut self, node: usize, sent: Sent, message: ToNode) {
        if sent.life != self.nodes[node].life || !self.outlives(node, sent) {
            return;
        }
        self.count_overtaking(node, Direction::ToNode, sent);
        self.tell_node(node, node::Input::Message(message));
    }

    pub(super) fn arrive_at_coordinator(
        &mut self,
        node: usize,
        sent: Sent,
        message: ToCoordinator,
    ) {
        if sent.life != self.coordinator.life || !self.outlives(node, sent) {
            return;
        }
        self.count_overtaking(node, Direction::ToCoordinator, sent);
        let from = self.nodes[node].id;
        self.tell_coordinator(coordinator::Input::Message { from, message });
    }

    /// What was under way when its connection or its sender went may arrive or not.
    fn outlives(&mut self, node: usize, sent: Sent) -> bool {
        sent.epoch == self.links[node].epoch || self.between(0, 1) == 1
    }

    fn count_overtaking(&mut self, node: usize, direction: Direction, sent: Sent) {
        if self.links[node].was_overtaken(direction, sent.number) {
            self.faults.count(FaultKind::Reordered);
        }
    }

    /// A node's connection comes up, if both ends are there.
    pub(super) fn connect(&mut self, node: usize, epoch: u64) {
        let both = self.nodes[node].machine.is_some() && self.coordinator.machine.is_some();
        let link = &mut self.links[node];
        if !both || link.up || link.epoch != epoch {
            return;
        }
        if link.cut {
            return self.connect_soon(node, 200, 2_000);
        }
        link.up = true;
        self.line(|| format!("node {node} connects"));
        let id = self.nodes[node].id;
        self.ask_again(node);
        self.tell_coordinator(coordinator::Input::Connected(id));
    }

    /// Asks for a connection soon.
    pub(super) fn connect_soon(&mut self, node: usize, least_ms: u32, most_ms: u32) {
        let (after, epoch) = (self.between(least_ms, most_ms), self.links[node].epoch);
        self.later(after, Happening::Connects { node, epoch });
    }

    /// The network gives a connection up: both ends see it go, and the node comes back.
    pub(super) fn give_up(&mut self, node: usize, epoch: u64) {
        if self.links[node].epoch != epoch || !self.links[node].up {
            return;
        }
        self.faults.count(FaultKind::Disconnected);
        self.line(|| format!("node {node} loses its connection"));
        self.break_link(node);
        self.connect_soon(node, 200, 2_000);
    }

    /// A connection goes; the coordinator notices a little later.
    pub(super) fn break_link(&mut self, node: usize) {
        let link = &mut self.links[node];
        if !link.up {
            return;
        }
        link.up = false;
        link.epoch += 1;
        let epoch = link.epoch;
        let after = self.between(10, 500);
        self.later(after, Happening::CoordinatorNotices { node, epoch });
    }

    pub(super) fn notice_gone(&mut self, node: usize, epoch: u64) {
        let link = &self.links[node];
        if link.epoch == epoch && !link.up {
            let id = self.nodes[node].id;
            self.tell_coordinator(coordinator::Input::Disconnected(id));
        }
    }

    /// What a node wants and has not got it asks for, now and whenever it connects.
    pub(super) fn ask_again(&mut self, node: usize) {
        let (epoch, up) = (self.links[node].epoch, self.links[node].up);
        if !up {
            return;
        }
        if let Some(from) = self.nodes[node].wants_headers {
            let after = self.links[node].delay(&mut self.rng);
            self.later(after, Happening::AsksHeaders { node, epoch, from });
        }
        if let Some(hash) = self.nodes[node].wants_state {
            let after = self.links[node].delay(&mut self.rng);
            self.later(after, Happening::AsksState { node, epoch, hash });
        }
        if let Some(hash) = self.nodes[node].wants_record {
            let after = self.links[node].delay(&mut self.rng);
            self.later(after, Happening::AsksRecord { node, epoch, hash });
        }
    }

    /// Whether what was asked over this connection is answered.
    fn gets_through(&self, node: usize, epoch: u64) -> bool {
        let link = &self.links[node];
        link.epoch == epoch && !link.cut && self.coordinator.machine.is_some()
    }

    /// Some nodes are cut off from the coordinator: nothing gets through, and after a while both sides
    /// give the connection up.
    pub(super) fn cut_off(&mut self, for_ms: u32) {
        if self.calm != super::Calm::No {
            return;
        }
        let mut cut: Vec<usize> = (0..self.nodes.len()).collect();
        cut.retain(|_| self.rng.random_bool(0.5));
        self.faults.count(FaultKind::Partitioned);
        self.line(|| format!("nodes {cut:?} are cut off for {for_ms} ms"));
        for &node in &cut {
            self.links[node].cut = true;
            let (after, epoch) = (self.between(1_000, 4_000), self.links[node].epoch);
            self.later(after, Happening::GivenUp { node, epoch });
        }
        self.later(for_ms, Happening::ComesBack { nodes: cut });
    }

    /// They are reachable again.
    pub(super) fn come_back(&mut self, nodes: &[usize]) {
        self.line(|| format!("nodes {nodes:?} can be reached again"));
        nodes.iter().for_each(|&node| self.links[node].cut = false);
    }

    pub(super) fn serve_headers(&mut self, node: usize, epoch: u64, from: u64) {
        if !self.gets_through(node, epoch) {
            return;
        }
        let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        let headers = self.coordinator.disk.headers.get(skipped..).unwrap_or_default().to_vec();
        let headers = self.behaviour.serve_headers(node, headers);
        let (after, life) = (self.links[node].delay(&mut self.rng), self.nodes[node].life);
        self.later(after, Happening::GetsHeaders { node, life, headers });
    }

    pub(super) fn get_headers(&mut self, node: usize, life: u64, headers: Vec<Signed<Header>>) {
        if self.nodes[node].life != life {
            return;
        }
        self.nodes[node].wants_headers = None;
        self.line(|| format!("node {node} gets {} headers", headers.len()));
        self.tell_node(node, node::Input::Headers(headers));
    }

    pub(super) fn serve_state(&mut self, node: usize, epoch: u64, hash: StateHash) {
        if !self.gets_through(node, epoch) {
            return;
        }
        let Some(bytes) = self.coordinator.disk.states.get(&hash).cloned() else { return };
        let bytes = self.behaviour.serve_state(node, bytes);
        let (after, life) = (self.links[node].delay(&mut self.rng), self.nodes[node].life);
        self.later(after, Happening::GetsState { node, life, hash, bytes });
    }

    pub(super) fn get_state(&mut self, node: usize, life: u64, hash: StateHash, bytes: Vec<u8>) {
        if self.nodes[node].life != life {
            return;
        }
        self.nodes[node].wants_state.take_if(|wanted| *wanted == hash);
        self.line(|| format!("node {node} gets a state"));
        self.tell_node(node, node::Input::State(bytes));
    }

    pub(super) fn serve_record(&mut self, node: usize, epoch: u64, hash: RecordHash) {
        if !self.gets_through(node, epoch) {
            return;
        }
        let record = self.coordinator.disk.records.get(&hash).cloned();
        let record = record.and_then(|record| self.behaviour.serve_record(node, record));
        let record = record.map(Box::new);
        let (after, life) = (self.links[node].delay(&mut self.rng), self.nodes[node].life);
        self.later(after, Happening::GetsRecord { node, life, hash, record });
    }

    pub(super) fn get_record(
        &mut self,
        node: usize,
        life: u64,
        hash: RecordHash,
        record: Option<Box<RoundRecord>>,
    ) {
        if self.nodes[node].life != life {
            return;
        }
        self.nodes[node].wants_record.take_if(|wanted| *wanted == hash);
        self.line(|| format!("node {node} gets a record"));
        self.tell_node(node, node::Input::Record { hash, record });
    }
}
