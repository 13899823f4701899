//! Shamir's secret sharing of 32 bytes over GF(2^8), byte by byte.
//!
//! Any `threshold` shares give the secret, fewer say nothing about it (Shamir, CACM 1979). Every
//! coefficient is uniform over all 256 values, the leading one too: leaving out zeros, as the
//! crate `sharks` did (RUSTSEC-2024-0398), tells secrets apart over many sharings.

use std::fmt;

use rand::CryptoRng;
use wire::{MAX_MEMBERS, MemberIndex, MemberSet};

use crate::{
    SecaggError, Secret32,
    field::{self, Multiples},
};

/// One member's share of a secret: the polynomials' values at x = place in the roster + 1.
///
/// x = 0 and other lengths than 32 bytes cannot be expressed. `Debug` prints the place only.
pub struct Share {
    member: MemberIndex,
    value: Secret32,
}

impl Share {
    /// Builds a share that came from `member`.
    ///
    /// # Errors
    /// [`SecaggError::MemberOutOfRange`].
    pub fn new(member: MemberIndex, value: Secret32) -> Result<Self, SecaggError> {
        if member.get() >= MAX_MEMBERS {
            return Err(SecaggError::MemberOutOfRange { member });
        }
        Ok(Self { member, value })
    }

    /// Who holds it.
    pub fn member(&self) -> MemberIndex {
        self.member
    }

    /// The 32 bytes, for sealing or for the reveal.
    pub fn value(&self) -> &Secret32 {
        &self.value
    }

    /// Where the polynomials were evaluated: 1 to 64.
    pub(crate) fn x(&self) -> u8 {
        self.member.0 + 1
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share(of member {})", self.member)
    }
}

/// Splits a secret into `count` shares, for members 0 to `count` − 1, of which any `threshold`
/// give it back.
///
/// # Errors
/// [`SecaggError::SharingOutOfRange`] unless 2 ≤ threshold ≤ count ≤ 64.
pub fn split<R: CryptoRng + ?Sized>(
    secret: &Secret32,
    threshold: usize,
    count: usize,
    rng: &mut R,
) -> Result<Vec<Share>, SecaggError> {
    if threshold < 2 || threshold > count || count > MAX_MEMBERS {
        return Err(SecaggError::SharingOutOfRange { threshold, count });
    }
    let mut values: Vec<Secret32> = (0..count).map(|_| Secret32::new(secret.as_bytes())).collect();
    // secret + c_1·x + c_2·x² + … at every place, one coefficient after the other.
    let mut powers = vec![1; count];
    for _ in 1..threshold {
        let coefficient = Multiples::of(Secret32::random(rng).as_bytes());
        for ((value, power), x) in values.iter_mut().zip(&mut powers).zip(1..) {
            *power = field::multiply(*power, x);
            coefficient.add_to(value.as_bytes_mut(), *power);
        }
    }
    (0..).zip(values).map(|(place, value)| Share::new(MemberIndex(place), value)).collect()
}

/// Gives back the secret from the first `threshold` of the shares; whether it is the right one,
/// [`crate::recover_seed`] and [`crate::recover_mask_key`] check.
///
/// # Errors
/// [`SecaggError::DuplicateShare`], [`SecaggError::NotEnoughShares`].
pub fn reconstruct(shares: &[Share], threshold: usize) -> Result<Secret32, SecaggError> {
    check_shares(shares, threshold)?;
    let used: Vec<&Share> = shares.iter().take(threshold).collect();
    Ok(interpolate(&used, 0))
}

/// Refuses too few shares and two shares of one member.
pub(crate) fn check_shares(shares: &[Share], threshold: usize) -> Result<(), SecaggError> {
    let mut members = MemberSet::EMPTY;
    for share in shares {
        if members.contains(share.member) {
            return Err(SecaggError::DuplicateShare { member: share.member });
        }
        members.insert(share.member);
    }
    if shares.len() < threshold {
        return Err(SecaggError::NotEnoughShares { have: shares.len(), need: threshold });
    }
    Ok(())
}

/// The polynomials of least degree through the shares, at `x`.
pub(crate) fn interpolate(shares: &[&Share], x: u8) -> Secret32 {
    Interpolation::new(shares.iter().copied()).at(x)
}

/// The polynomials of least degree through some shares (Lagrange, in its barycentric form): what
/// depends on the shares alone is computed once for all places.
pub(crate) struct Interpolation<'a> {
    points: Vec<Point<'a>>,
}

struct Point<'a> {
    share: &'a Share,
    /// 1 / ∏ (x_i − x_j) over all other shares j.
    weight: u8,
    multiples: Multiples,
}

