//! Each contribution exactly once or not at all.

use std::collections::BTreeMap;

use grid::Modulus;
use wire::{NodeId, Round, RoundRecord};

use super::{Broken, Found, Invariant};
use crate::scenario::{DIMENSION, MODULUS_BITS, ONE_HOT, node_id};

/// What every node has put into its contributions.
#[derive(Default)]
pub(super) struct Sums {
    made: BTreeMap<(Round, usize), Vec<u32>>,
}

impl Sums {
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
        let (round, survivors) = read_survivors(record)?;
        let modulus = Modulus::new(u32::from(MODULUS_BITS)).expect("a modulus");
        let sum = grid::unpack(&record.sum, DIMENSION, modulus).map_err(|error| {
            (Invariant::ExactlyOnce, Some(round), format!("the sum does not unpack: {error}"))
        })?;
        for (node, &value) in sum[..ONE_HOT].iter().enumerate() {
            check_one(node, modulus.lift(value), survivors.contains(&node), round)?;
        }
        let mut expected = vec![0; DIMENSION];
        for node in &survivors {
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
        let what = "the sum is not that of the survivors' contributions".to_owned();
        Err((Invariant::ExactlyOnce, Some(round), what))
    }
}

fn check_one(node: usize, count: i64, survived: bool, round: Round) -> Found {
    if count == i64::from(survived) {
        return Ok(());
    }
    let what = format!("node {node} (survivor: {survived}) counts {count} times in the sum");
    Err((Invariant::ExactlyOnce, Some(round), what))
}

/// The round and the numbers of its survivors.
fn read_survivors(record: &RoundRecord) -> Result<(Round, Vec<usize>), Broken> {
    let unreadable = |what: &str| (Invariant::ExactlyOnce, None, format!("unreadable {what}"));
    let roster = record.roster.check(record.roster.claimed_signer());
    let roster = roster.map_err(|_| unreadable("roster"))?;
    let survivors = record.survivors.check(record.survivors.claimed_signer());
    let survivors = survivors.map_err(|_| unreadable("survivors"))?;
    let ids: Vec<NodeId> = roster.members.iter().map(|member| member.claimed_signer()).collect();
    let number = |id: NodeId| (0..ONE_HOT).find(|&node| node_id(node) == id);
    let numbers = survivors.members.iter().filter_map(|member| number(*ids.get(member.get())?));
    Ok((survivors.round, numbers.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_is_found_and_so_is_never() {
        assert_eq!(check_one(1, 1, true, Round(1)), Ok(()));
        assert_eq!(check_one(1, 0, false, Round(1)), Ok(()));
        for (count, survived) in [(2, true), (0, true), (1, false), (-77, false)] {
            let found = check_one(1, count, survived, Round(1)).unwrap_err();
            assert_eq!(found.0, Invariant::ExactlyOnce);
        }
    }
}
