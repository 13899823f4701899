//! What must not go on, does not.

use grid::Ratio;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use secagg::{
    EphemeralSecrets, MaskContext, Masker, RunningSum, SecaggError, Secret32, Share, Unmask,
    recover_mask_key, recover_seed, thresholds,
};
use wire::{PlanHash, ShareKind};

use crate::cohort::{Cohort, MASK, SEAL, member, modulus, set};

#[test]
fn dealing_needs_a_roster_that_holds_the_own_keys() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let cohort = Cohort::new(5, 1);
    let numbers = cohort.thresholds;
    let draw = || EphemeralSecrets::generate(&mut ChaCha20Rng::seed_from_u64(1)); // member 0's
    let roster = cohort.public.clone();
    let mut try_deal =
        |roster, own| draw().deal(SEAL, roster, own, numbers, &mut rng).map(|_| ()).unwrap_err();
    let size = SecaggError::RosterSize { roster: 4, expected: 5 };
    assert_eq!(try_deal(roster[..4].to_vec(), member(0)), size);
    for own in [1, 5, 255] {
        let error = SecaggError::NotInRoster { own: member(own) };
        assert_eq!(try_deal(roster.clone(), member(own)), error);
    }
    let mut swapped = roster;
    swapped[0].seed_commitment[7] ^= 1;
    assert_eq!(try_deal(swapped, member(0)), SecaggError::NotInRoster { own: member(0) });
}

#[test]
fn masking_needs_the_plan_of_the_shares_and_a_set_that_can_be_unmasked() {
    let refused = |context, members| {
        let secrets = Cohort::new(6, 2).secrets.remove(1);
        Masker::new(secrets, context, members, modulus()).map(|_| ()).unwrap_err()
    };
    let other = MaskContext { plan: PlanHash([9; 32]), ..MASK };
    assert_eq!(refused(other, set(0..6)), SecaggError::PlanChanged);
    for members in [set(0..4), set(2..6), set(0..7), set([])] {
        let error = SecaggError::MaskingMembers { members: members.len(), need: 5, own: member(1) };
        assert_eq!(refused(MASK, members), error);
    }
}

#[test]
fn values_outside_the_ring_are_not_masked() {
    let secrets = Cohort::new(4, 3).secrets.remove(0);
    let masker = Masker::new(secrets, MASK, set(0..4), modulus()).unwrap();
    let error = masker.mask(vec![0, 1 << 20]).unwrap_err();
    assert_eq!(error, SecaggError::NotReduced { coordinate: 1, bits: 20 });
}

#[test]
fn unmasking_needs_every_secret_once() {
    let (members, survivors) = (set(0..6), set(0..5));
    let refused = |change: fn(&mut Vec<_>, &mut Vec<_>, &mut Cohort)| {
        let mut cohort = Cohort::new(6, 4);
        let sum = RunningSum::restore(vec![0; 3], survivors, modulus()).unwrap();
        let mut seeds: Vec<_> = survivors.iter().map(|m| cohort.seed(m, survivors)).collect();
        let mut keys = vec![cohort.mask_key(member(5), survivors)];
        change(&mut seeds, &mut keys, &mut cohort);
        Unmask::new(sum, MASK, cohort.public, members, seeds, keys).map(|_| ())
    };
    let wrong = |place| Err(SecaggError::UnmaskingMembers { member: member(place) });
    assert_eq!(refused(|_, _, _| ()), Ok(()));
    assert_eq!(refused(|seeds, _, _| drop(seeds.remove(2))), wrong(2));
    assert_eq!(refused(|_, keys, _| keys.clear()), wrong(5));
    assert_eq!(
        refused(|seeds, _, cohort| seeds.push(cohort.seed(member(1), set([0, 2, 3, 4, 5])))),
        wrong(1)
    );
    // both secrets of one member: what a lying coordinator would want
    assert_eq!(
        refused(|_, keys, cohort| keys.push(cohort.mask_key(member(1), set([0, 2, 3, 4, 5])))),
        wrong(1)
    );
    assert_eq!(refused(|seeds, _, cohort| seeds.push(cohort.seed(member(5), set(0..5)))), wrong(5));
}

#[test]
fn unmasking_needs_survivors_within_the_members_and_the_roster() {
    let refused = |members, survivors| {
        let cohort = Cohort::new(4, 5);
        let sum = RunningSum::restore(vec![0; 3], survivors, modulus()).unwrap();
        Unmask::new(sum, MASK, cohort.public, members, vec![], vec![]).map(|_| ()).unwrap_err()
    };
    let wrong = |place| SecaggError::UnmaskingMembers { member: member(place) };
    assert_eq!(refused(set(0..3), set([3])), wrong(3));
    assert_eq!(refused(set(0..6), set(0..3)), wrong(4));
}

#[test]
fn a_share_of_the_wrong_kind_or_of_another_member_is_named() {
    let mut cohort = Cohort::new(8, 6);
    let (owner, numbers) = (member(3), cohort.thresholds);
    let all = set(0..8);
    let mut seeds = cohort.reveal(owner, ShareKind::Seed, all);
    seeds[5] = cohort.pair(5, 3).reveal(ShareKind::MaskKey);
    let found = recover_seed(owner, &cohort.public[3], numbers, &seeds).unwrap();
    assert_eq!((found.secret.owner(), found.inconsistent), (owner, set([5])));

    let mut keys = cohort.reveal(member(2), ShareKind::MaskKey, all);
    keys[0] = cohort.pair(0, 1).reveal(ShareKind::MaskKey);
    let found = recover_mask_key(member(2), &cohort.public[2], numbers, &keys).unwrap();
    assert_eq!((found.secret.owner(), found.inconsistent), (member(2), set([0])));
}

#[test]
fn a_member_that_announced_other_secrets_than_it_dealt_is_named() {
    let mut cohort = Cohort::new(7, 7);
    let (all, numbers) = (set(0..7), cohort.thresholds);
    let mut announced = cohort.public[1];
    announced.seed_commitment = [7; 32];
    announced.mask_key = cohort.public[2].mask_key;
    let seeds = cohort.reveal(member(1), ShareKind::Seed, all);
    let error = recover_seed(member(1), &announced, numbers, &seeds).unwrap_err();
    assert_eq!(error, SecaggError::WrongSecret { owner: member(1), tolerated: 1 });
    let holders = set([0, 2, 3, 4, 5, 6]);
    let keys = cohort.reveal(member(1), ShareKind::MaskKey, holders);
    let error = recover_mask_key(member(1), &announced, numbers, &keys).unwrap_err();
    assert_eq!(error, SecaggError::WrongSecret { owner: member(1), tolerated: 0 });
}

#[test]
fn too_few_or_doubled_shares_recover_nothing() {
    let none = Ratio::new(0, 1).unwrap();
    let numbers = thresholds(4, none, none).unwrap();
    let public = Cohort::new(4, 8).public[0];
    let share = |place| Share::new(member(place), Secret32::new(&[1; 32])).unwrap();
    let recovered = |places: &[usize]| {
        let shares: Vec<_> = places.iter().copied().map(share).collect();
        recover_seed(member(0), &public, numbers, &shares).unwrap_err()
    };
    assert_eq!(recovered(&[0, 1]), SecaggError::NotEnoughShares { have: 2, need: 3 });
    assert_eq!(recovered(&[0, 1, 2, 1]), SecaggError::DuplicateShare { member: member(1) });
}
