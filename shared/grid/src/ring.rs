//! Integers modulo 2^b, one per `u32`: what is masked and summed.

use crate::GridError;

/// The modulus 2^b, 8 ≤ b ≤ 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Modulus(u32);

impl Modulus {
    /// The modulus 2^`bits`.
    ///
    /// # Errors
    /// [`GridError::ModulusBits`] outside of 8 to 32.
    pub fn new(bits: u32) -> Result<Self, GridError> {
        if (8..=32).contains(&bits) { Ok(Self(bits)) } else { Err(GridError::ModulusBits { bits }) }
    }

    /// b.
    #[inline]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// 2^b - 1: the largest reduced value, and the mask that reduces.
    #[inline]
    pub const fn mask(self) -> u32 {
        u32::MAX >> (32 - self.0)
    }

    /// `sum += values`, reduced. Works on unreduced values too.
    ///
    /// # Errors
    /// [`GridError::Length`]; `sum` is then unchanged.
    pub fn add_assign(self, sum: &mut [u32], values: &[u32]) -> Result<(), GridError> {
        same_length(sum, values)?;
        let mask = self.mask();
        for (to, &value) in sum.iter_mut().zip(values) {
            *to = to.wrapping_add(value) & mask;
        }
        Ok(())
    }

    /// `sum -= values`, reduced. Works on unreduced values too.
    ///
    /// # Errors
    /// [`GridError::Length`]; `sum` is then unchanged.
    pub fn sub_assign(self, sum: &mut [u32], values: &[u32]) -> Result<(), GridError> {
        same_length(sum, values)?;
        let mask = self.mask();
        for (to, &value) in sum.iter_mut().zip(values) {
            *to = to.wrapping_sub(value) & mask;
        }
        Ok(())
    }

    /// The representative of `value` from -2^(b-1) to 2^(b-1) - 1. Bits above b are ignored.
    #[inline]
    pub const fn lift(self, value: u32) -> i64 {
        let unused = 32 - self.0;
        (((value << unused) as i32) >> unused) as i64
    }

    /// `value` modulo 2^b.
    #[inline]
    pub const fn from_signed(self, value: i64) -> u32 {
        value as u32 & self.mask()
    }
}

fn same_length(sum: &[u32], values: &[u32]) -> Result<(), GridError> {
    let (expected, found) = (sum.len(), values.len());
    if expected == found { Ok(()) } else { Err(GridError::Length { expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges() {
        let eight = Modulus::new(8).unwrap();
        assert_eq!(eight.mask(), 255);
        assert_eq!([127, 128, 255, 0].map(|v| eight.lift(v)), [127, -128, -1, 0]);
        assert_eq!([-1, -128, 256, 300].map(|v| eight.from_signed(v)), [255, 128, 0, 44]);
        let full = Modulus::new(32).unwrap();
        assert_eq!(full.mask(), u32::MAX);
        assert_eq!(full.lift(1 << 31), -(1 << 31));
        assert_eq!(full.from_signed(i64::MIN), 0);
        assert!([0, 7, 33, u32::MAX].iter().all(|&bits| Modulus::new(bits).is_err()));
        assert!(eight.add_assign(&mut [0; 2], &[0; 3]).is_err());
        assert!(eight.sub_assign(&mut [0; 3], &[0; 2]).is_err());
    }

    proptest! {
        #[test]
        fn sums_of_signed_values_come_back(bits in 8_u32..=32, values in prop::collection::vec((-1_i64 << 31..1 << 31, -1_i64 << 31..1 << 31), 1..40)) {
            let modulus = Modulus::new(bits).unwrap();
            let half = 1_i64 << (bits - 1);
            let wrapped = |value: i64| (value + half).rem_euclid(2 * half) - half;
            let left: Vec<u32> = values.iter().map(|v| modulus.from_signed(v.0)).collect();
            let right: Vec<u32> = values.iter().map(|v| modulus.from_signed(v.1)).collect();
            let mut sum = left.clone();
            modulus.add_assign(&mut sum, &right).unwrap();
            for (&found, value) in sum.iter().zip(&values) {
                prop_assert!(found <= modulus.mask());
                prop_assert_eq!(modulus.lift(found), wrapped(value.0 + value.1));
            }
            modulus.sub_assign(&mut sum, &right).unwrap();
            prop_assert_eq!(sum, left);
        }
    }
}
