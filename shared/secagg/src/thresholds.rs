//! How many shares must meet: the number that makes secrecy and dropout fit together.
//!
//! Both sides of a round call [`thresholds`] with the plan's numbers, so nobody sends it. The
//! graph of neighbours is complete: everybody shares with and masks against everybody.

use grid::Ratio;
use wire::MAX_MEMBERS;

use crate::SecaggError;

/// The smallest roster: with 3, no threshold withstands one corrupt member.
pub const MIN_MEMBERS: usize = 4;

/// The numbers of one roster; made by [`thresholds`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    members: usize,
    threshold: usize,
    corrupt: usize,
}

impl Thresholds {
    /// n, the members of the roster.
    pub fn members(self) -> usize {
        self.members
    }

    /// k = n − 1, the others with whom each member shares and masks.
    pub fn neighbours(self) -> usize {
        self.members - 1
    }

    /// t: how many shares give a secret, and how many signatures carry a round on; a member's
    /// own counts in both.
    pub fn threshold(self) -> usize {
        self.threshold
    }

    /// ⌊γn⌋: members that may work with the coordinator without it learning a contribution.
    pub fn corrupt(self) -> usize {
        self.corrupt
    }
}

/// t = ⌊2n/3⌋ + 1 for a roster of 4 to 64, of which up to the fraction `gamma` < 1/3 is corrupt
/// and up to the fraction `dropout` may fall silent.
///
/// A coordinator that tells half of the honest members that somebody survived, and the other
/// half that it dropped out, gets both kinds of shares of it only with two sets of t members
/// that overlap in corrupt ones alone. Two such sets overlap in 2t − n members at least, which
/// is more than ⌊γn⌋ for every such n and γ (Bonawitz et al. 2017, section 6.2).
///
/// # Errors
/// [`SecaggError::RosterTooSmall`], [`SecaggError::RosterTooLarge`],
/// [`SecaggError::TooManyCorrupt`], [`SecaggError::DropoutTooLarge`].
pub fn thresholds(members: usize, gamma: Ratio, dropout: Ratio) -> Result<Thresholds, SecaggError> {
    if members < MIN_MEMBERS {
        return Err(SecaggError::RosterTooSmall { members, minimum: MIN_MEMBERS });
    }
    if members > MAX_MEMBERS {
        return Err(SecaggError::RosterTooLarge { members });
    }
    if u128::from(gamma.numerator()) * 3 >= u128::from(gamma.denominator()) {
        return Err(SecaggError::TooManyCorrupt { corrupt: gamma });
    }
    let threshold = 2 * members / 3 + 1;
    let dropped = part_up(members, dropout);
    if dropped > members - threshold {
        return Err(SecaggError::DropoutTooLarge { members, dropped, threshold });
    }
    Ok(Thresholds { members, threshold, corrupt: part_down(members, gamma) })
}

/// ⌊members · part⌋, for parts of at most 1.
fn part_down(members: usize, part: Ratio) -> usize {
    (members as u128 * u128::from(part.numerator()) / u128::from(part.denominator())) as usize
}

/// ⌈members · part⌉, at most `usize::MAX`.
fn part_up(members: usize, part: Ratio) -> usize {
    let product = members as u128 * u128::from(part.numerator());
    usize::try_from(product.div_ceil(u128::from(part.denominator()))).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(numerator: u64, denominator: u64) -> Ratio {
        Ratio::new(numerator, denominator).unwrap()
    }

    /// Every fraction under 1/3 allows some whole number of corrupt members; each such number
    /// is reached by itself over n, so these fractions stand for all.
    fn every_gamma(members: usize) -> impl Iterator<Item = Ratio> {
        (0..members as u64)
            .filter(move |c| 3 * c < members as u64)
            .map(move |c| ratio(c, members as u64))
    }

    #[test]
    fn no_split_view_shows_a_contribution_for_any_roster() {
        for members in 4..=64 {
            for gamma in every_gamma(members).chain([ratio(333_333_333, 1_000_000_000)]) {
                let numbers = thresholds(members, gamma, ratio(0, 1)).unwrap();
                let (t, corrupt) = (numbers.threshold(), numbers.corrupt());
                assert_eq!((t, numbers.neighbours()), (2 * members / 3 + 1, members - 1));
                assert!(2 * t - members > corrupt, "n = {members}, γ = {gamma}");
                // The attack itself: the honest are split in two, the corrupt help both halves.
                for first_half in 0..=members - corrupt {
                    let second_half = members - corrupt - first_half;
                    assert!(first_half + corrupt < t || second_half + corrupt < t);
                }
            }
        }
    }

    #[test]
    fn the_tolerated_dropout_leaves_enough_for_every_roster() {
        for members in 4..=64usize {
            let t = 2 * members / 3 + 1;
            for dropped in 0..=members {
                let dropout = ratio(dropped as u64, members as u64);
                let found = thresholds(members, ratio(1, 10), dropout);
                assert_eq!(found.is_ok(), members - dropped >= t, "n = {members}, −{dropped}");
            }
        }
        let error = thresholds(10, ratio(0, 1), ratio(31, 100)); // 3.1 members count as 4
        let expected = SecaggError::DropoutTooLarge { members: 10, dropped: 4, threshold: 7 };
        assert_eq!(error, Err(expected));
        assert!(thresholds(10, ratio(0, 1), ratio(u64::MAX, 1)).is_err());
    }

    /// t = ⌊2n/3⌋ + 1 by hand.
    #[test]
    fn known_thresholds() {
        for (members, threshold) in [(4, 3), (8, 6), (16, 11), (32, 22), (64, 43)] {
            let numbers = thresholds(members, ratio(1, 4), ratio(1, 8)).unwrap();
            assert_eq!(numbers.threshold(), threshold);
        }
    }

    #[test]
    fn rosters_and_fractions_outside_the_graph_are_refused() {
        let small = |members| SecaggError::RosterTooSmall { members, minimum: 4 };
        for members in 0..4 {
            assert_eq!(thresholds(members, ratio(0, 1), ratio(0, 1)), Err(small(members)));
        }
        for members in [65, 1000, usize::MAX] {
            let large = SecaggError::RosterTooLarge { members };
            assert_eq!(thresholds(members, ratio(0, 1), ratio(0, 1)), Err(large));
        }
        for gamma in [ratio(1, 3), ratio(2, 6), ratio(1, 2), ratio(5, 1), ratio(u64::MAX, 1)] {
            let corrupt = SecaggError::TooManyCorrupt { corrupt: gamma };
            assert_eq!(thresholds(9, gamma, ratio(0, 1)), Err(corrupt));
        }
    }
}
