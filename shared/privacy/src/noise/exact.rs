//! Decisions about exponentials to as many bits as they need: the slow, always right half of the sampler.
//!
//! Everything is an integer over a power of two and an interval that surely holds the truth. A question
//! that the present number of bits cannot answer is asked again with 64 more. It ends: the numbers that
//! are compared with a random real are fixed, and the probability that n bits do not suffice is about
//! 2^-n.

use dashu::base::{BitTest, DivRem};
use dashu::integer::{IBig, UBig};

use super::keystream::Words;

/// A number between `low` and `high`, both over 2^bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Enclosure {
    pub low: UBig,
    pub high: UBig,
}

/// A fraction of non-negative integers.
#[derive(Debug, Clone)]
pub(super) struct Fraction {
    pub numerator: UBig,
    pub denominator: UBig,
}

/// A uniform real in [0, 1) of which only the first bits are drawn yet.
pub(super) struct LazyUniform {
    pub drawn: UBig,
    pub bits: usize,
}

impl Enclosure {
    /// The product of two numbers of at most 1.
    pub fn times(&self, other: &Self, bits: usize) -> Self {
        let high = shifted_up(&self.high * &other.high, bits);
        Self { low: (&self.low * &other.low) >> bits, high }
    }
}

impl LazyUniform {
    pub fn extend(&mut self, words: &mut impl Words) {
        self.drawn = (std::mem::take(&mut self.drawn) << 64) | UBig::from(words.word());
        self.bits += 64;
    }

    /// Whether the real is below `bound` (over 2^bits), if the bits drawn so far can tell.
    pub fn below(&self, bound: &Enclosure, bits: usize) -> Option<bool> {
        // The real is at least `drawn` and less than `drawn + 1`, over 2^self.bits.
        if (&self.drawn + UBig::ONE) << bits <= &bound.low << self.bits {
            return Some(true);
        }
        (&self.drawn << bits >= &bound.high << self.bits).then_some(false)
    }
}

/// Whether `uniform < e^-x`, decided exactly.
pub(super) fn below_exponential(
    mut uniform: LazyUniform,
    x: &Fraction,
    words: &mut impl Words,
) -> bool {
    loop {
        let bits = uniform.bits + 64;
        if let Some(decided) = uniform.below(&exponential(x, bits), bits) {
            return decided;
        }
        uniform.extend(words);
    }
}

/// e^-x to an interval of a few units of 2^-bits.
///
/// x is halved until it is at most 1/2, the alternating series is summed there (two partial sums in a row
/// enclose the limit), and the result is squared as often as x was halved: each squaring at most doubles
/// the width, since the value is at most 1.
pub(super) fn exponential(x: &Fraction, bits: usize) -> Enclosure {
    let halvings = (x.numerator.bit_len() + 2).saturating_sub(x.denominator.bit_len());
    let spare = halvings + GUARD;
    let precision = bits + spare;
    let mut value = series(&x.numerator, &(&x.denominator << halvings), precision);
    for _ in 0..halvings {
        value = value.times(&value, precision);
    }
    Enclosure { low: value.low >> spare, high: shifted_up(value.high, spare) }
}

/// e^-(numerator/denominator) for a fraction of at most 1/2.
fn series(numerator: &UBig, denominator: &UBig, precision: usize) -> Enclosure {
    let one = UBig::ONE << precision;
    let mut term = Enclosure { low: one.clone(), high: one };
    let (mut low, mut high) = (IBig::from(term.low.clone()), IBig::from(term.high.clone()));
    for n in 1_u32.. {
        let divisor = denominator * UBig::from(n);
        term.low = &term.low * numerator / &divisor;
        term.high = divided_up(&term.high * numerator, &divisor);
        if term.high <= UBig::ONE {
            break;
        }
        if n % 2 == 1 {
            low -= IBig::from(term.high.clone());
            high -= IBig::from(term.low.clone());
        } else {
            low += IBig::from(term.low.clone());
            high += IBig::from(term.high.clone());
        }
    }
    // What is left of the series has the sign of its first term and is smaller: at most one unit.
    let inside = "e^-x of x up to 1/2 is far from 0";
    Enclosure {
        low: UBig::try_from(low - IBig::ONE).expect(inside),
        high: UBig::try_from(high + IBig::ONE).expect(inside),
    }
}

fn shifted_up(value: UBig, bits: usize) -> UBig {
    (value + ((UBig::ONE << bits) - UBig::ONE)) >> bits
}

pub(super) fn divided_up(value: UBig, divisor: &UBig) -> UBig {
    let (quotient, rest) = value.div_rem(divisor);
    if rest == UBig::ZERO { quotient } else { quotient + UBig::ONE }
}

/// Bits beyond those asked for: the series loses one unit a term, and has fewer than 2^12 terms.
const GUARD: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fraction(numerator: u64, denominator: u64) -> Fraction {
        Fraction { numerator: numerator.into(), denominator: denominator.into() }
    }

    /// 1/e = 0.367879441171442321595523770161460867445811131031767834507836801... (OEIS A068985).
    #[test]
    fn one_over_e_to_sixty_digits() {
        let digits = "367879441171442321595523770161460867445811131031767834507836";
        let truth: UBig = digits.parse().unwrap();
        let (scale, bits) = (UBig::from(10_u8).pow(60), 256);
        let found = exponential(&fraction(1, 1), bits);
        assert_eq!((&found.low * &scale) >> bits, truth);
        assert_eq!((&found.high * &scale) >> bits, truth);
        assert!(found.high - found.low <= UBig::from(4_u8));
    }

    #[test]
    fn the_ends_are_enclosed() {
        let one = exponential(&fraction(0, 5), 64);
        assert!(one.low <= UBig::ONE << 64 && one.high >= UBig::ONE << 64);
        let nothing = exponential(&fraction(u64::MAX, 1), 64);
        assert_eq!((nothing.low, nothing.high), (UBig::ZERO, UBig::ONE));
    }

    proptest! {
        #[test]
        fn encloses_and_narrows(numerator in 0_u64..1 << 50, denominator in 1_u64..1 << 50) {
            let x = fraction(numerator, denominator);
            let (wide, narrow) = (exponential(&x, 64), exponential(&x, 320));
            prop_assert!(&wide.high - &wide.low <= UBig::from(4_u8));
            prop_assert!(&wide.low << 256 <= narrow.low && narrow.high <= &wide.high << 256);
            let exponent = numerator as f64 / denominator as f64;
            let float = (-exponent).exp();
            let middle = narrow.low.to_f64().value() / 2_f64.powi(320);
            // The float's exponent is rounded, and e^-x is off by as much as x is.
            prop_assert!((float - middle).abs() <= 1e-15 * (1.0 + exponent) * float.max(1e-80));
        }
    }
}
