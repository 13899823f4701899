//! Packed bit vectors: `count` values of b bits in ⌈count·b/8⌉ bytes.
//!
//! Little-endian throughout: value `i` takes the bits `i·b` to `i·b + b - 1`, and bit `j` is bit
//! `j mod 8` (bit 0 the lowest) of byte `j div 8`. Bits behind the last value are zero. One vector has
//! exactly one encoding.

use crate::{GridError, Modulus};

/// Bytes that `count` values take.
///
/// # Panics
/// If `count·b` overflows, which no vector in memory can cause.
pub fn packed_length(count: usize, modulus: Modulus) -> usize {
    (count * modulus.bits() as usize).div_ceil(8)
}

/// Packs reduced values.
///
/// # Errors
/// [`GridError::NotReduced`] names the first value that is not below 2^b.
pub fn pack(values: &[u32], modulus: Modulus) -> Result<Vec<u8>, GridError> {
    // One pass that does not branch; who is to blame matters only where somebody is.
    if values.iter().fold(0, |all, value| all | value) > modulus.mask() {
        let index = values.iter().position(|&value| value > modulus.mask()).unwrap_or_default();
        let (value, bits) = (values[index], modulus.bits());
        return Err(GridError::NotReduced { index, value, bits });
    }
    let length = packed_length(values.len(), modulus);
    let mut bytes = Vec::with_capacity(length + 4);
    let bits = modulus.bits();
    let (mut waiting, mut filled) = (0_u64, 0);
    for &value in values {
        waiting |= u64::from(value) << filled;
        filled += bits;
        if filled >= 32 {
            bytes.extend_from_slice(&(waiting as u32).to_le_bytes());
            waiting >>= 32;
            filled -= 32;
        }
    }
    bytes.extend_from_slice(&(waiting as u32).to_le_bytes());
    bytes.truncate(length);
    Ok(bytes)
}

/// Unpacks exactly `count` values.
///
/// # Errors
/// [`GridError::PackedLength`] if there are more or fewer bytes than `count` values take;
/// [`GridError::TrailingBits`] if a bit behind the last value is set.
pub fn unpack(bytes: &[u8], count: usize, modulus: Modulus) -> Result<Vec<u32>, GridError> {
    check_packed(bytes, count, modulus)?;
    let mut values = vec![0; count];
    read_fields(bytes, modulus, &mut values, |_, field| field);
    Ok(values)
}

/// Adds packed values to `sum`, reduced, without unpacking them anywhere.
///
/// # Errors
/// As [`unpack`] for as many values as the sum has; the sum is then unchanged.
pub fn add_packed(sum: &mut [u32], bytes: &[u8], modulus: Modulus) -> Result<(), GridError> {
    check_packed(bytes, sum.len(), modulus)?;
    let mask = modulus.mask();
    read_fields(bytes, modulus, sum, |before, field| before.wrapping_add(field) & mask);
    Ok(())
}

/// Replaces each value by what `combine` makes of it and its field.
#[inline(always)]
fn read_fields(
    bytes: &[u8],
    modulus: Modulus,
    values: &mut [u32],
    combine: impl Fn(u32, u32) -> u32,
) {
    let (bits, mask) = (modulus.bits(), modulus.mask());
    let mut words = Words { bytes };
    let (mut waiting, mut filled) = (0_u64, 0);
    for value in values {
        if filled < bits {
            waiting |= u64::from(words.take()) << filled;
            filled += 32;
        }
        *value = combine(*value, waiting as u32 & mask);
        waiting >>= bits;
        filled -= bits;
    }
}

/// Whether these bytes are a packed vector of `count` values: every string of that length is one, but for the
/// bits behind the last value.
///
/// # Errors
/// As [`unpack`].
pub fn check_packed(bytes: &[u8], count: usize, modulus: Modulus) -> Result<(), GridError> {
    let bits = modulus.bits();
    // `count` may be a foreign number: compare without overflow.
    let total_bits = count as u128 * u128::from(bits);
    if total_bits.div_ceil(8) != bytes.len() as u128 {
        return Err(GridError::PackedLength {
            count,
            bits,
            expected: usize::try_from(total_bits.div_ceil(8)).unwrap_or(usize::MAX),
            found: bytes.len(),
        });
    }
    let padding = (bytes.len() as u128 * 8 - total_bits) as u32;
    match bytes.last() {
        Some(&byte) if padding > 0 && byte >> (8 - padding) != 0 => {
            Err(GridError::TrailingBits { count, bits, byte, padding })
        }
        _ => Ok(()),
    }
}

