//! GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1 (FIPS 197 section 4.2). Addition is XOR.
//!
//! Secrets meet this field only through [`scale`], in constant time. A product of single bytes
//! is for places and weights, which everybody knows: compilers are known to turn its masks back
//! into branches.

/// Multiplies every byte by a public factor, in constant time: the bytes are worked on eight to
/// a word, by shifts and a multiplication, so that no table, branch or choice can depend on one.
pub fn scale(bytes: &mut [u8; 32], factor: u8) {
    let (chunks, _) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        let mut shifted = u64::from_le_bytes(*chunk);
        let mut product = 0;
        for bit in 0..8 {
            if factor >> bit & 1 == 1 {
                product ^= shifted;
            }
            let carries = shifted >> 7 & LOW_BITS;
            shifted = (shifted & !(LOW_BITS << 7)) << 1 ^ carries.wrapping_mul(REDUCTION);
        }
        *chunk = product.to_le_bytes();
    }
}

/// The product of two public values.
pub const fn multiply(left: u8, right: u8) -> u8 {
    let (mut product, mut shifted) = (0, left as u64);
    let mut bit = 0;
    while bit < 8 {
        product ^= shifted * (right >> bit & 1) as u64;
        shifted = (shifted << 1) ^ ((shifted >> 7) * (REDUCTION | 1 << 8));
        bit += 1;
    }
    product as u8
}

/// The inverse of a public value; that of 0 is 0.
pub fn invert(value: u8) -> u8 {
    INVERSES[usize::from(value)]
}

/// value^254 of every value.
const INVERSES: [u8; 256] = {
    let mut inverses = [0; 256];
    let mut value = 0;
    while value < 256 {
        let mut power = value as u8; // value^(2^k − 1), at last with k = 7
        let mut k = 1;
        while k < 7 {
            power = multiply(multiply(power, power), value as u8);
            k += 1;
        }
        inverses[value] = multiply(power, power);
        value += 1;
    }
    inverses
};

/// The lowest bit of each of eight bytes.
const LOW_BITS: u64 = 0x0101_0101_0101_0101;

/// x^8 = x^4 + x^3 + x + 1.
const REDUCTION: u64 = 0x1b;

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197 sections 4.2 and 4.2.1.
    #[test]
    fn products_of_the_standard() {
        assert_eq!(multiply(0x57, 0x83), 0xc1);
        assert_eq!(multiply(0x57, 0x13), 0xfe);
    }

    #[test]
    fn every_product_is_that_of_long_multiplication() {
        for left in 0..=255u8 {
            for right in 0..=255u8 {
                let mut wide = (0..8).fold(0u16, |sum, bit| {
                    if right >> bit & 1 == 1 { sum ^ u16::from(left) << bit } else { sum }
                });
                for bit in (8..16).rev() {
                    if wide >> bit & 1 == 1 {
                        wide ^= 0x11b << (bit - 8);
                    }
                }
                assert_eq!(u16::from(multiply(left, right)), wide);
            }
        }
    }

    #[test]
    fn scaling_multiplies_every_byte() {
        for factor in 0..=255 {
            for first in (0..=255).step_by(32) {
                let mut bytes: [u8; 32] = std::array::from_fn(|i| first + i as u8);
                let expected = bytes.map(|byte| multiply(byte, factor));
                scale(&mut bytes, factor);
                assert_eq!(bytes, expected);
            }
        }
    }

    #[test]
    fn every_value_but_zero_has_an_inverse() {
        assert_eq!(invert(0), 0);
        for value in 1..=255 {
            assert_eq!(multiply(value, invert(value)), 1);
        }
    }
}
