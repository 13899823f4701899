//! Recovering a member's secret from revealed shares, some of which may be wrong, and checking
//! it against what the member announced.

use std::fmt;

use wire::{MemberIndex, MemberSet};

use crate::decode::{self, decode};
use crate::keys::{public_key, seed_commitment};
use crate::shares::{Interpolation, check_shares, interpolate};
use crate::{EphemeralPublic, SecaggError, Secret32, Share, Thresholds};

/// The seed of a survivor's self mask, checked against its commitment.
pub struct RecoveredSeed {
    owner: MemberIndex,
    seed: Secret32,
}

impl RecoveredSeed {
    /// Whose seed it is.
    pub fn owner(&self) -> MemberIndex {
        self.owner
    }

    pub(crate) fn seed(&self) -> &Secret32 {
        &self.seed
    }
}

impl fmt::Debug for RecoveredSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveredSeed(of member {})", self.owner)
    }
}

/// The mask key of a member that dropped out, checked against its public key.
pub struct RecoveredMaskKey {
    owner: MemberIndex,
    mask_key: Secret32,
}

impl RecoveredMaskKey {
    /// Whose key it is.
    pub fn owner(&self) -> MemberIndex {
        self.owner
    }

    pub(crate) fn mask_key(&self) -> &Secret32 {
        &self.mask_key
    }
}

impl fmt::Debug for RecoveredMaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveredMaskKey(of member {})", self.owner)
    }
}

/// A secret, and whose shares did not fit it.
#[derive(Debug)]
pub struct Recovered<S> {
    /// The checked secret.
    pub secret: S,
    /// Holders whose shares differ from what the secret's sharing gives them. Either the holder
    /// revealed something else than it was dealt, or the owner dealt it a wrong share: the
    /// shares alone cannot tell.
    pub inconsistent: MemberSet,
}

/// Recovers the self-mask seed of a survivor.
///
/// Up to ⌊(shares − threshold)/2⌋ wrong shares are always found and named. Beyond that,
/// the first [`MAX_SUBSETS`] sets of `threshold` shares are tried in order, and the names are
/// right unless the wrong shares of the set that fits were made to fit together.
///
/// # Errors
/// [`SecaggError::NotEnoughShares`], [`SecaggError::DuplicateShare`],
/// [`SecaggError::WrongSecret`] names the owner, [`SecaggError::Unrecoverable`].
pub fn recover_seed(
    owner: MemberIndex,
    public: &EphemeralPublic,
    thresholds: Thresholds,
    shares: &[Share],
) -> Result<Recovered<RecoveredSeed>, SecaggError> {
    let fits = |seed: &Secret32| seed_commitment(seed) == public.seed_commitment;
    let (seed, inconsistent) = recover(owner, thresholds.threshold(), shares, fits)?;
    Ok(Recovered { secret: RecoveredSeed { owner, seed }, inconsistent })
}

/// Recovers the mask key of a member that dropped out; as [`recover_seed`].
///
/// # Errors
/// As [`recover_seed`].
pub fn recover_mask_key(
    owner: MemberIndex,
    public: &EphemeralPublic,
    thresholds: Thresholds,
    shares: &[Share],
) -> Result<Recovered<RecoveredMaskKey>, SecaggError> {
    let fits = |mask_key: &Secret32| public_key(mask_key) == public.mask_key;
    let (mask_key, inconsistent) = recover(owner, thresholds.threshold(), shares, fits)?;
    Ok(Recovered { secret: RecoveredMaskKey { owner, mask_key }, inconsistent })
}

/// How many sets of shares are tried when decoding fails.
pub const MAX_SUBSETS: usize = 1_000;

fn recover(
    owner: MemberIndex,
    threshold: usize,
    shares: &[Share],
    fits: impl Fn(&Secret32) -> bool,
) -> Result<(Secret32, MemberSet), SecaggError> {
    check_shares(shares, threshold)?;
    let decoded = decode(shares, threshold);
    let agreed = decoded.is_some();
    if let Some(decoded) = decoded.filter(|decoded| fits(&decoded.secret)) {
        return Ok((decoded.secret, decoded.wrong));
    }
    for subset in Subsets::new(shares.len(), threshold).take(MAX_SUBSETS) {
        let subset: Vec<&Share> = subset.into_iter().map(|place| &shares[place]).collect();
        let secret = interpolate(&subset, 0);
        if fits(&secret) {
            return Ok((secret, differing(shares, &subset)));
        }
    }
    Err(if agreed && shares.len() > threshold {
        let tolerated = decode::tolerated(shares.len(), threshold);
        SecaggError::WrongSecret { owner, tolerated }
    } else {
        SecaggError::Unrecoverable { owner, shares: shares.len(), threshold }
    })
}

/// Whose shares are not on the polynomials through `subset`.
fn differing(shares: &[Share], subset: &[&Share]) -> MemberSet {
    let through = Interpolation::new(subset.iter().copied());
    let wrong = shares.iter().filter(|share| !through.at(share.x()).matches(share.value()));
    wrong.map(Share::member).collect()
}

/// All ways to choose `size` of `count` places, in lexicographic order.
struct Subsets {
    count: usize,
    next: Option<Vec<usize>>,
}

