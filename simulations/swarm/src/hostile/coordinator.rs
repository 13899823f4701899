//! A coordinator that lies.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use wire::{
    Agreement, MemberIndex, MemberSet, Roster, RoundResult, SharesClosed, Signed, Survivors, ToNode,
};

use super::{is_taken, resigned};
use crate::{behaviour::Behaviour, disk::CoordinatorDisk, scenario::coordinator_key};

/// What a hostile coordinator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoordinatorLie {
    /// Tells half of the nodes another list of survivors, to get both kinds of shares.
    SplitsSurvivors,
    /// Tells everybody two lists of survivors, one after the other.
    AsksTwice,
    /// Calls so few survivors that the sum would be of three.
    ShrinksSurvivors,
    /// Tells some nodes a roster that leaves a member out.
    SplitsRosters,
    /// Tells some nodes another R2.
    SplitsR2,
    /// Shows fewer agreements than it takes, some of them twice.
    CountsTwice,
    /// Says old things again: plans, lists, results.
    Replays,
    /// Publishes another sum than the one that the header names.
    ChangesSums,
    /// Tells some nodes nothing.
    StaysSilent,
    /// Stops and comes back with the disk that it had some time ago: it has forgotten what it signed since.
    RestoresItsDisk,
}

impl CoordinatorLie {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::SplitsSurvivors,
        Self::AsksTwice,
        Self::ShrinksSurvivors,
        Self::SplitsRosters,
        Self::SplitsR2,
        Self::CountsTwice,
        Self::Replays,
        Self::ChangesSums,
        Self::StaysSilent,
        Self::RestoresItsDisk,
    ];
}

/// The coordinator, lying in one way.
pub struct LyingCoordinator {
    lie: CoordinatorLie,
    /// Whom it tells something else.
    misled: Vec<bool>,
    said: Vec<ToNode>,
    /// What was on its disk when it started at some time.
    backup: Option<CoordinatorDisk>,
    rng: ChaCha20Rng,
    lies: u64,
}

/// The most old messages that are kept to be said again.
const KEPT: usize = 256;
/// How often one that restores its disk stops, each time that it could: every ten seconds or so.
const STOPS: f64 = 0.04;

impl LyingCoordinator {
    pub(crate) fn new(lie: CoordinatorLie, nodes: usize, mut rng: ChaCha20Rng) -> Self {
        let misled = (0..nodes).map(|_| rng.random_bool(0.5)).collect();
        Self { lie, misled, said: Vec::new(), backup: None, rng, lies: 0 }
    }

    /// One that lies in this way to so many nodes.
    pub fn seeded(lie: CoordinatorLie, nodes: usize, seed: u64) -> Self {
        Self::new(lie, nodes, ChaCha20Rng::seed_from_u64(seed))
    }

    /// What it says instead; none if this message gives no opportunity.
    fn lie(&mut self, misled: bool, said: &ToNode) -> Option<Vec<ToNode>> {
        use CoordinatorLie::*;
        match (self.lie, said) {
            (SplitsSurvivors, ToNode::Survivors(survivors)) if misled => {
                Some(vec![ToNode::Survivors(without_last(survivors, 1))])
            }
            (AsksTwice, ToNode::Survivors(survivors)) => {
                let second = ToNode::Survivors(without_last(survivors, 1));
                Some(vec![said.clone(), second])
            }
            (ShrinksSurvivors, ToNode::Survivors(survivors)) => {
                let few = survivors.check(survivors.claimed_signer()).ok()?.members.len();
                Some(vec![ToNode::Survivors(without_last(survivors, few.saturating_sub(3)))])
            }
            (SplitsRosters, ToNode::Roster(roster)) if misled => {
                let fewer = resigned(roster, &coordinator_key(), |roster: &mut Roster| {
                    roster.members.pop();
                });
                Some(vec![ToNode::Roster(fewer)])
            }
            (SplitsR2, ToNode::Inbox(inbox)) if misled => {
                let mut other = inbox.clone();
                other.closed =
                    resigned(&inbox.closed, &coordinator_key(), |r2: &mut SharesClosed| {
                        r2.members = without(r2.members, 1);
                    });
                Some(vec![ToNode::Inbox(other)])
            }
            (CountsTwice, ToNode::Agreements(agreements)) => {
                Some(vec![ToNode::Agreements(doubled(agreements))])
            }
            (Replays, _) if !self.said.is_empty() => {
                let old = self.said[self.rng.random_range(0..self.said.len())].clone();
                Some(vec![old, said.clone()])
            }
            (ChangesSums, ToNode::Result(result)) => Some(vec![ToNode::Result(other_sum(result)?)]),
            (StaysSilent, _) if misled => Some(Vec::new()),
            _ => None,
        }
    }
}

impl Behaviour for LyingCoordinator {
    fn to_node(&mut self, node: usize, message: ToNode) -> Vec<ToNode> {
        let taken = is_taken(&mut self.rng);
        let lied = if taken { self.lie(self.misled[node], &message) } else { None };
        self.lies += u64::from(lied.is_some());
        let said = lied.unwrap_or_else(|| vec![message.clone()]);
        if self.said.len() < KEPT {
            self.said.push(message);
        }
        said
    }

    fn lies(&self) -> [u64; 2] {
        [0, self.lies]
    }

    fn has_honest_coordinator(&self) -> bool {
        false
    }

    fn lets_versions_come(&self) -> bool {
        false
    }

    fn keeps_coordinators_disk(&self) -> bool {
        self.lie != CoordinatorLie::RestoresItsDisk
    }

    /// Nodes that have missed the first successor of a version may take the second: each knows one.
    fn tells_one_history(&self, _: usize) -> bool {
        self.keeps_coordinators_disk()
    }

    fn stops_coordinator(&mut self) -> bool {
        !self.keeps_coordinators_disk() && self.rng.random_bool(STOPS)
    }

    fn coordinator_starting(&mut self, disk: &mut CoordinatorDisk) {
        if self.keeps_coordinators_disk() {
            return;
        }
        match &self.backup {
            Some(backup) if is_taken(&mut self.rng) => {
                self.lies += u64::from(backup.headers.len() < disk.headers.len());
                *disk = backup.clone();
            }
            _ => self.backup = Some(disk.clone()),
        }
    }
}

fn without_last(survivors: &Signed<Survivors>, fewer: usize) -> Signed<Survivors> {
    resigned(survivors, &coordinator_key(), |survivors| {
        survivors.members = without(survivors.members, fewer);
    })
}

/// The set without its last few members.
fn without(members: MemberSet, fewer: usize) -> MemberSet {
    let kept: Vec<MemberIndex> = members.iter().collect();
    kept[..kept.len() - fewer.min(kept.len())].iter().copied().collect()
}

/// Half of the signatures, twice.
fn doubled(agreements: &[Signed<Agreement>]) -> Vec<Signed<Agreement>> {
    let half = &agreements[..agreements.len() / 2];
    [half, half].concat()
}

fn other_sum(result: &RoundResult) -> Option<RoundResult> {
    let mut record = result.record.clone()?;
    *Arc::make_mut(&mut record.sum).first_mut()? ^= 1;
    Some(RoundResult { header: result.header.clone(), record: Some(record) })
}
