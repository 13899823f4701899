//! The discrete Gaussian from a table of blocks: one table look-up, an offset, a rare rejection.
//!
//! The structure is that of Ducas, Durmus, Lepoint and Lyubashevsky, *Lattice Signatures and Bimodal
//! Gaussians*, CRYPTO 2013, section 6 (and of Karney, *Sampling Exactly from the Normal Distribution*,
//! ACM TOMS 42, 2016, algorithm D): a magnitude is a block and an offset in it. Their fixed-precision
//! tables are replaced by reals that are compared bit by bit, as many as are needed (Knuth and Yao
//! 1976), so that nothing is approximate.
//!
//! # The algorithm
//! Let `w = 2^m` be the largest power of two of at most σ/8, or 1, and `ρ(x) = exp(-x²/(2σ²))`.
//!
//! 1. Draw a block `k ≥ 0` with probability proportional to its weight: `ρ(k·w)`; if `w = 1`, 1 for
//!    `k = 0` and `2·ρ(k)` for others.
//! 2. If `w = 1`: give `±k` with a fair sign. Else draw an offset `j` uniform in `0..w` and a fair sign.
//! 3. Accept with probability `exp(-(2·k·w·j + j²)/(2σ²))`, else begin again.
//! 4. If the magnitude `k·w + j` is 0 and the sign negative, begin again. Give `±(k·w + j)`.
//!
//! # Why it is exact
//! One pass of a wide block gives the magnitude `y = k·w + j` with probability proportional to
//! `ρ(k·w)·(1/w)·exp(-(y² - (k·w)²)/(2σ²)) = ρ(y)/w`, each sign with half of that, and 0 once instead of
//! twice by step 4: proportional to ρ over all integers. Repeating until acceptance does not change
//! proportions. With `w = 1`, 0 has weight 1 and ±k share 2·ρ(k). So the result is exact if steps 1 to 3
//! are, given independent uniform bits:
//!
//! - *Step 1* finds the k with `C(k-1) ≤ U < C(k)` for a uniform real U and the cumulative weights
//!   C. The table has `t(k) = ⌊C(k)·2^64⌋` or one less, from enclosures of 128 bits, and the first 64 bits
//!   `u` of U. `u < t(k)` proves `U < C(k)`; `u ≥ t(k-1) + 2` proves `U ≥ C(k-1)`. Where the second fails
//!   (once in 2^56 draws) or the table ends, [`BlockSampler::exact_block`] draws more bits and computes
//!   with more, until both are proved.
//! - *Step 2* takes bits as they are: w is a power of two.
//! - *Step 3* compares a uniform real V with `e^-x` for a rational x. The fast path has 24 or 54 bits of V
//!   and partial sums of `Σ(-x)^n/n!` in integers over 2^54. By Taylor's theorem with Lagrange's
//!   remainder these lie above `e^-x` for even and below it for odd n, for every x ≥ 0. Their rounding
//!   errors are below [`MARGIN`], which is left on both sides. What is closer than that (once in 10^15
//!   samples) is decided by [`below_exponential`] with more bits of V.
//!
//! Rounding errors of the fast path, in units of 2^-54, with x < 4: `y = (2kw + j)·j/w²` is cut by less
//! than 1, times κ = w²/(2σ²) ≤ 1/128; κ is cut by less than 2^-64, times y < 2^9; the product by less
//! than 1: x is at most 3 too small, never too large. A term `t(n) = t(n-1)·x/n` then is too small by at
//! most `e(n) = (e(n-1)·4 + 3·t(n-1))/n + 2`; with t ≤ 11 these are below 60 each and 200 together for
//! n ≤ 24.

use dashu::integer::UBig;
use grid::Ratio;

use super::exact::{Enclosure, Fraction, LazyUniform, below_exponential, divided_up, exponential};
use super::keystream::Words;

/// The tables of one σ.
pub(super) struct BlockSampler {
    /// t(k): the first 64 bits of the cumulative weight C(k), or one less.
    thresholds: Vec<u64>,
    /// For the first eight bits of a draw, the first block that it can be.
    guide: [u8; 256],
    /// m; the width of a block is 2^m.
    log_width: u32,
    /// ⌊κ·2^64⌋.
    kappa: u64,
    /// σ² as a fraction, twice.
    double_variance: Fraction,
}