impl Subsets {
    fn new(count: usize, size: usize) -> Self {
        Self { count, next: (size <= count).then(|| (0..size).collect()) }
    }
}

impl Iterator for Subsets {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let current = self.next.take()?;
        let size = current.len();
        let movable = (0..size).rev().find(|&i| current[i] < self.count - size + i);
        self.next = movable.map(|i| {
            let first = current[i] + 1;
            let tail = first..first + size - i;
            current[..i].iter().copied().chain(tail).collect()
        });
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::split;

    const OWNER: MemberIndex = MemberIndex(0);

    /// A secret with `count` shares, those of `wrong` members replaced.
    fn sharing(count: usize, threshold: usize, wrong: &[u8], seed: u64) -> (Secret32, Vec<Share>) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let secret = Secret32::random(&mut rng);
        let mut shares = split(&secret, threshold, count, &mut rng).unwrap();
        for &place in wrong {
            let value = Secret32::random(&mut rng);
            shares[usize::from(place)] = Share::new(MemberIndex(place), value).unwrap();
        }
        (secret, shares)
    }

    fn set(places: &[u8]) -> MemberSet {
        places.iter().copied().map(MemberIndex).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn wrong_shares_within_the_bound_are_named(
            (count, threshold) in (4usize..=64).prop_flat_map(|n| (Just(n), 2 * n / 3 + 1..=n)),
            missing in 0usize..8,
            places in prop::collection::btree_set(0u8..64, 0..12),
            seed: u64,
        ) {
            let present = (count - missing.min(count)).max(threshold);
            let bound = decode::tolerated(present, threshold);
            let places = places.into_iter().filter(|&p| usize::from(p) < present);
            let wrong: Vec<u8> = places.take(bound).collect();
            let (secret, mut shares) = sharing(count, threshold, &wrong, seed);
            shares.truncate(present);
            let (found, named) = recover(OWNER, threshold, &shares, |s| s.matches(&secret)).unwrap();
            prop_assert!(found.matches(&secret));
            prop_assert_eq!(named, set(&wrong));
        }
    }

    #[test]
    fn one_wrong_byte_is_enough_to_be_named() {
        let (secret, mut shares) = sharing(8, 6, &[], 3);
        let mut value = Secret32::new(shares[2].value().as_bytes());
        value.as_bytes_mut()[31] ^= 1;
        shares[2] = Share::new(MemberIndex(2), value).unwrap();
        let (_, named) = recover(OWNER, 6, &shares, |s| s.matches(&secret)).unwrap();
        assert_eq!(named, set(&[2]));
    }

    /// Decoding corrects one of eight with threshold 6; the check against the commitment lets
    /// two go, whoever they are.
    #[test]
    fn small_swarms_survive_as_many_liars_as_there_are_spare_shares() {
        for first in 0..8 {
            for second in first + 1..8 {
                let (secret, shares) = sharing(8, 6, &[first, second], 5);
                let (found, named) = recover(OWNER, 6, &shares, |s| s.matches(&secret)).unwrap();
                assert!(found.matches(&secret));
                assert_eq!(named, set(&[first, second]));
            }
        }
        let (secret, shares) = sharing(4, 3, &[1], 6);
        let (_, named) = recover(OWNER, 3, &shares, |s| s.matches(&secret)).unwrap();
        assert_eq!(named, set(&[1]));
    }

    #[test]
    fn too_many_liars_end_in_an_error() {
        let (secret, shares) = sharing(8, 6, &[0, 3, 7], 7);
        let error = recover(OWNER, 6, &shares, |s| s.matches(&secret)).unwrap_err();
        assert_eq!(error, SecaggError::Unrecoverable { owner: OWNER, shares: 8, threshold: 6 });
    }

    #[test]
    fn an_owner_that_dealt_something_else_is_named() {
        let (_, shares) = sharing(9, 7, &[4], 8);
        let error = recover(OWNER, 7, &shares, |_| false).unwrap_err();
        assert_eq!(error, SecaggError::WrongSecret { owner: OWNER, tolerated: 1 });
        // with no share to spare it could as well be a holder
        let error = recover(OWNER, 7, &shares[..7], |_| false).unwrap_err();
        assert_eq!(error, SecaggError::Unrecoverable { owner: OWNER, shares: 7, threshold: 7 });
    }

    #[test]
    fn the_search_is_bounded() {
        let (_, shares) = sharing(64, 43, &[], 9);
        let tries = std::cell::Cell::new(0);
        let fits = |_: &Secret32| {
            tries.set(tries.get() + 1);
            false
        };
        assert!(recover(OWNER, 43, &shares, fits).is_err());
        assert_eq!(tries.get(), MAX_SUBSETS + 1);
    }

    #[test]
    fn subsets_come_in_order_and_all_of_them() {
        let found: Vec<_> = Subsets::new(4, 2).collect();
        assert_eq!(found, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(Subsets::new(10, 7).count(), 120);
        assert_eq!(Subsets::new(5, 5).count(), 1);
        assert_eq!(Subsets::new(3, 4).count(), 0);
    }
}
