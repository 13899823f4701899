//! What goes wrong, and how often: a named mix, and the dice that decide.

use std::{collections::BTreeMap, fmt};

use rand::RngExt;
use rand_chacha::ChaCha20Rng;

use crate::effects::{Boundary, Moment, PERSIST_CHARGE, PERSIST_RECOVERY, Side};

/// Something that went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A message was lost on its way, and sent again.
    Lost,
    /// A message was given up, and the connection with it.
    Disconnected,
    /// A message arrived twice.
    Duplicated,
    /// A message overtook one that was sent before it to the same program.
    Reordered,
    /// A node stopped.
    NodeCrashed,
    /// The coordinator stopped.
    CoordinatorCrashed,
    /// A ledger entry was not written to its end.
    LedgerTorn,
    /// Of several files that one record goes to, only the first were written, or an append was cut short.
    WriteTorn,
    /// A node took much longer to train than planned.
    SlowTraining,
    /// A node took much longer for keys, shares or masks than planned.
    SlowWork,
    /// A node left for good.
    Left,
    /// A candidate failed the gate.
    BadCandidate,
    /// The operator rolled back to an earlier version.
    RolledBack,
    /// A message waited long for the slow link of its node.
    SlowLink,
    /// A program's clock ran fast or slow.
    ClockSkewed,
    /// Some nodes were cut off from the coordinator for a while.
    Partitioned,
    /// A node came when the swarm had begun.
    Arrived,
    /// A hostile node lied.
    NodeLied,
    /// A hostile coordinator lied.
    CoordinatorLied,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Lost,
        Self::Disconnected,
        Self::Duplicated,
        Self::Reordered,
        Self::NodeCrashed,
        Self::CoordinatorCrashed,
        Self::LedgerTorn,
        Self::WriteTorn,
        Self::SlowTraining,
        Self::SlowWork,
        Self::Left,
        Self::BadCandidate,
        Self::RolledBack,
        Self::SlowLink,
        Self::ClockSkewed,
        Self::Partitioned,
        Self::Arrived,
        Self::NodeLied,
        Self::CoordinatorLied,
    ];
}

impl FaultKind {
    /// A name for scripts.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Disconnected => "disconnected",
            Self::Duplicated => "duplicated",
            Self::Reordered => "reordered",
            Self::NodeCrashed => "node_crashed",
            Self::CoordinatorCrashed => "coordinator_crashed",
            Self::LedgerTorn => "ledger_torn",
            Self::SlowTraining => "slow_training",
            Self::SlowWork => "slow_work",
            Self::Left => "left",
            Self::BadCandidate => "bad_candidate",
            Self::RolledBack => "rolled_back",
            Self::WriteTorn => "write_torn",
            Self::SlowLink => "slow_link",
            Self::ClockSkewed => "clock_skewed",
            Self::Partitioned => "partitioned",
            Self::Arrived => "arrived",
            Self::NodeLied => "node_lied",
            Self::CoordinatorLied => "coordinator_lied",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "message lost and sent again",
            Self::Disconnected => "connection lost",
            Self::Duplicated => "message duplicated",
            Self::Reordered => "message overtaken",
            Self::NodeCrashed => "node crashed",
            Self::CoordinatorCrashed => "coordinator crashed",
            Self::LedgerTorn => "ledger entry torn",
            Self::SlowTraining => "training too slow",
            Self::SlowWork => "cryptography too slow",
            Self::Left => "node left for good",
            Self::BadCandidate => "candidate refused by the gate",
            Self::RolledBack => "version rolled back",
            Self::WriteTorn => "record written in part",
            Self::SlowLink => "message held up by a slow link",
            Self::ClockSkewed => "clock fast or slow",
            Self::Partitioned => "part of the swarm cut off",
            Self::Arrived => "node arrived later",
            Self::NodeLied => "lie of a hostile node",
            Self::CoordinatorLied => "lie of a hostile coordinator",
        })
    }
}

