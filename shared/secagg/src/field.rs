//! GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1 (FIPS 197 section 4.2). Addition is XOR.
//!
//! Secrets meet this field only through [`Multiples`], in constant time. A product of single bytes
//! is for places and weights, which everybody knows: it looks up tables.

use zeroize::Zeroize;

/// Thirty-two bytes as words.
type Words = [u64; 4];

/// The products of one 32-byte value with every factor, ready to be added: those with the lower and
/// those with the higher four bits of a factor. Constant time in the value: it is worked on eight bytes to
/// a word, by shifts and a multiplication, and only the public factor chooses a product. Wiped when dropped.
pub struct Multiples {
    low: [Words; 16],
    high: [Words; 16],
}

impl Multiples {
    /// Of this value.
    pub fn of(value: &[u8; 32]) -> Self {
        let mut multiples = Self { low: [[0; 4]; 16], high: [[0; 4]; 16] };
        let mut doubled = read(value);
        fill(&mut multiples.low, &mut doubled);
        fill(&mut multiples.high, &mut doubled);
        doubled.zeroize();
        multiples
    }

    /// Adds value · factor, byte by byte.
    pub fn add_to(&self, sum: &mut [u8; 32], factor: u8) {
        let (low, high) =
            (&self.low[usize::from(factor & 15)], &self.high[usize::from(factor >> 4)]);
        let (chunks, _) = sum.as_chunks_mut::<8>();
        for ((chunk, low), high) in chunks.iter_mut().zip(low).zip(high) {
            *chunk = (u64::from_le_bytes(*chunk) ^ low ^ high).to_le_bytes();
        }
    }
}

impl Drop for Multiples {
    fn drop(&mut self) {
        self.low.zeroize();
        self.high.zeroize();
    }
}

fn read(value: &[u8; 32]) -> Words {
    let (chunks, _) = value.as_chunks::<8>();
    std::array::from_fn(|place| u64::from_le_bytes(chunks[place]))
}

/// The multiples of `value` with 0 to 15; `value` is 16 times what it was.
fn fill(multiples: &mut [Words; 16], value: &mut Words) {
    for bit in 0..4 {
        let (below, above) = multiples.split_at_mut(1 << bit);
        for (known, next) in below.iter().zip(above) {
            *next = std::array::from_fn(|place| known[place] ^ value[place]);
        }
        value.iter_mut().for_each(|word| *word = double(*word));
    }
}

/// Eight bytes times 2.
fn double(word: u64) -> u64 {
    let carries = word >> 7 & LOW_BITS;
    (word & !(LOW_BITS << 7)) << 1 ^ carries.wrapping_mul(REDUCTION)
}

/// The product of two public values.
pub fn multiply(left: u8, right: u8) -> u8 {
    if left == 0 || right == 0 {
        return 0;
    }
    POWERS[usize::from(LOGARITHMS[usize::from(left)]) + usize::from(LOGARITHMS[usize::from(right)])]
}

/// The inverse of a public value; that of 0 is 0.
pub fn invert(value: u8) -> u8 {
    if value == 0 { 0 } else { POWERS[255 - usize::from(LOGARITHMS[usize::from(value)])] }
}

/// 3^k for k below 510: 3 generates all values but 0, so that 3^255 = 1.
const POWERS: [u8; 510] = {
    let mut powers = [1; 510];
    let mut k = 1;
    while k < 510 {
        let before = powers[k - 1] as u64;
        let doubled = (before << 1) ^ ((before >> 7) * (REDUCTION | 1 << 8));
        powers[k] = (doubled ^ before) as u8;
        k += 1;
    }
    powers
};

/// k with 3^k = value, 0 to 254; nothing for 0.
const LOGARITHMS: [u8; 256] = {
    let mut logarithms = [0; 256];
    let mut k = 0;
    while k < 255 {
        logarithms[POWERS[k] as usize] = k as u8;
        k += 1;
    }
    logarithms
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
    fn every_multiple_of_every_byte_is_added() {
        for first in (0..=255).step_by(32) {
            let bytes: [u8; 32] = std::array::from_fn(|i| first + i as u8);
            let multiples = Multiples::of(&bytes);
            for factor in 0..=255 {
                let mut sum = [0x5a; 32];
                multiples.add_to(&mut sum, factor);
                assert_eq!(sum, bytes.map(|byte| 0x5a ^ multiply(byte, factor)));
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
