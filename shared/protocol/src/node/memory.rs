//! What a node remembers beyond the present round and the ledger, so that a restart does not make it
//! forget how often it was asked, whom it knows and what it refused.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use wire::{NodeId, Round};

use super::{Declined, Effect, Event, Record};
use crate::{policy::Policy, time::Time};

/// A day, in milliseconds.
const DAY_MS: u64 = 24 * 3_600_000;
/// Of so many nodes it is remembered that they were in a sum; those known first stay.
const FAMILIAR_MAX: usize = 1024;
/// So many refused rounds are remembered.
const REFUSED_MAX: usize = 16;
/// Attempts beyond what any policy is likely to allow are not told apart.
const ATTEMPTS_MAX: usize = 100_000;

/// A round that the node did not take part in, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Which round.
    pub round: Round,
    /// When, on the caller's clock.
    pub at_ms: u64,
    /// Why, for its owner.
    pub why: String,
    /// The number with which it would have taken part, where one would.
    pub would_do: Option<String>,
}

/// A node's memory of one task. It grows slowly, and never beyond about 150 kB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// When rounds were begun, within the last day.
    attempts: VecDeque<u64>,
    /// Who has been in a sum that this node has verified.
    familiar: BTreeSet<NodeId>,
    /// The last refused rounds, the newest last.
    refused: VecDeque<Refused>,
    /// An entry of the ledger was lost, and the round that it was for was at most this one.
    lost_round: Option<Round>,
}

impl Memory {
    /// The last refused rounds, the newest last.
    pub fn refused(&self) -> impl Iterator<Item = &Refused> {
        self.refused.iter()
    }

    /// Who has been in a sum that this node has verified.
    pub fn familiar(&self) -> &BTreeSet<NodeId> {
        &self.familiar
    }

    /// How many rounds were begun within the 24 hours before `now`; those that a clock has put into the
    /// future count too.
    pub fn attempts(&self, now: Time) -> u32 {
        let recent = self.attempts.iter().filter(|&&at| at.saturating_add(DAY_MS) > now.0).count();
        u32::try_from(recent).unwrap_or(u32::MAX)
    }

    pub(super) fn begin(&mut self, now: Time) {
        self.attempts.retain(|&at| at.saturating_add(DAY_MS) > now.0);
        if self.attempts.len() >= ATTEMPTS_MAX {
            self.attempts.pop_front();
        }
        self.attempts.push_back(now.0);
    }

    /// Whether somebody new is among them, and remembered.
    pub(super) fn met(&mut self, members: BTreeSet<NodeId>) -> bool {
        let before = self.familiar.len();
        let room = FAMILIAR_MAX.saturating_sub(before);
        let new: Vec<NodeId> = members.difference(&self.familiar).copied().take(room).collect();
        self.familiar.extend(new);
        self.familiar.len() > before
    }

    /// Whether it is news: a round is refused once, however often its plan is repeated.
    pub(super) fn refuse(&mut self, refused: Refused) -> bool {
        let is_known = |known: &Refused| known.round == refused.round && known.why == refused.why;
        if self.refused.iter().any(is_known) {
            return false;
        }
        if self.refused.len() >= REFUSED_MAX {
            self.refused.pop_front();
        }
        self.refused.push_back(refused);
        true
    }

    pub(super) fn lose(&mut self, round: Round) {
        self.lost_round = self.lost_round.max(Some(round));
    }

    /// The last round that this node may have taken part in, from `charged` by its ledger.
    pub(super) fn last_round(&self, charged: Option<Round>) -> Option<Round> {
        charged.max(self.lost_round)
    }
}

/// Remembers a refused round and tells the owner; once.
pub(super) fn refuse(
    memory: &mut Memory,
    policy: &Policy,
    round: Round,
    why: Declined,
    now: Time,
    effects: &mut Vec<Effect>,
) {
    let would_do = match &why {
        Declined::Policy(refusal) => refusal.would_do(policy.delta),
        Declined::Fault(_) => None,
    };
    let refused = Refused { round, at_ms: now.0, why: why.to_string(), would_do: would_do.clone() };
    if memory.refuse(refused) {
        effects.push(Effect::Persist(Record::Memory(memory.clone())));
        effects.push(Effect::Report(Event::Refused { round, why, would_do }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        NodeId(bytes)
    }

    #[test]
    fn attempts_count_for_a_day_and_a_clock_that_went_back_helps_nobody() {
        let mut memory = Memory::default();
        memory.begin(Time(1_000));
        memory.begin(Time(2_000));
        assert_eq!(memory.attempts(Time(DAY_MS)), 2);
        assert_eq!(memory.attempts(Time(DAY_MS + 1_000)), 1);
        assert_eq!(memory.attempts(Time(0)), 2);
        memory.begin(Time(DAY_MS + 1_500));
        assert_eq!(memory.attempts.len(), 2, "old ones are forgotten");
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut memory = Memory::default();
        for number in 0..FAMILIAR_MAX as u64 {
            assert!(memory.met(BTreeSet::from([id(number)])));
        }
        assert!(!memory.met(BTreeSet::from([id(5), id(1 << 40)])));
        assert!(memory.familiar().contains(&id(0)) && !memory.familiar().contains(&id(1 << 40)));
        for number in 0..1_000 {
            let (round, why) = (Round(number), "no".to_owned());
            let refused = Refused { round, at_ms: 0, why, would_do: None };
            assert!(memory.refuse(refused.clone()));
            assert!(!memory.refuse(refused), "once");
        }
        assert_eq!(memory.refused().count(), REFUSED_MAX);
        assert_eq!(memory.refused().last().unwrap().round, Round(999));
    }
}
