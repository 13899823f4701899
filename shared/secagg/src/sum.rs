//! The coordinator's sum of masked contributions, one vector however many members there are.

use std::fmt;

use grid::Modulus;
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
        self.check_new(member)?;
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

    /// Adds a packed contribution (`grid::pack`) as it is, on the calling thread. On an error the sum is as it was.
    ///
    /// # Errors
    /// As [`RunningSum::add`], and [`SecaggError::NotPacked`].
    pub fn add_packed(&mut self, member: MemberIndex, bytes: &[u8]) -> Result<(), SecaggError> {
        self.check_new(member)?;
        grid::add_packed(&mut self.values, bytes, self.modulus)
            .map_err(|source| SecaggError::NotPacked { member, source })?;
        self.members.insert(member);
        Ok(())
    }

    /// Whether a contribution of this member may be added.
    fn check_new(&self, member: MemberIndex) -> Result<(), SecaggError> {
        if member.get() >= wire::MAX_MEMBERS {
            return Err(SecaggError::MemberOutOfRange { member });
        }
        match self.members.contains(member) {
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
            let length = 1_037;
            let vector = |member: u8| -> Vec<u32> {
                let value = |i: u32| i.wrapping_mul(2_654_435_761).wrapping_add(member.into());
                (0..length as u32).map(|i| value(i) & modulus.mask()).collect()
            };
            let packed = |member: u8| grid::pack(&vector(member), modulus).unwrap();
            let mut unpacked = RunningSum::new(length, modulus);
            let mut sum = unpacked.clone();
            for member in [3, 7, 60] {
                unpacked.add(MemberIndex(member), &vector(member)).unwrap();
                sum.add_packed(MemberIndex(member), &packed(member)).unwrap();
            }
            assert_eq!(sum, unpacked, "{bits} bits");

            let twice = sum.add_packed(MemberIndex(7), &packed(9));
            assert_eq!(twice, Err(SecaggError::CountedTwice { member: MemberIndex(7) }));
            let beyond = sum.add_packed(MemberIndex(64), &packed(9));
            assert_eq!(beyond, Err(SecaggError::MemberOutOfRange { member: MemberIndex(64) }));
            let short = sum.add_packed(MemberIndex(10), &packed(9)[1..]).unwrap_err();
            assert!(matches!(short, SecaggError::NotPacked { member: MemberIndex(10), .. }));
            assert_eq!(sum, unpacked, "{bits} bits: what was refused is not in it");
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