impl BlockSampler {
    /// For 0 < σ ≤ 2^40.
    pub fn new(sigma: Ratio) -> Self {
        let (numerator, denominator) =
            (UBig::from(sigma.numerator()), UBig::from(sigma.denominator()));
        let double_variance = Fraction {
            numerator: (&numerator * &numerator) << 1,
            denominator: &denominator * &denominator,
        };
        let mut log_width = 0;
        while denominator.clone() << (log_width + 4) <= numerator {
            log_width += 1;
        }
        let width_squared = UBig::ONE << (2 * log_width);
        let kappa =
            ((width_squared * &double_variance.denominator) << 64) / &double_variance.numerator;
        let mut sampler = Self {
            thresholds: Vec::new(),
            guide: [0; 256],
            log_width: u32::try_from(log_width).expect("σ is at most 2^40"),
            // Used where blocks are wide, and at most 2^57 there.
            kappa: u64::try_from(kappa).unwrap_or(u64::MAX),
            double_variance,
        };
        sampler.thresholds = sampler.table();
        sampler.guide = guide(&sampler.thresholds);
        sampler
    }

    /// One sample.
    pub fn sample(&self, words: &mut impl Words) -> i64 {
        if self.log_width == 0 {
            let magnitude = self.block(words) as i64;
            return if magnitude != 0 && words.bit() { -magnitude } else { magnitude };
        }
        loop {
            let block = self.block(words);
            let word = words.word();
            let (negative, offset) = (word & 1 == 1, (word >> 1) & ((1 << self.log_width) - 1));
            if !self.accepts(block, offset, word >> HEAD_SHIFT, words) {
                continue;
            }
            let magnitude = (block << self.log_width | offset) as i64;
            if !negative {
                return magnitude;
            }
            if magnitude != 0 {
                return -magnitude;
            }
        }
    }

    /// Step 1.
    fn block(&self, words: &mut impl Words) -> u64 {
        let draw = words.word();
        let mut block = usize::from(self.guide[(draw >> 56) as usize]);
        while self.thresholds.get(block).is_some_and(|&threshold| draw >= threshold) {
            block += 1;
        }
        let above = block.checked_sub(1).map_or(u64::MAX, |last| draw - self.thresholds[last]);
        if above < 2 || block == self.thresholds.len() {
            return self.exact_block(LazyUniform { drawn: draw.into(), bits: 64 }, words);
        }
        block as u64
    }

    /// Step 1 with as many bits as it needs.
    fn exact_block(&self, mut uniform: LazyUniform, words: &mut impl Words) -> u64 {
        loop {
            let cumulative = self.cumulative(uniform.bits + 64);
            // The first block that the real may be in, and whether it surely is.
            for (block, bound) in cumulative.iter().enumerate() {
                match uniform.below(bound, uniform.bits + 64) {
                    Some(true) => return block as u64,
                    Some(false) => {}
                    None => break,
                }
            }
            uniform.extend(words);
        }
    }

    /// Step 3; `head` is the first 24 bits of V.
    fn accepts(&self, block: u64, offset: u64, head: u64, words: &mut impl Words) -> bool {
        if offset == 0 {
            return true;
        }
        if block < FAST_BLOCKS {
            let x = self.exponent(block, offset);
            // 1 - x ≤ e^-x, and V is below (head + 1)/2^24.
            if (head + 1) << (FRACTION - HEAD) <= (ONE - MARGIN).saturating_sub(x) {
                return true;
            }
            let tail = words.word();
            let drawn = (head << (FRACTION - HEAD)) | tail >> (64 - FRACTION + HEAD);
            if let Some(decided) = below_series(drawn, x) {
                return decided;
            }
            let uniform = LazyUniform {
                drawn: (UBig::from(head) << 64) | UBig::from(tail),
                bits: HEAD as usize + 64,
            };
            return below_exponential(uniform, &self.exact_exponent(block, offset), words);
        }
        let uniform = LazyUniform { drawn: head.into(), bits: HEAD as usize };
        below_exponential(uniform, &self.exact_exponent(block, offset), words)
    }

    /// x over 2^54, at most 3 too small.
    fn exponent(&self, block: u64, offset: u64) -> u64 {
        let product = u128::from(block << (self.log_width + 1) | offset) * u128::from(offset);
        let double = 2 * self.log_width;
        let scaled = if double <= FRACTION {
            product << (FRACTION - double)
        } else {
            product >> (double - FRACTION)
        };
        ((scaled * u128::from(self.kappa)) >> 64) as u64
    }

    /// x = (2kw + j)·j / (2σ²).
    fn exact_exponent(&self, block: u64, offset: u64) -> Fraction {
        let (block, offset) = (UBig::from(block), UBig::from(offset));
        let twice = block << (self.log_width as usize + 1);
        self.over_double_variance((twice + &offset) * offset)
    }