/// How often things go wrong. Probabilities, unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultMix {
    /// What the mix is called.
    pub name: &'static str,
    /// A message is lost on one try, on a good link.
    pub lost: f64,
    /// A link is a bad one.
    pub bad_link: f64,
    /// A message is lost on one try, on a bad link.
    pub lost_on_bad_link: f64,
    /// A message arrives twice.
    pub duplicated: f64,
    /// A node stops at one edge between effects.
    pub node_crash: f64,
    /// The coordinator stops at one edge between effects.
    pub coordinator_crash: f64,
    /// How many crashes a seed aims at edges of its own (all edges take turns over the seeds).
    pub aimed: usize,
    /// One training is too slow.
    pub slow_training: f64,
    /// One piece of cryptography is too slow.
    pub slow_work: f64,
    /// One node leaves for good at the end of a round, where enough remain.
    pub leaves: f64,
    /// One candidate is worse than the gate lets through.
    pub bad_candidate: f64,
    /// The operator rolls back instead of beginning a round.
    pub rolls_back: f64,
    /// A node's link carries 1 to 8 kB a second.
    pub slow_link: f64,
    /// A program's clock runs up to 2 % fast or slow.
    pub skewed: f64,
    /// Half of the nodes are cut off for up to 12 seconds; tried twice in a run.
    pub partition: f64,
    /// A node, if not one of the first four, is not there from the beginning.
    pub arrives: f64,
    /// Some nodes are hostile: as many as γ allows, or one.
    pub lying_nodes: f64,
    /// The coordinator is hostile.
    pub lying_coordinator: f64,
}

impl FaultMix {
    /// Nothing goes wrong.
    pub const CALM: Self = Self {
        name: "calm",
        lost: 0.0,
        bad_link: 0.0,
        lost_on_bad_link: 0.0,
        duplicated: 0.0,
        node_crash: 0.0,
        coordinator_crash: 0.0,
        aimed: 0,
        slow_training: 0.0,
        slow_work: 0.0,
        leaves: 0.0,
        bad_candidate: 0.0,
        rolls_back: 0.0,
        slow_link: 0.0,
        skewed: 0.0,
        partition: 0.0,
        arrives: 0.0,
        lying_nodes: 0.0,
        lying_coordinator: 0.0,
    };

    /// The default: every kind of fault in every few rounds.
    pub const ROUGH: Self = Self {
        name: "rough",
        lost: 0.02,
        bad_link: 0.15,
        lost_on_bad_link: 0.3,
        duplicated: 0.03,
        node_crash: 0.0004,
        coordinator_crash: 0.0006,
        aimed: 2,
        slow_training: 0.03,
        slow_work: 0.01,
        leaves: 0.03,
        bad_candidate: 0.06,
        rolls_back: 0.04,
        slow_link: 0.1,
        skewed: 0.3,
        partition: 0.15,
        arrives: 0.15,
        lying_nodes: 0.25,
        lying_coordinator: 0.1,
    };

    /// Many times more of everything: rounds seldom end well, and nothing may break all the same.
    pub const STORMY: Self = Self {
        name: "stormy",
        lost: 0.1,
        bad_link: 0.4,
        lost_on_bad_link: 0.5,
        duplicated: 0.2,
        node_crash: 0.004,
        coordinator_crash: 0.004,
        aimed: 4,
        slow_training: 0.1,
        slow_work: 0.1,
        leaves: 0.1,
        bad_candidate: 0.2,
        rolls_back: 0.15,
        slow_link: 0.3,
        skewed: 0.6,
        partition: 0.6,
        arrives: 0.3,
        lying_nodes: 0.4,
        lying_coordinator: 0.2,
    };
}

/// Throws the dice, and counts.
pub(crate) struct Faults {
    pub mix: FaultMix,
    aims: Vec<Aim>,
    pub happened: BTreeMap<FaultKind, u64>,
    pub hit: BTreeMap<Boundary, u64>,
}

/// A crash that waits for its edge to come by.
struct Aim {
    boundary: Boundary,
    passes: u32,
}

impl Faults {
    pub fn new(mix: FaultMix, seed: u64, rng: &mut ChaCha20Rng) -> Self {
        let edges = Boundary::all();
        let aim = |place: usize| {
            let turn = (seed as usize).wrapping_mul(mix.aimed).wrapping_add(place);
            edges[turn % edges.len()]
        };
        let boundaries: Vec<Boundary> = (0..mix.aimed).map(aim).collect();
        let mut faults =
            Self { mix, aims: Vec::new(), happened: BTreeMap::new(), hit: BTreeMap::new() };
        boundaries.into_iter().for_each(|boundary| faults.aim(boundary, rng));
        faults
    }

