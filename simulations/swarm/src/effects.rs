//! Names of what machines order, so that a crash can be aimed at every edge between two orders.

use std::fmt;

use protocol::{coordinator, node};
use wire::{Outcome, ToCoordinator, ToNode};

/// Which kind of program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// A node.
    Node,
    /// The coordinator.
    Coordinator,
}

/// Where a crash falls, as seen from one effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The effect has not happened.
    Before,
    /// A write that was not finished.
    During,
    /// The effect has happened, and nothing after it.
    After,
}

/// One edge between two effects of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Boundary {
    /// Whose.
    pub side: Side,
    /// The effect's name, from [`NODE_EFFECTS`] or [`COORDINATOR_EFFECTS`].
    pub effect: &'static str,
    /// Before or after it.
    pub moment: Moment,
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Node => "node",
            Side::Coordinator => "coordinator",
        };
        let moment = match self.moment {
            Moment::Before => "before",
            Moment::During => "during",
            Moment::After => "after",
        };
        write!(f, "{side}, {moment} {}", self.effect)
    }
}

impl Boundary {
    /// Every edge that a fault mix must be able to hit.
    pub fn all() -> Vec<Self> {
        let edges = |side: Side, effects: &'static [&'static str]| {
            effects.iter().flat_map(move |&effect| {
                [Moment::Before, Moment::After].map(|moment| Self { side, effect, moment })
            })
        };
        let torn = TORN.map(|(side, effect)| Self { side, effect, moment: Moment::During });
        edges(Side::Node, &NODE_EFFECTS)
            .chain(torn)
            .chain(edges(Side::Coordinator, &COORDINATOR_EFFECTS))
            .collect()
    }
}

/// The writes that a crash can leave half done, within what syncing promises: an append to the ledger
/// may stop anywhere in the entry, one to a round's contributions anywhere too, and a record that goes to several
/// files may have reached the first of them only. All other writes replace one file at once.
pub const TORN: [(Side, &str); 8] = [
    (Side::Node, PERSIST_CHARGE),
    (Side::Node, "persisting a step of the chain"),
    (Side::Coordinator, "persisting an issued version"),
    (Side::Coordinator, "persisting a refused candidate"),
    (Side::Coordinator, "persisting a rollback"),
    (Side::Coordinator, "persisting a transcript"),
    (Side::Coordinator, "persisting a contribution"),
    (Side::Coordinator, "persisting what fixes the sum"),
];

/// The append to the ledger.
pub const PERSIST_CHARGE: &str = "persisting a charge";
/// What a node remembers beyond the present round.
const PERSIST_MEMORY: &str = "persisting what it remembers";
/// Putting a recovered ledger in place of a torn one.
pub const PERSIST_RECOVERY: &str = "persisting the recovered ledger";

/// What a node can be stopped at. A persisted round is named for the message that it precedes.
pub const NODE_EFFECTS: [&str; 27] = [
    "persisting Advertise",
    "sending Advertise",
    "persisting SealedShares",
    "sending SealedShares",
    "persisting Consistency",
    "sending Consistency",
    "persisting Contribution",
    PERSIST_CHARGE,
    "sending Contribution",
    "sending LaterHead",
    "persisting Agreement",
    "sending Agreement",
    "persisting Reveal",
    "sending Reveal",
    "persisting the end of a round",
    "persisting a step of the chain",
    PERSIST_MEMORY,
    PERSIST_RECOVERY,
    "setting its alarm",
    "training",
    "drawing keys",
    "dealing shares",
    "preparing its contribution",
    "fetching headers",
    "fetching a state",
    "fetching a record",
    "starting",
];

/// What the coordinator can be stopped at.
pub const COORDINATOR_EFFECTS: [&str; 21] = [
    "persisting a plan",
    "sending Plan",
    "persisting ledger heads",
    "persisting who has spoilt rounds",
    "sending Roster",
    "sending Inbox",
    "sending Consistencies",
    "persisting a contribution",
    "sending Survivors",
    "persisting what fixes the sum",
    "sending Agreements",
    "unmasking",
    "judging a candidate",
    "persisting a whole round",
    "persisting an issued version",
    "persisting a refused candidate",
    "persisting an abort",
    "persisting a rollback",
    "persisting a transcript",
    "sending Result",
    "setting its alarm",
];

/// The names of a node's effects, in order; none for those that touch nothing outside.
pub fn name_node_effects(effects: &[node::Effect]) -> Vec<Option<&'static str>> {
    let mut upcoming = "persisting the end of a round";
    let mut names: Vec<_> = effects
        .iter()
        .rev()
        .map(|effect| {
            if let node::Effect::Send(message) = effect {
                upcoming = persisting(message);
            }
            name_node_effect(effect, upcoming)
        })
        .collect();
    names.reverse();
    names
}