    /// t(0), t(1), ... up to the first one that is too close to 2^64 to have a successor.
    fn table(&self) -> Vec<u64> {
        let cumulative = self.cumulative(TABLE_BITS);
        let words = cumulative.iter().map(|bound| {
            let (low, high) = (&bound.low >> (TABLE_BITS - 64), &bound.high >> (TABLE_BITS - 64));
            assert!(high - &low <= UBig::ONE, "128 bits give 64");
            u64::try_from(low).unwrap_or(u64::MAX)
        });
        let mut table = Vec::new();
        for word in words {
            table.push(word);
            if word >= u64::MAX - 1 {
                break;
            }
        }
        table
    }

    /// C(0), C(1), ... over 2^bits, until the weights are too small to be seen.
    fn cumulative(&self, bits: usize) -> Vec<Enclosure> {
        let mut weights = self.weights(bits);
        let mut sums = vec![weights.next().expect("there is no last weight")];
        let rest = loop {
            let weight = weights.next().expect("there is no last weight");
            if weight.high <= UBig::from(2_u8) {
                // From k on, weights fall at least as fast as exp(-(2k + 1)/512)^i: their sum is
                // below 513 times the first one.
                break weight.high << 10;
            }
            let last = sums.last().expect("one at least");
            let sum = Enclosure { low: &last.low + weight.low, high: &last.high + weight.high };
            sums.push(sum);
        };
        let last = sums.last().expect("one at least");
        let total = Enclosure { low: last.low.clone(), high: &last.high + rest };
        let over_total = |sum: Enclosure| Enclosure {
            low: (sum.low << bits) / &total.high,
            high: divided_up(sum.high << bits, &total.low),
        };
        sums.into_iter().map(over_total).collect()
    }

    /// The weights of all blocks, over 2^bits: with c = w²/(2σ²), the next weight is the last one times
    /// e^-(2k+1)c, and the next such factor the last one times e^-2c. After k steps this costs k² units.
    fn weights(&self, bits: usize) -> impl Iterator<Item = Enclosure> {
        let power = |times: u8| {
            let square = UBig::from(times) << (2 * self.log_width as usize);
            exponential(&self.over_double_variance(square), bits)
        };
        let (mut factor, step) = (power(1), power(2));
        let one = UBig::ONE << bits;
        let mut weight = Enclosure { low: one.clone(), high: one };
        let narrow = usize::from(self.log_width == 0);
        std::iter::once(weight.clone()).chain(std::iter::from_fn(move || {
            weight = weight.times(&factor, bits);
            factor = factor.times(&step, bits);
            Some(Enclosure { low: &weight.low << narrow, high: &weight.high << narrow })
        }))
    }

    fn over_double_variance(&self, square: UBig) -> Fraction {
        Fraction {
            numerator: square * &self.double_variance.denominator,
            denominator: self.double_variance.numerator.clone(),
        }
    }
}

/// Whether V, of which `drawn` are the first 54 bits, is below e^-x for an x of at most 3 units more than
/// given; none if that is too close to tell.
fn below_series(drawn: u64, x: u64) -> Option<bool> {
    let (mut sum, mut term) = (ONE as i64, u128::from(ONE));
    let drawn = drawn as i64;
    for n in 1..=TERMS {
        term = ((term * u128::from(x)) >> FRACTION) / u128::from(n);
        if n % 2 == 1 {
            sum -= term as i64;
            if drawn + 1 + MARGIN as i64 <= sum {
                return Some(true);
            }
        } else {
            sum += term as i64;
            if drawn >= sum + MARGIN as i64 {
                return Some(false);
            }
        }
    }
    None
}

/// For each first byte of a draw, the first block whose threshold may lie above it.
fn guide(thresholds: &[u64]) -> [u8; 256] {
    std::array::from_fn(|byte| {
        let least = (byte as u64) << 56;
        let block = thresholds.partition_point(|&threshold| threshold <= least);
        u8::try_from(block).expect("a table of about 160 blocks")
    })
}

/// Bits after the point of the fast path.
const FRACTION: u32 = 54;
const ONE: u64 = 1 << FRACTION;

/// Bits of V that come with the offset, above at most 37 bits of offset and one of sign.
const HEAD: u32 = 24;
const HEAD_SHIFT: u32 = 64 - HEAD;

/// Above all rounding errors of the fast path together.
const MARGIN: u64 = 256;

/// The last partial sum of the series: 4^24/24! is below 2^-30, and x is below 1.3 in the table.
const TERMS: u32 = 24;

/// Blocks for which the fast path's y stays below 2^9.
const FAST_BLOCKS: u64 = 255;

const TABLE_BITS: usize = 128;

#[cfg(test)]
mod tests;
