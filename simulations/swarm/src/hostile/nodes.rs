//! Nodes that lie.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use wire::{Agreement, LedgerHash, SealedShares, SurvivorsHash, ToCoordinator};

use super::{is_taken, resigned};
use crate::{behaviour::Behaviour, scenario::node_key};

/// What a hostile node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeLie {
    /// Says nothing where something is waited for.
    StaysSilent,
    /// Says what it has said before once more, whatever the round.
    Replays,
    /// Signs its message with a key that is not its own.
    SignsAsAnother,
    /// Says two different things where one is asked for.
    Contradicts,
    /// Deals one member shares that do not open.
    DealsBadly,
    /// Deals two members shares that do not open.
    DealsBadlyToTwo,
    /// Reveals another share than it was dealt.
    RevealsWrongly,
    /// Shows two ledgers of one length.
    ForksItsLedger,
}

impl NodeLie {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::StaysSilent,
        Self::Replays,
        Self::SignsAsAnother,
        Self::Contradicts,
        Self::DealsBadly,
        Self::DealsBadlyToTwo,
        Self::RevealsWrongly,
        Self::ForksItsLedger,
    ];
}

/// Some nodes that lie, each in its own way.
pub struct LyingNodes {
    liars: BTreeMap<usize, NodeLie>,
    /// What each of them has said.
    said: BTreeMap<usize, Vec<ToCoordinator>>,
    rng: ChaCha20Rng,
    lies: u64,
}

impl LyingNodes {
    /// So many liars of so many nodes; a node may be drawn twice.
    pub(crate) fn new(liars: usize, nodes: usize, mut rng: ChaCha20Rng) -> Self {
        let draw = |_| {
            let lie = NodeLie::ALL[rng.random_range(0..NodeLie::ALL.len())];
            (rng.random_range(0..nodes), lie)
        };
        let liars = (0..liars).map(draw).collect();
        Self { liars, said: BTreeMap::new(), rng, lies: 0 }
    }

    /// One liar that lies in this way.
    pub fn alone(node: usize, lie: NodeLie, seed: u64) -> Self {
        let rng = ChaCha20Rng::seed_from_u64(seed);
        Self { liars: [(node, lie)].into(), said: BTreeMap::new(), rng, lies: 0 }
    }

    /// What the liar says instead; none if this message gives no opportunity.
    fn lie(
        &mut self,
        lie: NodeLie,
        node: usize,
        said: &ToCoordinator,
    ) -> Option<Vec<ToCoordinator>> {
        match lie {
            NodeLie::StaysSilent => Some(Vec::new()),
            NodeLie::Replays => {
                let known = self.said.get(&node).filter(|known| !known.is_empty())?;
                let old = known[self.rng.random_range(0..known.len())].clone();
                Some(vec![old, said.clone()])
            }
            NodeLie::SignsAsAnother => Some(vec![signed_by_another(node, said)?]),
            NodeLie::Contradicts => Some(vec![said.clone(), contradiction(node, said)?]),
            NodeLie::DealsBadly => deal_badly(node, said, 1),
            NodeLie::DealsBadlyToTwo => deal_badly(node, said, 2),
            NodeLie::RevealsWrongly => {
                let ToCoordinator::Reveal(reveal) = said else { return None };
                let wrong = resigned(reveal, &node_key(node), |reveal| {
                    reveal.shares.iter_mut().take(1).for_each(|share| share.share[7] ^= 1);
                });
                Some(vec![ToCoordinator::Reveal(wrong)])
            }
            NodeLie::ForksItsLedger => {
                let ToCoordinator::LaterHead(head) = said else { return None };
                let other = resigned(head, &node_key(node), |h| h.head = LedgerHash([1; 32]));
                Some(vec![said.clone(), ToCoordinator::LaterHead(other)])
            }
        }
    }
}

impl Behaviour for LyingNodes {
    fn to_coordinator(&mut self, node: usize, message: ToCoordinator) -> Vec<ToCoordinator> {
        let Some(&lie) = self.liars.get(&node) else { return vec![message] };
        let taken = is_taken(&mut self.rng);
        let lied = if taken { self.lie(lie, node, &message) } else { None };
        self.lies += u64::from(lied.is_some());
        let said = lied.unwrap_or_else(|| vec![message.clone()]);
        self.said.entry(node).or_default().push(message);
        said
    }

    fn lies(&self) -> [u64; 2] {
        [self.lies, 0]
    }

    fn is_honest(&self, node: usize) -> bool {
        !self.liars.contains_key(&node)
    }
}

/// The same words under the key of the next node.
fn signed_by_another(node: usize, said: &ToCoordinator) -> Option<ToCoordinator> {
    let other = node_key(node + 1);
    Some(match said {
        ToCoordinator::Advertise(signed) => {
            ToCoordinator::Advertise(resigned(signed, &other, |_| {}))
        }
        ToCoordinator::Contribution(signed) => {
            ToCoordinator::Contribution(resigned(signed, &other, |_| {}))
        }
        ToCoordinator::Agreement(signed) => {
            ToCoordinator::Agreement(resigned(signed, &other, |_| {}))
        }
        _ => return None,
    })
}

/// Other words in the same place. (A second contribution that came first would be counted: what a node
/// contributes is its own to choose.)
fn contradiction(node: usize, said: &ToCoordinator) -> Option<ToCoordinator> {
    let key = node_key(node);
    Some(match said {
        ToCoordinator::Advertise(signed) => {
            let other = resigned(signed, &key, |advertise| advertise.seed_commitment[0] ^= 1);
            ToCoordinator::Advertise(other)
        }
        ToCoordinator::Agreement(signed) => {
            let other = |agreement: &mut Agreement| agreement.survivors = SurvivorsHash([7; 32]);
            ToCoordinator::Agreement(resigned(signed, &key, other))
        }
        ToCoordinator::Reveal(signed) => {
            let other = resigned(signed, &key, |reveal| {
                reveal.shares.pop();
            });
            ToCoordinator::Reveal(other)
        }
        _ => return None,
    })
}

/// Shares of which the first few do not open.
fn deal_badly(node: usize, said: &ToCoordinator, victims: usize) -> Option<Vec<ToCoordinator>> {
    let ToCoordinator::SealedShares(shares) = said else { return None };
    let broken = resigned(shares, &node_key(node), |shares: &mut SealedShares| {
        for share in shares.shares.iter_mut().take(victims) {
            share.ciphertext[0] ^= 1;
        }
    });
    Some(vec![ToCoordinator::SealedShares(broken)])
}