fn name_node_effect(effect: &node::Effect, upcoming: &'static str) -> Option<&'static str> {
    use node::{Effect, Job, Record};
    Some(match effect {
        Effect::Persist(Record::Round(_)) => upcoming,
        Effect::Persist(Record::Memory(_)) => PERSIST_MEMORY,
        Effect::Persist(Record::Ledger(_)) => PERSIST_CHARGE,
        Effect::Persist(Record::Fork(_)) => "persisting a fork",
        Effect::Persist(Record::Chain { .. }) => "persisting a step of the chain",
        Effect::Send(message) => sending(message),
        Effect::Wake(_) => "setting its alarm",
        Effect::Train(_) => "training",
        Effect::Work(Job::Keys(_)) => "drawing keys",
        Effect::Work(Job::Deal(_)) => "dealing shares",
        Effect::Work(Job::Contribute(_)) => "preparing its contribution",
        Effect::FetchHeaders { .. } => "fetching headers",
        Effect::FetchState(_) => "fetching a state",
        Effect::FetchRecord(_) => "fetching a record",
        Effect::Reject(_) | Effect::Report(_) => return None,
    })
}

fn persisting(message: &ToCoordinator) -> &'static str {
    match message {
        ToCoordinator::Advertise(_) => "persisting Advertise",
        ToCoordinator::SealedShares(_) => "persisting SealedShares",
        ToCoordinator::Consistency(_) => "persisting Consistency",
        ToCoordinator::Contribution(_) => "persisting Contribution",
        ToCoordinator::Agreement(_) => "persisting Agreement",
        ToCoordinator::Reveal(_) => "persisting Reveal",
        ToCoordinator::LaterHead(_) => "persisting LaterHead",
        ToCoordinator::Complaint(_) => "persisting Complaint",
    }
}

/// The name of a message to the coordinator, with "sending" before it.
pub fn sending(message: &ToCoordinator) -> &'static str {
    match message {
        ToCoordinator::Advertise(_) => "sending Advertise",
        ToCoordinator::SealedShares(_) => "sending SealedShares",
        ToCoordinator::Consistency(_) => "sending Consistency",
        ToCoordinator::Contribution(_) => "sending Contribution",
        ToCoordinator::Agreement(_) => "sending Agreement",
        ToCoordinator::Reveal(_) => "sending Reveal",
        ToCoordinator::LaterHead(_) => "sending LaterHead",
        ToCoordinator::Complaint(_) => "sending Complaint",
    }
}

/// The name of a message to a node, with "sending" before it.
pub fn sending_to_node(message: &ToNode) -> &'static str {
    match message {
        ToNode::Plan(_) => "sending Plan",
        ToNode::Roster(_) => "sending Roster",
        ToNode::Inbox(_) => "sending Inbox",
        ToNode::Consistencies(_) => "sending Consistencies",
        ToNode::Survivors(_) => "sending Survivors",
        ToNode::Agreements(_) => "sending Agreements",
        ToNode::Result(_) => "sending Result",
        ToNode::LaterHead(_) => "sending LaterHead",
        ToNode::Members(_) => "sending Members",
    }
}

/// The name of a coordinator's effect; none for those that touch nothing outside.
pub fn name_coordinator_effect(effect: &coordinator::Effect) -> Option<&'static str> {
    use coordinator::{Effect, Record};
    Some(match effect {
        Effect::Persist(Record::Round(transcript)) if transcript.header.is_some() => {
            "persisting a whole round"
        }
        Effect::Persist(Record::Round(transcript)) if transcript.agreements.is_empty() => {
            "persisting a plan"
        }
        Effect::Persist(Record::Round(_)) => "persisting what fixes the sum",
        Effect::Persist(Record::Contribution(_)) => "persisting a contribution",
        Effect::Persist(Record::Heads(_)) => "persisting ledger heads",
        Effect::Persist(Record::Conduct(_)) => "persisting who has spoilt rounds",
        Effect::Persist(Record::Step { header, .. }) => {
            match header.check(header.claimed_signer()).map(|header| header.outcome) {
                Ok(Outcome::Issued { .. }) => "persisting an issued version",
                Ok(Outcome::Refused { .. }) => "persisting a refused candidate",
                Ok(Outcome::RolledBack { .. }) => "persisting a rollback",
                Ok(Outcome::Aborted { .. }) | Err(_) => "persisting an abort",
            }
        }
        Effect::Persist(Record::Finished(_)) => "persisting a transcript",
        Effect::Send { message, .. } => sending_to_node(message),
        Effect::Wake(_) => "setting its alarm",
        Effect::Unmask(_) => "unmasking",
        Effect::Judge(_) => "judging a candidate",
        Effect::Reject { .. } | Effect::Report(_) => return None,
    })
}