    /// Aims a crash at an edge, and sees to it that the edge comes by.
    fn aim(&mut self, boundary: Boundary, rng: &mut ChaCha20Rng) {
        let rare = match boundary.effect {
            PERSIST_RECOVERY => {
                let torn = Boundary { effect: PERSIST_CHARGE, moment: Moment::During, ..boundary };
                self.aims.push(Aim { boundary: torn, passes: rng.random_range(0..4) });
                true
            }
            "persisting a refused candidate" => {
                self.mix.bad_candidate = self.mix.bad_candidate.max(0.4);
                true
            }
            "persisting an abort" => {
                self.mix.coordinator_crash *= 8.0;
                true
            }
            "fetching headers" | "fetching a record" => {
                self.mix.lost = self.mix.lost.max(0.3);
                true
            }
            // Nodes miss results, or the operator rolls back.
            "persisting a rollback" | "fetching a state" => {
                self.mix.rolls_back = self.mix.rolls_back.max(0.3);
                true
            }
            _ => false,
        };
        let passes = if rare { 0 } else { rng.random_range(0..4) };
        self.aims.push(Aim { boundary, passes });
    }

    /// Aims a crash at the edge after it has been passed so often.
    pub fn aim_at(&mut self, boundary: Boundary, passes: u32) {
        self.aims.push(Aim { boundary, passes });
    }

    /// From now on nothing goes wrong any more.
    pub fn heal(&mut self) {
        self.mix = FaultMix::CALM;
        self.aims.clear();
    }

    pub fn count(&mut self, kind: FaultKind) {
        self.count_many(kind, 1);
    }

    pub fn count_many(&mut self, kind: FaultKind, times: u64) {
        if times > 0 {
            *self.happened.entry(kind).or_default() += times;
        }
    }

    /// Whether something of this probability happens; it is counted if it does.
    pub fn strikes(&mut self, kind: FaultKind, chance: f64, rng: &mut ChaCha20Rng) -> bool {
        let strikes = chance > 0.0 && rng.random_bool(chance);
        if strikes {
            self.count(kind);
        }
        strikes
    }

    /// Whether the program stops at this edge.
    pub fn crashes(&mut self, boundary: Boundary, rng: &mut ChaCha20Rng) -> bool {
        let (kind, chance) = match boundary.side {
            Side::Node => (FaultKind::NodeCrashed, self.mix.node_crash),
            Side::Coordinator => (FaultKind::CoordinatorCrashed, self.mix.coordinator_crash),
        };
        let crashes = self.is_aimed_at(boundary) || chance > 0.0 && rng.random_bool(chance);
        if crashes {
            self.count(kind);
            *self.hit.entry(boundary).or_default() += 1;
            if boundary.moment == Moment::During {
                let ledger = boundary.effect == PERSIST_CHARGE;
                self.count(if ledger { FaultKind::LedgerTorn } else { FaultKind::WriteTorn });
            }
        }
        crashes
    }

    fn is_aimed_at(&mut self, boundary: Boundary) -> bool {
        let Some(place) = self.aims.iter().position(|aim| aim.boundary == boundary) else {
            return false;
        };
        if self.aims[place].passes > 0 {
            self.aims[place].passes -= 1;
            return false;
        }
        self.aims.remove(place);
        true
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn every_edge_gets_its_turn() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut waiting = Boundary::all();
        for seed in 0..60 {
            for aim in Faults::new(FaultMix::ROUGH, seed, &mut rng).aims {
                waiting.retain(|boundary| *boundary != aim.boundary);
            }
        }
        assert_eq!(waiting, []);
    }

    #[test]
    fn an_aimed_crash_comes_once_and_nothing_comes_after_healing() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mix = FaultMix { aimed: 1, ..FaultMix::CALM };
        let mut faults = Faults::new(mix.clone(), 0, &mut rng);
        let edge = Boundary::all()[0];
        let crashes = (0..10).filter(|_| faults.crashes(edge, &mut rng)).count();
        assert_eq!((crashes, faults.hit[&edge]), (1, 1));
        let mut faults = Faults::new(mix, 0, &mut rng);
        faults.heal();
        assert!((0..10).all(|_| !faults.crashes(edge, &mut rng)));
    }
}
