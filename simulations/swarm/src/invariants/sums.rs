//! Each contribution exactly once or not at all.

use std::collections::BTreeMap;

use grid::Modulus;
use wire::{MemberIndex, NodeId, Round, RoundRecord};

use super::{Broken, Found, Invariant, computed::Sum};
use crate::scenario::{DIMENSION, MODULUS_BITS, ONE_HOT};

/// What every node has put into its contributions.
pub(super) struct Sums {
    made: BTreeMap<(Round, usize), Vec<u32>>,
    /// Which node has which identity.
    numbers: BTreeMap<NodeId, usize>,
}

impl Sums {
    pub fn new(numbers: BTreeMap<NodeId, usize>) -> Self {
        Self { made: BTreeMap::new(), numbers }
    }

    /// Noise is drawn once in a round.
    pub fn drawn(&mut self, round: Round, node: usize, values: Vec<u32>) -> Found {
        if self.made.insert((round, node), values).is_none() {
            return Ok(());
        }
        let what = format!("node {node} has drawn noise a second time");
        Err((Invariant::NoiseOnce, Some(round), what))
    }

    /// Holds a published sum against what the survivors contributed.
    pub fn published(&self, record: &RoundRecord) -> Found {
        let (round, survivors) = self.read_survivors(record)?;
        let modulus = Modulus::new(u32::from(MODULUS_BITS)).expect("a modulus");
        let sum = grid::unpack(&record.sum, DIMENSION, modulus).map_err(|error| {
            (Invariant::ExactlyOnce, Some(round), format!("the sum does not unpack: {error}"))
        })?;
        for (coordinate, &value) in sum[..ONE_HOT].iter().enumerate() {
            let owners = survivors.iter().filter(|&node| node % ONE_HOT == coordinate).count();
            check_one(coordinate, modulus.lift(value), owners, round)?;
        }
        self.check_sum(round, &survivors, &sum)
    }

    /// Holds a sum that was computed from what has left the nodes against what its members contributed.
    pub fn computed(&self, round: Round, sum: &Sum) -> Found {
        let members = sum.of.iter().filter_map(|id| self.numbers.get(id).copied());
        self.check_sum(round, &members.collect::<Vec<_>>(), &sum.values)
    }

    fn check_sum(&self, round: Round, members: &[usize], sum: &[u32]) -> Found {
        let modulus = Modulus::new(u32::from(MODULUS_BITS)).expect("a modulus");
        let mut expected = vec![0; DIMENSION];
        for node in members {
            let made = self.made.get(&(round, *node));
            let nothing = || {
                let what = format!("node {node} is in the sum and has made nothing");
                (Invariant::ExactlyOnce, Some(round), what)
            };
            let made = made.ok_or_else(nothing)?;
            modulus.add_assign(&mut expected, made).expect("made with this dimension");
        }
        if expected == sum {
            return Ok(());
        }
        let what = "the sum is not that of its members' contributions".to_owned();
        Err((Invariant::ExactlyOnce, Some(round), what))
    }

    /// The round and the numbers of its survivors.
    fn read_survivors(&self, record: &RoundRecord) -> Result<(Round, Vec<usize>), Broken> {
        let unreadable = |what: &str| (Invariant::ExactlyOnce, None, format!("unreadable {what}"));
        let roster = record.roster.check(record.roster.claimed_signer());
        let roster = roster.map_err(|_| unreadable("roster"))?;
        let survivors = record.survivors.check(record.survivors.claimed_signer());
        let survivors = survivors.map_err(|_| unreadable("survivors"))?;
        let number = |member: MemberIndex| {
            let advertise = roster.members.get(member.get())?;
            self.numbers.get(&advertise.claimed_signer()).copied()
        };
        Ok((survivors.round, survivors.members.iter().filter_map(number).collect()))
    }
}

/// Whether a coordinate counts everybody who has it once.
fn check_one(coordinate: usize, count: i64, owners: usize, round: Round) -> Found {
    if usize::try_from(count) == Ok(owners) {
        return Ok(());
    }
    let what =
        format!("coordinate {coordinate} counts {count} times, and {owners} survivors have it");
    Err((Invariant::ExactlyOnce, Some(round), what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_is_found_and_so_is_never() {
        assert_eq!(check_one(1, 1, 1, Round(1)), Ok(()));
        assert_eq!(check_one(1, 0, 0, Round(1)), Ok(()));
        for (count, owners) in [(2, 1), (0, 1), (1, 0), (-77, 0), (1, 2)] {
            let found = check_one(1, count, owners, Round(1)).unwrap_err();
            assert_eq!(found.0, Invariant::ExactlyOnce);
        }
    }
}
