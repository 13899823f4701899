//! Masks cancel for everybody who was told the same, and for nobody else.

use proptest::prelude::*;
use secagg::{DummyMasks, KeystreamMasks, MaskContext, Masks};
use wire::{ClosedHash, MemberIndex, MemberSet, ModelHash, PlanHash};

use crate::cohort::{Cohort, MASK, set};

/// Longer than one block of the keystream.
const COORDINATES: usize = 2_100;

/// Coordinate i counts member i's contribution; the others carry a number of its own.
fn one_hot(own: MemberIndex) -> Vec<u32> {
    let number = u32::from(own.0) * 1_000_003 % (1 << 20);
    (0..COORDINATES).map(|i| if i < 64 { u32::from(i == own.get()) } else { number }).collect()
}

fn expected(survivors: MemberSet) -> Vec<u32> {
    let mut sum = vec![0; COORDINATES];
    for values in survivors.iter().map(one_hot) {
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum = (*sum + value) % (1 << 20));
    }
    sum
}

fn sum_of<M: Masks>(count: usize, seed: u64, members: MemberSet, survivors: MemberSet) -> Vec<u32> {
    let cohort = Cohort::new(count, seed);
    cohort.round::<M>(MASK, members, survivors, |_| (MASK, members), one_hot).unwrap()
}

/// A roster, R2 and survivors, each of the latter with at least the threshold left.
fn any_cohort() -> impl Strategy<Value = (usize, MemberSet, MemberSet)> {
    (4usize..=13, any::<u64>()).prop_flat_map(|(count, order)| {
        let threshold = 2 * count / 3 + 1;
        let sizes = (threshold..=count).prop_flat_map(move |r2| (Just(r2), threshold..=r2));
        sizes.prop_map(move |(members, survivors)| {
            let mut places: Vec<usize> = (0..count).collect();
            places.sort_by_key(|place| (*place as u64 + 1).wrapping_mul(order | 1) >> 7);
            let first = |number: usize| set(places[..number].iter().copied());
            (count, first(members), first(survivors))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_survivor_counts_once(cohort in any_cohort(), seed: u64) {
        let (count, members, survivors) = cohort;
        let sum = sum_of::<KeystreamMasks>(count, seed, members, survivors);
        prop_assert_eq!(sum, expected(survivors));
    }
}

#[test]
fn the_largest_roster_loses_all_it_may_lose() {
    let (members, survivors) = (set(0..60), set(17..60)); // 43 of 64 left
    assert_eq!(sum_of::<KeystreamMasks>(64, 1, members, survivors), expected(survivors));
}

#[test]
fn the_dummy_gives_the_same_sums() {
    let (members, survivors) = (set(0..8), set(2..8));
    assert_eq!(sum_of::<DummyMasks>(8, 2, members, survivors), expected(survivors));
}

/// The model inconsistency attack (Pasquini et al., CCS 2022) and its like: one member is told
/// something else.
#[test]
fn a_member_that_was_told_something_else_spoils_the_sum() {
    let all = set(0..6);
    let other_model = MaskContext { model: ModelHash([9; 32]), ..MASK };
    let other_closed = MaskContext { closed: ClosedHash([9; 32]), ..MASK };
    for (context, members) in [(other_model, all), (other_closed, all), (MASK, set(0..5))] {
        let told = |own: MemberIndex| if own.0 == 3 { (context, members) } else { (MASK, all) };
        let sum = Cohort::new(6, 3).round::<KeystreamMasks>(MASK, all, all, told, one_hot).unwrap();
        assert_garbage(&sum, &expected(all));
    }
}

#[test]
fn a_sum_under_other_terms_does_not_unmask() {
    let all = set(0..4);
    let others = [
        MaskContext { plan: PlanHash([9; 32]), ..MASK },
        MaskContext { closed: ClosedHash([9; 32]), ..MASK },
        MaskContext { model: ModelHash([9; 32]), ..MASK },
    ];
    for other in others {
        let told = |_| (MASK, all);
        let sum = Cohort::new(4, 4).round::<KeystreamMasks>(other, all, all, told, one_hot);
        assert_garbage(&sum.unwrap(), &expected(all));
    }
}

/// Values of 20 bits agree by chance in one of a million.
fn assert_garbage(sum: &[u32], expected: &[u32]) {
    let equal = sum.iter().zip(expected).filter(|(found, expected)| found == expected).count();
    assert!(equal <= 2, "{equal} of {} coordinates are right", sum.len());
    assert!(sum.iter().all(|&value| value < 1 << 20));
}