impl<'a> Interpolation<'a> {
    /// Through these shares, of different members.
    pub fn new(shares: impl Iterator<Item = &'a Share> + Clone) -> Self {
        let weight = |own: u8| {
            let others = shares.clone().map(Share::x).filter(|&other| other != own);
            field::invert(others.fold(1, |below, other| field::multiply(below, own ^ other)))
        };
        let point = |share: &'a Share| {
            let multiples = Multiples::of(share.value.as_bytes());
            Point { share, weight: weight(share.x()), multiples }
        };
        Self { points: shares.clone().map(point).collect() }
    }

    /// The value at `x`.
    pub fn at(&self, x: u8) -> Secret32 {
        if let Some(point) = self.points.iter().find(|point| point.share.x() == x) {
            return Secret32::new(point.share.value.as_bytes());
        }
        let differences = self.points.iter().map(|point| x ^ point.share.x());
        let above = differences.fold(1, field::multiply);
        let mut value = Secret32::zero();
        for Point { share, weight, multiples } in &self.points {
            let others = field::multiply(above, field::invert(x ^ share.x()));
            multiples.add_to(value.as_bytes_mut(), field::multiply(others, *weight));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::scripted::Scripted;

    proptest! {
        #[test]
        fn any_threshold_shares_give_the_secret_back(
            (threshold, count) in (2usize..=64).prop_flat_map(|count| (2..=count, Just(count))),
            bytes: [u8; 32],
            seed: u64,
            order: prop::sample::Index,
        ) {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let secret = Secret32::new(&bytes);
            let mut shares = split(&secret, threshold, count, &mut rng).unwrap();
            prop_assert_eq!(shares.len(), count);
            shares.rotate_left(order.index(count));
            shares.reverse();
            prop_assert!(reconstruct(&shares, threshold).unwrap().matches(&secret));
        }

        #[test]
        fn the_first_shares_give_all_others(
            (threshold, count) in (2usize..=64).prop_flat_map(|count| (2..=count, Just(count))),
            seed: u64,
        ) {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let secret = Secret32::random(&mut rng);
            let shares = split(&secret, threshold, count, &mut rng).unwrap();
            let through = Interpolation::new(shares[..threshold].iter());
            prop_assert!(through.at(0).matches(&secret));
            for share in &shares {
                prop_assert!(through.at(share.x()).matches(share.value()));
            }
        }

        #[test]
        fn one_share_too_few_gives_something_else(seed: u64) {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let secret = Secret32::random(&mut rng);
            let shares = split(&secret, 5, 9, &mut rng).unwrap();
            prop_assert!(!reconstruct(&shares[..4], 4).unwrap().matches(&secret));
        }
    }

    /// With threshold 3 the two random coefficients of a byte map one to one to the two shares
    /// that an attacker holds: whatever the secret, every pair of shares is equally likely.
    #[test]
    fn two_shares_of_three_say_nothing_about_the_secret() {
        for secret in [0x00, 0x5a, 0xff] {
            let mut seen = vec![false; 1 << 16];
            for first in 0..=255u8 {
                for block in 0..8u8 {
                    // 32 second coefficients at once, one a byte
                    let second: [u8; 32] = std::array::from_fn(|byte| block * 32 + byte as u8);
                    let mut rng = Scripted::new([[first; 32], second].concat());
                    let shares = split(&Secret32::new(&[secret; 32]), 3, 64, &mut rng).unwrap();
                    let held = [&shares[6], &shares[41]].map(|share| share.value().as_bytes());
                    for (a, b) in held[0].iter().zip(held[1]) {
                        let pair = usize::from(*a) << 8 | usize::from(*b);
                        assert!(!seen[pair], "two sharings gave one pair of shares");
                        seen[pair] = true;
                    }
                }
            }
            assert!(seen.iter().all(|&pair| pair));
        }
    }

    /// The `sharks` bug: a leading coefficient that is never zero makes some share values
    /// impossible for a secret.
    #[test]
    fn a_leading_coefficient_of_zero_is_as_likely_as_any() {
        let mut rng = ChaCha20Rng::seed_from_u64(11);
        let mut equal_to_secret = 0u32;
        for _ in 0..2_000 {
            let shares = split(&Secret32::zero(), 2, 2, &mut rng).unwrap();
            let bytes = shares[0].value().as_bytes();
            equal_to_secret += bytes.iter().filter(|&&byte| byte == 0).count() as u32;
        }
        // 64,000 bytes, expected 250 ± 16
        assert!((170..330).contains(&equal_to_secret), "{equal_to_secret}");
    }

    #[test]
    fn bad_sharings_and_bad_shares_are_refused() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let secret = Secret32::random(&mut rng);
        for (threshold, count) in [(0, 4), (1, 4), (5, 4), (2, 65), (65, 65)] {
            assert_eq!(
                split(&secret, threshold, count, &mut rng).unwrap_err(),
                SecaggError::SharingOutOfRange { threshold, count }
            );
        }
        let share = |place: u8| Share::new(MemberIndex(place), Secret32::new(&[place; 32]));
        assert!(share(63).is_ok());
        for place in [64, 255] {
            let member = MemberIndex(place);
            assert_eq!(share(place).unwrap_err(), SecaggError::MemberOutOfRange { member });
        }
        let twice = [2, 5, 2].map(|place| share(place).unwrap());
        assert_eq!(
            reconstruct(&twice, 3).unwrap_err(),
            SecaggError::DuplicateShare { member: MemberIndex(2) }
        );
        assert_eq!(
            reconstruct(&twice[..2], 3).unwrap_err(),
            SecaggError::NotEnoughShares { have: 2, need: 3 }
        );
    }

    #[test]
    fn debug_prints_no_byte_of_a_share() {
        let share = Share::new(MemberIndex(3), Secret32::new(&[0xab; 32])).unwrap();
        assert_eq!(format!("{share:?} {:?}", share.value()), "Share(of member 3) Secret32");
    }
}
