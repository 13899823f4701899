//! What programs do that are not the shipped ones: mutants, hostile nodes, a hostile coordinator.
//!
//! A behaviour stands between the machines and the world. It changes no machine: it drops, adds or
//! changes what a machine ordered or said, as a broken or hostile program around it would.

use protocol::{
    coordinator,
    job::{UnmaskJob, Unmasked},
    node,
};
use wire::{Header, RoundRecord, Signed, ToCoordinator, ToNode};

use crate::{
    disk::{CoordinatorDisk, NodeDisk},
    scenario::policy,
    workload::Masking,
};

/// The node whose program is asked.
pub struct Actor<'a> {
    /// Its number; its key is [`crate::scenario::node_key`] of it.
    pub node: usize,
    /// How often it was started before.
    pub restarts: u64,
    /// What it has on its disk.
    pub disk: &'a NodeDisk,
}

/// Changes what programs do. Everything left out is as shipped.
pub trait Behaviour {
    /// Before a node's effects are performed.
    fn node_effects(&mut self, actor: &Actor<'_>, effects: &mut Vec<node::Effect>) {
        let _ = (actor, effects);
    }

    /// Before the coordinator's effects are performed.
    fn coordinator_effects(&mut self, effects: &mut Vec<coordinator::Effect>) {
        let _ = effects;
    }

    /// A node is about to run a job with this entropy.
    fn job(&mut self, node: usize, job: &node::Job, entropy: &[u8; 32]) {
        let _ = (node, job, entropy);
    }

    /// The coordinator unmasks.
    fn unmask(&mut self, job: UnmaskJob, masking: Masking) -> Unmasked {
        masking.unmask(job)
    }

    /// A message leaves the coordinator for a node.
    fn to_node(&mut self, node: usize, message: ToNode) -> Vec<ToNode> {
        let _ = node;
        vec![message]
    }

    /// A message leaves a node for the coordinator.
    fn to_coordinator(&mut self, node: usize, message: ToCoordinator) -> Vec<ToCoordinator> {
        let _ = node;
        vec![message]
    }

    /// The coordinator serves the bytes of a state to a node.
    fn serve_state(&mut self, node: usize, bytes: Vec<u8>) -> Vec<u8> {
        let _ = node;
        bytes
    }

    /// The coordinator serves headers to a node.
    fn serve_headers(&mut self, node: usize, headers: Vec<Signed<Header>>) -> Vec<Signed<Header>> {
        let _ = node;
        headers
    }

    /// The coordinator serves the evidence of a step to a node; none: it has it no longer.
    fn serve_record(&mut self, node: usize, record: RoundRecord) -> Option<RoundRecord> {
        let _ = node;
        Some(record)
    }

    /// How many milliseconds later than usual nodes find back to a coordinator that was restarted.
    fn finds_back_after_ms(&self) -> u32 {
        0
    }

    /// How many milliseconds too early every alarm rings.
    fn rings_early_ms(&self) -> u64 {
        0
    }

    /// The fewest survivors that the nodes' owners allow in a sum, whatever a plan says.
    fn floor(&self) -> usize {
        usize::from(policy().survivors_min)
    }

    /// Whether a version must come once nothing goes wrong any more.
    fn lets_versions_come(&self) -> bool {
        true
    }

    /// How many lies were told so far, by nodes and by the coordinator.
    fn lies(&self) -> [u64; 2] {
        [0; 2]
    }

    /// Whether a node's program is the shipped one: of others nothing is asked but that they harm nobody.
    fn is_honest(&self, node: usize) -> bool {
        let _ = node;
        true
    }

    /// Whether the coordinator's program is the shipped one.
    fn has_honest_coordinator(&self) -> bool {
        true
    }

    /// Whether a node is told the history that everybody is told: of another one, signed by the
    /// coordinator itself, a node cannot know, and no invariant can be asked for it.
    fn tells_one_history(&self, node: usize) -> bool {
        let _ = node;
        true
    }

    /// Whether [`Behaviour::starting`] leaves disks as they were: a ledger restored from a backup has
    /// forgotten charges, which no invariant can then be asked for.
    fn keeps_disks(&self) -> bool {
        true
    }

    /// The same of [`Behaviour::coordinator_starting`]: a coordinator whose disk was restored from a backup
    /// signs a second history, and what it persists is held against nothing.
    fn keeps_coordinators_disk(&self) -> bool {
        true
    }

    /// The coordinator is about to start from its disk.
    fn coordinator_starting(&mut self, disk: &mut CoordinatorDisk) {
        let _ = disk;
    }

    /// Whether the coordinator stops now; asked several times a second.
    fn stops_coordinator(&mut self) -> bool {
        false
    }

    /// A node is about to start from its disk.
    fn starting(&mut self, node: usize, disk: &mut NodeDisk) {
        let _ = (node, disk);
    }
}

/// The programs as they ship.
pub struct Shipped;

impl Behaviour for Shipped {}
