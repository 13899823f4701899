//! Who spoils rounds, and how long the coordinator does without them.
//!
//! **The rule.** A round that a member spoils counts 2 against it, a round that it helps to finish
//! takes 1 away. From 3 on it is left out of as many of the next rosters as stand against it, 8 at
//! most, and never where the roster would be too small without it: so nobody is left out for one bad
//! round, and nobody for ever. It is the coordinator's memory alone, persisted with the end of each round
//! that has changed it; a restart in the middle of a round forgets what that round had shown.
//!
//! A round is spoilt by whoever is missing where it is aborted for lack of answers, and by whoever's
//! dealt shares do not give the secret that was announced. Where one member's word stands against
//! another's (shares that do not open, a revealed share that does not fit) nobody can tell who lies;
//! but an honest member has at most ⌊γ·n⌋ liars against it, so whoever has more *different* members
//! against it has spoilt the round. Two that disagree for the second time are kept apart from then on:
//! after each disagreement one of the two is left out of the next 8 rosters, by turns. So a liar that
//! harms one fixed member is without it, and it without the liar, about as often; before, that member was
//! in no sum at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wire::{NodeId, Round};

const SPOILT: u32 = 2;
const FINISHED: u32 = 1;
/// From so much on a member is left out.
const LEFT_OUT_FROM: u32 = 3;
/// The most that stands against anybody, and the most rosters that anybody is left out of.
const MOST: u32 = 8;

/// From so many disagreements on two members are kept apart.
const APART_FROM: u32 = 2;

/// What the coordinator remembers of its members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conduct {
    against: BTreeMap<NodeId, Against>,
    /// How often two members have disagreed, and in which round at last; the smaller id first.
    quarrels: BTreeMap<(NodeId, NodeId), (u32, Round)>,
}

/// What stands against one member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Against {
    count: u32,
    /// Left out of rosters up to this round.
    until: Round,
    /// Whose word stands against its own.
    opponents: BTreeSet<NodeId>,
}

impl Conduct {
    /// Whether a member is left out of this round's roster.
    pub(super) fn is_left_out(&self, node: NodeId, round: Round) -> bool {
        self.against.get(&node).is_some_and(|against| against.until >= round)
    }

    /// A member has spoilt a round.
    pub(super) fn spoilt(&mut self, node: NodeId, round: Round) {
        let against = self.against.entry(node).or_default();
        against.count = (against.count + SPOILT).min(MOST);
        if against.count >= LEFT_OUT_FROM {
            against.until = Round(round.0.saturating_add(u64::from(against.count)));
        }
    }

    /// A member has helped to finish a round.
    pub(super) fn finished(&mut self, node: NodeId) {
        if let Some(against) = self.against.get_mut(&node) {
            against.count = against.count.saturating_sub(FINISHED);
        }
    }

    /// One member's word stands against another's. Those who have now more members against them than
    /// may be corrupt.
    pub(super) fn disagree(
        &mut self,
        one: NodeId,
        other: NodeId,
        round: Round,
        corrupt_max: usize,
    ) -> Vec<NodeId> {
        self.keep_apart(one, other, round);
        let mut found_out = Vec::new();
        for (node, opponent) in [(one, other), (other, one)] {
            let opponents = &mut self.against.entry(node).or_default().opponents;
            opponents.insert(opponent);
            // One against one never tells.
            if opponents.len() > corrupt_max.max(1) {
                found_out.push(node);
            }
        }
        found_out
    }

    /// One of two that have disagreed before is left out, by turns.
    fn keep_apart(&mut self, one: NodeId, other: NodeId, round: Round) {
        let pair = (one.min(other), one.max(other));
        let (count, last) = self.quarrels.entry(pair).or_insert((0, Round(0)));
        if *count > 0 && *last == round {
            return;
        }
        (*count, *last) = (count.saturating_add(1), round);
        if *count >= APART_FROM {
            let out = if *count % 2 == 0 { pair.0 } else { pair.1 };
            let until = &mut self.against.entry(out).or_default().until;
            *until = (*until).max(Round(round.0.saturating_add(u64::from(MOST))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId([number; 32])
    }

    #[test]
    fn nobody_is_left_out_for_one_round_and_nobody_for_ever() {
        let (mut conduct, liar) = (Conduct::default(), node(1));
        conduct.spoilt(liar, Round(1));
        assert!(!conduct.is_left_out(liar, Round(2)));
        conduct.spoilt(liar, Round(2));
        let left_out = |conduct: &Conduct| {
            (3..50).filter(|&round| conduct.is_left_out(liar, Round(round))).count()
        };
        assert_eq!(left_out(&conduct), 4);
        for round in 3..20 {
            conduct.spoilt(liar, Round(round));
        }
        assert!(conduct.is_left_out(liar, Round(27)) && !conduct.is_left_out(liar, Round(28)));
        assert!(!conduct.is_left_out(node(2), Round(3)));
    }

    #[test]
    fn every_other_round_spoilt_is_found_too() {
        let (mut conduct, liar) = (Conduct::default(), node(1));
        conduct.spoilt(liar, Round(1));
        conduct.finished(liar);
        conduct.spoilt(liar, Round(3));
        assert!(conduct.is_left_out(liar, Round(4)));
        let (mut conduct, unlucky) = (Conduct::default(), node(1));
        for round in 0..20 {
            conduct.spoilt(unlucky, Round(3 * round));
            conduct.finished(unlucky);
            conduct.finished(unlucky);
        }
        assert!(!conduct.is_left_out(unlucky, Round(61)), "one bad round in three");
    }

    #[test]
    fn whoever_has_more_members_against_it_than_may_lie_is_found_out() {
        let mut conduct = Conduct::default();
        let round = Round(1);
        let alone = conduct.disagree(node(1), node(2), round, 0);
        assert_eq!(alone, [], "one against one never tells");
        assert_eq!(conduct.disagree(node(1), node(2), round, 0), []);
        assert_eq!(conduct.disagree(node(3), node(1), round, 0), [node(1)]);
        let mut conduct = Conduct::default();
        assert_eq!(conduct.disagree(node(1), node(2), round, 2), []);
        assert_eq!(conduct.disagree(node(1), node(3), round, 2), []);
        assert_eq!(conduct.disagree(node(4), node(1), round, 2), [node(1)]);
    }

    /// A liar deals badly to one fixed member whenever both are on the roster: the two take turns.
    #[test]
    fn two_that_disagree_again_and_again_are_kept_apart() {
        let (mut conduct, liar, victim) = (Conduct::default(), node(7), node(3));
        let mut whole = [0; 2];
        for round in (1..=200).map(Round) {
            let [there, here] = [liar, victim].map(|node| !conduct.is_left_out(node, round));
            if there && here {
                conduct.disagree(victim, liar, round, 1);
                conduct.disagree(liar, victim, round, 1);
            }
            whole[0] += u32::from(there && !here);
            whole[1] += u32::from(here && !there);
        }
        assert!(whole.iter().all(|&rounds| rounds > 80), "{whole:?}");
    }
}
