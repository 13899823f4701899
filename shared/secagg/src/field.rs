//! GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1 (FIPS 197 section 4.2), in constant time:
//! no table and no branch depends on a value. Addition is XOR.

/// The product.
pub fn multiply(left: u8, right: u8) -> u8 {
    let mut product = 0;
    let mut shifted = left;
    for bit in 0..8 {
        product ^= shifted & all_ones_if(right >> bit & 1);
        shifted = (shifted << 1) ^ (REDUCTION & all_ones_if(shifted >> 7));
    }
    product
}

/// The inverse, value^254; that of 0 is 0.
pub fn invert(value: u8) -> u8 {
    let mut power = value; // value^(2^k − 1), at last with k = 7
    for _ in 0..6 {
        power = multiply(multiply(power, power), value);
    }
    multiply(power, power)
}

/// 0xff if `bit` is 1, 0 if it is 0.
fn all_ones_if(bit: u8) -> u8 {
    0u8.wrapping_sub(bit)
}

/// x^8 = x^4 + x^3 + x + 1.
const REDUCTION: u8 = 0x1b;

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
    fn every_value_but_zero_has_an_inverse() {
        assert_eq!(invert(0), 0);
        for value in 1..=255 {
            assert_eq!(multiply(value, invert(value)), 1);
        }
    }
}
