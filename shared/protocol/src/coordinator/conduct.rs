//! Who spoils rounds, and how long the coordinator does without them.
//!
//! **The rule.** A round that a member spoils counts 2 against it, a round that it helps to finish
//! takes 1 away. From 3 on it is left out of as many of the next rosters as stand against it, 8 at
//! most, and never where the roster would be too small without it: so nobody is left out for one bad
//! round, and nobody for ever. It is the coordinator's memory alone; a restart forgets it.
//!
//! A round is spoilt by whoever is missing where it is aborted for lack of answers, and by whoever's
//! dealt shares do not give the secret that was announced. Where one member's word stands against
//! another's (shares that do not open, a revealed share that does not fit) nobody can tell who lies;
//! but an honest member has at most ⌊γ·n⌋ liars against it, so whoever has more *different* members
//! against it has spoilt the round.

use std::collections::{BTreeMap, BTreeSet};

use wire::{NodeId, Round};

const SPOILT: u32 = 2;
const FINISHED: u32 = 1;
/// From so much on a member is left out.
const LEFT_OUT_FROM: u32 = 3;
/// The most that stands against anybody, and the most rosters that anybody is left out of.
const MOST: u32 = 8;

/// What the coordinator remembers of its members.
#[derive(Default)]
pub(super) struct Conduct {
    against: BTreeMap<NodeId, Against>,
}

/// What stands against one member.
#[derive(Default)]
struct Against {
    count: u32,
    /// Left out of rosters up to this round.
    until: Round,
    /// Whose word stands against its own.
    opponents: BTreeSet<NodeId>,
}

impl Conduct {
    /// Whether a member is left out of this round's roster.
    pub fn is_left_out(&self, node: NodeId, round: Round) -> bool {
        self.against.get(&node).is_some_and(|against| against.until >= round)
    }

    /// A member has spoilt a round.
    pub fn spoilt(&mut self, node: NodeId, round: Round) {
        let against = self.against.entry(node).or_default();
        against.count = (against.count + SPOILT).min(MOST);
        if against.count >= LEFT_OUT_FROM {
            against.until = Round(round.0.saturating_add(u64::from(against.count)));
        }
    }

    /// A member has helped to finish a round.
    pub fn finished(&mut self, node: NodeId) {
        if let Some(against) = self.against.get_mut(&node) {
            against.count = against.count.saturating_sub(FINISHED);
        }
    }

    /// One member's word stands against another's. Those who have now more members against them than
    /// may be corrupt.
    pub fn disagree(&mut self, one: NodeId, other: NodeId, corrupt_max: usize) -> Vec<NodeId> {
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
        assert_eq!(conduct.disagree(node(1), node(2), 0), [], "one against one never tells");
        assert_eq!(conduct.disagree(node(1), node(2), 0), []);
        assert_eq!(conduct.disagree(node(3), node(1), 0), [node(1)]);
        let mut conduct = Conduct::default();
        assert_eq!(conduct.disagree(node(1), node(2), 2), []);
        assert_eq!(conduct.disagree(node(1), node(3), 2), []);
        assert_eq!(conduct.disagree(node(4), node(1), 2), [node(1)]);
    }
}
