//! The coordinator's sum of masked contributions, one vector however many members there are.

use std::fmt;

use grid::Modulus;
use rayon::prelude::*;
use wire::{MemberIndex, MemberSet};

use crate::SecaggError;
use crate::mask::check_reduced;

/// A sum mod 2^b that knows whose contributions are in it, so that each counts once.
#[derive(Clone, PartialEq, Eq)]
pub struct RunningSum {
    values: Vec<u32>,
    members: MemberSet,
    modulus: Modulus,
}

/// Values that one thread adds up at once: 32 KiB.
const PIECE: usize = 8192;

impl RunningSum {
    /// A sum of nothing yet over `length` coordinates.
    pub fn new(length: usize, modulus: Modulus) -> Self {
        Self { values: vec![0; length], members: MemberSet::EMPTY, modulus }
    }

    /// A sum that was persisted before a restart.
    ///
    /// # Errors
    /// [`SecaggError::NotReduced`].
    pub fn restore(
        values: Vec<u32>,
        members: MemberSet,
        modulus: Modulus,
    ) -> Result<Self, SecaggError> {
        check_reduced(&values, modulus)?;
        Ok(Self { values, members, modulus })
    }

    /// Adds a contribution. On an error the sum is as it was.
    ///
    /// # Errors
    /// [`SecaggError::MemberOutOfRange`], [`SecaggError::CountedTwice`],
    /// [`SecaggError::LengthMismatch`], [`SecaggError::NotReduced`].
    pub fn add(&mut self, member: MemberIndex, values: &[u32]) -> Result<(), SecaggError> {
        self.check_new(self.members, member)?;
        let (length, expected) = (values.len(), self.values.len());
        if length != expected {
            return Err(SecaggError::LengthMismatch { length, expected });
        }
        check_reduced(values, self.modulus)?;
        let mask = self.modulus.mask();
        for (sum, value) in self.values.iter_mut().zip(values) {
            *sum = sum.wrapping_add(*value) & mask;
        }
        self.members.insert(member);
        Ok(())
    }

    /// Adds packed contributions (`grid::pack`), on all threads of the current rayon pool. On an error the
    /// sum is as it was.
    ///
    /// # Errors
    /// As [`RunningSum::add`], and [`SecaggError::NotPacked`].
    pub fn add_packed(
        &mut self,
        contributions: &[(MemberIndex, &[u8])],
    ) -> Result<(), SecaggError> {
        let mut members = self.members;
        for &(member, bytes) in contributions {
            self.check_new(members, member)?;
            grid::check_packed(bytes, self.values.len(), self.modulus)
                .map_err(|source| SecaggError::NotPacked { member, source })?;
            members.insert(member);
        }
        let modulus = self.modulus;
        // So many values begin at a whole byte, whatever b is.
        let bytes_of = PIECE / 8 * modulus.bits() as usize;
        self.values.par_chunks_mut(PIECE).enumerate().for_each(|(piece, sum)| {
            let length = grid::packed_length(sum.len(), modulus);
            for (_, bytes) in contributions {
                let bytes = &bytes[piece * bytes_of..][..length];
                grid::add_packed(sum, bytes, modulus).expect("a piece of checked bytes");
            }
        });
        self.members = members;
        Ok(())
    }

    /// Whether a contribution of this member may be added to a sum that has those of `members`.
    fn check_new(&self, members: MemberSet, member: MemberIndex) -> Result<(), SecaggError> {
        if member.get() >= wire::MAX_MEMBERS {
            return Err(SecaggError::MemberOutOfRange { member });
        }
        match members.contains(member) {
            true => Err(SecaggError::CountedTwice { member }),
            false => Ok(()),
        }
    }

    /// Whose contributions are in it.
    pub fn members(&self) -> MemberSet {
        self.members
    }

    /// The sum so far, reduced, still masked.
    pub fn values(&self) -> &[u32] {
        &self.values
    }

    /// The modulus.
    pub fn modulus(&self) -> Modulus {
        self.modulus
    }

    pub(crate) fn into_values(self) -> Vec<u32> {
        self.values
    }
}

impl fmt::Debug for RunningSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunningSum({} values of {:?})", self.values.len(), self.members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_contributions_give_the_same_sum() {
        for bits in [8, 19, 20, 32] {
            let modulus = Modulus::new(bits).unwrap();
            let length = 2 * PIECE + 13;
            let vector = |member: u8| -> Vec<u32> {
                let value = |i: u32| i.wrapping_mul(2_654_435_761).wrapping_add(member.into());
                (0..length as u32).map(|i| value(i) & modulus.mask()).collect()
            };
            let (mut one_by_one, mut at_once) = {
                let empty = RunningSum::new(length, modulus);
                (empty.clone(), empty)
            };
            let packed: Vec<(MemberIndex, Vec<u8>)> = [3, 7, 60]
                .map(|member| (MemberIndex(member), grid::pack(&vector(member), modulus).unwrap()))
                .into();
            let lent: Vec<(MemberIndex, &[u8])> =
                packed.iter().map(|(member, bytes)| (*member, &bytes[..])).collect();
            for member in [3, 7, 60] {
                one_by_one.add(MemberIndex(member), &vector(member)).unwrap();
            }
            at_once.add_packed(&lent).unwrap();
            assert_eq!(at_once, one_by_one, "{bits} bits");

            let twice = [(MemberIndex(9), lent[0].1), (MemberIndex(9), lent[1].1)];
            let known = [(MemberIndex(9), lent[0].1), lent[1]];
            let short = [(MemberIndex(9), lent[0].1), (MemberIndex(10), &lent[1].1[1..])];
            assert_eq!(
                at_once.add_packed(&twice),
                Err(SecaggError::CountedTwice { member: MemberIndex(9) })
            );
            assert_eq!(
                at_once.add_packed(&known),
                Err(SecaggError::CountedTwice { member: MemberIndex(7) })
            );
            let error = at_once.add_packed(&short).unwrap_err();
            assert!(matches!(error, SecaggError::NotPacked { member: MemberIndex(10), .. }));
            assert_eq!(at_once, one_by_one, "{bits} bits");
        }
    }

    #[test]
    fn a_refused_contribution_leaves_the_sum_alone() {
        let modulus = Modulus::new(8).unwrap();
        let member = MemberIndex;
        let mut sum = RunningSum::new(2, modulus);
        sum.add(member(3), &[250, 1]).unwrap();
        sum.add(member(63), &[10, 2]).unwrap();
        let before = sum.clone();
        assert_eq!(before.values(), [4, 3]);
        let refused = [
            (3, vec![1, 1], SecaggError::CountedTwice { member: member(3) }),
            (64, vec![1, 1], SecaggError::MemberOutOfRange { member: member(64) }),
            (255, vec![1, 1], SecaggError::MemberOutOfRange { member: member(255) }),
            (4, vec![1], SecaggError::LengthMismatch { length: 1, expected: 2 }),
            (4, vec![1, 256], SecaggError::NotReduced { coordinate: 1, bits: 8 }),
        ];
        for (place, values, error) in refused {
            assert_eq!(sum.add(member(place), &values), Err(error));
            assert_eq!(sum, before);
        }
        let restored = RunningSum::restore(vec![4, 3], before.members(), modulus);
        assert_eq!(restored, Ok(before));
        assert_eq!(
            RunningSum::restore(vec![256], MemberSet::EMPTY, modulus),
            Err(SecaggError::NotReduced { coordinate: 0, bits: 8 })
        );
    }
}
