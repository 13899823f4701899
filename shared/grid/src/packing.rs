//! Packed bit vectors: `count` values of b bits in ⌈count·b/8⌉ bytes.
//!
//! Little-endian throughout: value `i` takes the bits `i·b` to `i·b + b - 1`, and bit `j` is bit
//! `j mod 8` (bit 0 the lowest) of byte `j div 8`. Bits behind the last value are zero. One vector has
//! exactly one encoding.

use crate::{GridError, Modulus};

/// Values that fill whole words exactly, whatever b is: b of them. Their places in the words are known when this is
/// compiled, once for every b, which is half of the time of counting bits.
const GROUP: usize = 32;

/// Calls what is compiled for every b with this one.
macro_rules! by_bits {
    ($bits:expr, $function:ident $arguments:tt) => {
        by_bits!($bits, $function, $arguments, 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
    };
    ($bits:expr, $function:ident, $arguments:tt, $($known:literal)*) => {
        match $bits {
            $($known => $function::<$known> $arguments,)*
            _ => unreachable!("a modulus has 8 to 32 bits"),
        }
    };
}

/// Every place of a group, in order.
macro_rules! all_places {
    ($places:ident) => {
        $places!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31)
    };
}

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
    let mut bytes = vec![0; packed_length(values.len(), modulus)];
    let done = by_bits!(modulus.bits(), pack_groups(values, &mut bytes));
    let rest = &mut bytes[packed_length(done, modulus)..];
    pack_one_by_one(&values[done..], modulus.bits(), rest);
    Ok(bytes)
}

/// Packs whole groups; how many values those are.
fn pack_groups<const BITS: usize>(values: &[u32], bytes: &mut [u8]) -> usize {
    let groups = values.as_chunks::<GROUP>().0;
    let (words, _) = bytes.as_chunks_mut::<4>();
    for (values, words) in groups.iter().zip(words.chunks_exact_mut(BITS)) {
        let mut packed = [0; BITS];
        macro_rules! places {
            ($($place:literal)*) => {$({
                let (word, shift) = const { ($place * BITS / 32, $place * BITS % 32) };
                packed[word] |= values[$place] << shift;
                if shift + BITS > 32 {
                    packed[word + 1] |= values[$place] >> (32 - shift);
                }
            })*};
        }
        all_places!(places);
        words.iter_mut().zip(packed).for_each(|(to, word)| *to = word.to_le_bytes());
    }
    groups.len() * GROUP
}

/// Packs values that begin at a whole byte and fill all `bytes`.
fn pack_one_by_one(values: &[u32], bits: u32, bytes: &mut [u8]) {
    let (mut waiting, mut filled) = (0_u64, 0);
    let mut to = bytes.iter_mut();
    for &value in values {
        waiting |= u64::from(value) << filled;
        filled += bits;
        while filled >= 8 {
            *to.next().expect("room for every value") = waiting as u8;
            waiting >>= 8;
            filled -= 8;
        }
    }
    to.for_each(|last| *last = waiting as u8);
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
    let done = by_bits!(modulus.bits(), read_groups(bytes, values, &combine));
    let rest = &bytes[packed_length(done, modulus)..];
    read_one_by_one(rest, modulus, &mut values[done..], combine);
}

/// Reads whole groups; how many values those are.
#[inline(always)]
fn read_groups<const BITS: usize>(
    bytes: &[u8],
    values: &mut [u32],
    combine: impl Fn(u32, u32) -> u32,
) -> usize {
    let groups = values.as_chunks_mut::<GROUP>().0;
    let done = groups.len() * GROUP;
    let (words, _) = bytes.as_chunks::<4>();
    for (values, bytes) in groups.iter_mut().zip(words.chunks_exact(BITS)) {
        let words: [u32; BITS] = std::array::from_fn(|place| u32::from_le_bytes(bytes[place]));
        let mask = const { u32::MAX >> (32 - BITS) };
        macro_rules! places {
            ($($place:literal)*) => {$({
                let (word, shift) = const { ($place * BITS / 32, $place * BITS % 32) };
                let mut field = words[word] >> shift;
                if shift + BITS > 32 {
                    field |= words[word + 1] << (32 - shift);
                }
                values[$place] = combine(values[$place], field & mask);
            })*};
        }
        all_places!(places);
    }
    done
}

/// Reads values that begin at a whole byte.
#[inline(always)]
fn read_one_by_one(
    bytes: &[u8],
    modulus: Modulus,
    values: &mut [u32],
    combine: impl Fn(u32, u32) -> u32,
) {
    let (bits, mask) = (modulus.bits(), modulus.mask());
    let mut bytes = bytes.iter();
    let (mut waiting, mut filled) = (0_u64, 0);
    for value in values {
        while filled < bits {
            waiting |= u64::from(bytes.next().copied().unwrap_or_default()) << filled;
            filled += 8;
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