/// Little-endian words, the last one filled up with zeros.
struct Words<'a> {
    bytes: &'a [u8],
}

impl Words<'_> {
    #[inline(always)]
    fn take(&mut self) -> u32 {
        if let Some((word, rest)) = self.bytes.split_first_chunk::<4>() {
            self.bytes = rest;
            return u32::from_le_bytes(*word);
        }
        let mut word = [0; 4];
        word[..self.bytes.len()].copy_from_slice(self.bytes);
        self.bytes = &[];
        u32::from_le_bytes(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn modulus(bits: u32) -> Modulus {
        Modulus::new(bits).unwrap()
    }

    #[test]
    fn golden_bytes() {
        assert_eq!(pack(&[], modulus(20)).unwrap(), []);
        assert_eq!(pack(&[0x12, 0xff], modulus(8)).unwrap(), [0x12, 0xff]);
        assert_eq!(pack(&[0xabc, 0x123], modulus(12)).unwrap(), [0xbc, 0x3a, 0x12]);
        assert_eq!(
            pack(&[0xfffff, 0x00001, 0x80000], modulus(20)).unwrap(),
            [0xff, 0xff, 0x1f, 0x00, 0x00, 0x00, 0x00, 0x08]
        );
        assert_eq!(pack(&[0xdead_beef], modulus(32)).unwrap(), [0xef, 0xbe, 0xad, 0xde]);
    }

    #[test]
    fn bad_bytes_are_named() {
        assert_eq!(
            unpack(&[0; 7], 3, modulus(20)),
            Err(GridError::PackedLength { count: 3, bits: 20, expected: 8, found: 7 })
        );
        assert!(unpack(&[0; 9], 3, modulus(20)).is_err());
        let mut sum = [1, 2, 3];
        assert!(add_packed(&mut sum, &[0xff; 9], modulus(20)).is_err());
        assert!(add_packed(&mut sum, &[0xff; 8], modulus(20)).is_err());
        assert_eq!(sum, [1, 2, 3]);
        assert!(unpack(&[], usize::MAX, modulus(32)).is_err());
        assert_eq!(
            unpack(&[0, 0, 0, 0, 0, 0, 0, 0x18], 3, modulus(20)),
            Err(GridError::TrailingBits { count: 3, bits: 20, byte: 0x18, padding: 4 })
        );
        assert_eq!(
            pack(&[0, 256], modulus(8)),
            Err(GridError::NotReduced { index: 1, value: 256, bits: 8 })
        );
    }

    proptest! {
        #[test]
        fn every_vector_has_one_encoding(bits in 8_u32..=32, values in prop::collection::vec(any::<u32>(), 0..100), flip: prop::sample::Index) {
            let modulus = modulus(bits);
            let values: Vec<u32> = values.iter().map(|v| v & modulus.mask()).collect();
            let mut bytes = pack(&values, modulus).unwrap();
            prop_assert_eq!(bytes.len(), packed_length(values.len(), modulus));
            prop_assert_eq!(&unpack(&bytes, values.len(), modulus).unwrap(), &values);
            prop_assert_eq!(check_packed(&bytes, values.len(), modulus), Ok(()));
            let mut twice = values.clone();
            add_packed(&mut twice, &bytes, modulus).unwrap();
            let doubled = values.iter().map(|value| value.wrapping_mul(2) & modulus.mask());
            prop_assert!(twice.iter().copied().eq(doubled));
            for (index, &value) in values.iter().enumerate() {
                for bit in 0..bits as usize {
                    let at = index * bits as usize + bit;
                    prop_assert_eq!(u32::from(bytes[at / 8] >> (at % 8) & 1), value >> bit & 1);
                }
            }
            if !bytes.is_empty() {
                let at = flip.index(bytes.len() * 8);
                bytes[at / 8] ^= 1 << (at % 8);
                prop_assert_ne!(unpack(&bytes, values.len(), modulus).ok(), Some(values));
            }
        }

        #[test]
        fn foreign_bytes_never_panic_and_encode_back(bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0_usize..70, bits in 8_u32..=32) {
            if let Ok(values) = unpack(&bytes, count, modulus(bits)) {
                prop_assert_eq!(pack(&values, modulus(bits)).unwrap(), bytes);
            }
        }
    }
}
