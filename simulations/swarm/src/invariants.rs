//! What must hold whatever happens, checked after every step.
//!
//! Written apart from the rules that it checks: thresholds and floors are computed here again, from
//! the design and not from `protocol`.

mod computed;
mod history;
mod ledgers;
mod reveals;
mod said;
mod sums;

use std::{collections::BTreeMap, fmt};

use protocol::Time;
use wire::{NodeId, Round, ToCoordinator, ToNode};

use crate::{
    behaviour::Behaviour,
    disk::{CoordinatorDisk, NodeDisk},
    workload::Masking,
};
use computed::Computed;
use history::History;
use ledgers::Ledgers;
use reveals::Reveals;
use said::Said;
use sums::Sums;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Each contribution is in the published sum exactly once or not at all.
    ExactlyOnce,
    /// What was revealed gives at most one sum in a round, and no sum below the floors; with real masks, no
    /// second sum can be computed from all that has left the nodes.
    OneSum,
    /// One successor per version: no node ever takes another step for one that it has taken, and every node's
    /// chain is a prefix of the coordinator's.
    OneHistory,
    /// No ledger is below what its node has released.
    LedgerHolds,
    /// A node draws noise once in a round, and contributes one string of bytes.
    NoiseOnce,
    /// What is said was durable before.
    DurableFirst,
    /// Without further faults a version is issued in bounded time.
    Lively,
    /// A program that starts from its disk comes up.
    Restarts,
    /// No machine panics.
    NoPanic,
}

impl Invariant {
    /// What must hold, for people.
    fn words(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "a contribution is in the published sum once or not at all",
            Self::OneSum => {
                "no more than one sum of a round can be computed, and none below the floors"
            }
            Self::OneHistory => "everybody has the same history",
            Self::LedgerHolds => "no ledger is below what its node has released",
            Self::NoiseOnce => "a node draws noise once in a round",
            Self::DurableFirst => "what is said was durable before",
            Self::Lively => "without further faults a version is issued in bounded time",
            Self::Restarts => "a program that starts from its disk comes up",
            Self::NoPanic => "no machine panics",
        }
    }
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When, in virtual milliseconds.
    pub at_ms: u64,
    /// In which round, where there is one.
    pub round: Option<Round>,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, at_ms, round, what } = self;
        write!(f, "{invariant:?} ({}) at {at_ms} ms", invariant.words())?;
        if let Some(round) = round {
            write!(f, " in round {round}")?;
        }
        write!(f, ": {what}")
    }
}

/// What one of the checks has found broken: which invariant, in which round, how.
type Broken = (Invariant, Option<Round>, String);

/// What one of the checks has found.
pub(crate) type Found = Result<(), Broken>;

/// Everything that was seen so far.
pub(crate) struct Invariants {
    said: Said,
    sums: Sums,
    reveals: Reveals,
    /// Where masks are real.
    computed: Option<Computed>,
    history: History,
    ledgers: Ledgers,
    /// Whether disks keep what they synced; restored backups do not.
    keeps_disks: bool,
    /// The same for the coordinator's.
    keeps_coordinators_disk: bool,
    pub violations: Vec<Violation>,
}

impl Invariants {
    pub fn new(
        numbers: BTreeMap<NodeId, usize>,
        masking: Masking,
        behaviour: &dyn Behaviour,
    ) -> Self {
        let keeps_disks = behaviour.keeps_disks();
        Self {
            said: Said::default(),
            computed: (masking == Masking::Real).then(Computed::default),
            keeps_coordinators_disk: behaviour.keeps_coordinators_disk(),
            reveals: Reveals::new(behaviour.floor()),
            history: History::new(numbers.len()),
            sums: Sums::new(numbers),
            ledgers: Ledgers::default(),
            keeps_disks,
            violations: Vec::new(),
        }
    }

    /// A node has drawn noise.
    pub fn drawn(&mut self, now: Time, round: Round, node: usize, values: Vec<u32>) {
        let found = self.sums.drawn(round, node, values);
        self.note(now, found);
    }

    /// A message leaves a node.
    pub fn said_by_node(
        &mut self,
        now: Time,
        node: NodeId,
        message: &ToCoordinator,
        disk: &NodeDisk,
    ) {
        let found = self.reveals.said_by_node(&self.said, node, message);
        self.note(now, found);
        self.compute(now, node, message);
        if let ToCoordinator::Contribution(contribution) = message {
            let found = self.ledgers.contributed(node, contribution, disk);
            self.note(now, found);
        }
        let found = ledgers::was_durable(message, disk);
        self.note(now, found);
    }

    /// A message leaves a node whose program is not the shipped one: it counts for what others reveal.
    pub fn said_by_liar(&mut self, now: Time, node: NodeId, message: &ToCoordinator) {
        self.reveals.said_by_liar(&self.said, node, message);
        self.compute(now, node, message);
    }

    /// Computes what the message has made computable.
    fn compute(&mut self, now: Time, node: NodeId, message: &ToCoordinator) {
        let Some(computed) = &mut self.computed else { return };
        match message {
            ToCoordinator::Contribution(contribution) => {
                computed.contributed(&self.said, node, contribution);
            }
            ToCoordinator::Reveal(reveal) => {
                let Ok(reveal) = reveal.check(node) else { return };
                let round = reveal.round;
                let found = match computed.revealed(&self.said, node, &reveal) {
                    Ok(Some(sum)) => self.sums.computed(round, &sum),
                    Ok(None) => Ok(()),
                    Err(what) => Err((Invariant::OneSum, Some(round), format!("{node:?} {what}"))),
                };
                self.note(now, found);
            }
            _ => {}
        }
    }

    /// A message leaves the coordinator; its disk is looked at where its program is the shipped one.
    pub fn said_by_coordinator(
        &mut self,
        now: Time,
        message: &ToNode,
        disk: Option<&CoordinatorDisk>,
    ) {
        self.said.hear(message);
        if let Some(disk) = disk {
            let found = history::was_durable(message, disk);
            self.note(now, found);
        }
    }

    /// The coordinator is about to persist something.
    pub fn coordinator_persists(&mut self, now: Time, record: &protocol::coordinator::Record) {
        if self.keeps_coordinators_disk {
            let found = self.history.coordinator_persists(record);
            self.note(now, found);
        }
        if let protocol::coordinator::Record::Step { record: Some(record), .. } = record {
            let found = self.sums.published(record);
            self.note(now, found);
        }
    }

    /// A node has taken a step; `as_everybody` where it is told what everybody is told.
    pub fn node_stepped(
        &mut self,
        now: Time,
        place: usize,
        machine: &protocol::Node,
        as_everybody: bool,
    ) {
        let found = self.history.node_stepped(place, machine);
        self.note(now, found);
        if as_everybody {
            let found = self.history.is_everybodys(place);
            self.note(now, found);
        }
    }

    /// A node has started from its disk.
    pub fn node_started(
        &mut self,
        now: Time,
        place: usize,
        machine: &protocol::Node,
        as_everybody: bool,
    ) {
        self.history.forget(place, self.keeps_disks);
        if self.keeps_disks {
            let found = self.ledgers.still_there(machine);
            self.note(now, found);
        }
        self.node_stepped(now, place, machine, as_everybody);
    }

    pub fn note(&mut self, now: Time, found: Found) {
        if let Err((invariant, round, what)) = found {
            self.violations.push(Violation { invariant, at_ms: now.0, round, what });
        }
    }
}
