use proptest::prelude::*;

use super::super::keystream::Keystream;
use super::*;

const SIGMAS: [(u64, u64); 7] =
    [(1, 2), (2, 1), (127, 8), (16, 1), (1000, 3), (1_000_000, 1), (1 << 40, 1)];

fn sampler((numerator, denominator): (u64, u64)) -> BlockSampler {
    BlockSampler::new(Ratio::new(numerator, denominator).unwrap())
}

/// Words that were chosen, to be taken in order.
struct Script<'a>(&'a [u64]);

impl Words for Script<'_> {
    fn word(&mut self) -> u64 {
        let (first, rest) = self.0.split_first().expect("more words than were written");
        self.0 = rest;
        *first
    }

    fn bit(&mut self) -> bool {
        self.word() & 1 == 1
    }
}

/// Three words and the rest of an enclosed number over 2^320.
fn words_of(number: &Enclosure, first: usize) -> [u64; 3] {
    let word = |end: usize, length: usize| {
        let (low, high) = (&number.low >> (320 - end), &number.high >> (320 - end));
        assert_eq!(low, high, "320 bits fix the first 192");
        u64::try_from(low % (UBig::ONE << length)).unwrap()
    };
    [word(first, first), word(first + 64, 64), word(first + 128, 64)]
}

#[test]
fn widths_and_tables_are_as_said() {
    let widths = SIGMAS.map(|sigma| sampler(sigma).log_width);
    assert_eq!(widths, [0, 0, 0, 1, 5, 16, 37]);
    for sigma in SIGMAS {
        let sampler = sampler(sigma);
        assert!(sampler.thresholds.len() < 180, "{sigma:?}: {}", sampler.thresholds.len());
        assert!(sampler.thresholds.is_sorted());
        let wide = sampler.log_width > 0;
        assert!(!wide || (1 << 55..=1 << 57).contains(&sampler.kappa), "{sigma:?}");
    }
}

#[test]
fn a_draw_on_a_boundary_between_blocks_takes_more_bits() {
    for sigma in SIGMAS {
        let sampler = sampler(sigma);
        let cumulative = sampler.cumulative(320);
        for block in (0..sampler.thresholds.len()).step_by(7) {
            let [first, second, third] = words_of(&cumulative[block], 64);
            assert!(first - sampler.thresholds[block] <= 1);
            let block = block as u64;
            assert_eq!(sampler.block(&mut Script(&[first, second - 1])), block);
            assert_eq!(sampler.block(&mut Script(&[first, second, third - 1])), block);
            assert_eq!(sampler.block(&mut Script(&[first, second, third + 1])), block + 1);
            assert_eq!(sampler.block(&mut Script(&[first, second + 1])), block + 1);
        }
    }
}

#[test]
fn a_draw_beyond_the_table_finds_its_block() {
    let sampler = sampler((2, 1));
    let end = sampler.thresholds.len() as u64;
    // Pr[|x| ≥ 24] = 2·ρ(24)/Z is about 2^-104 for σ = 2.
    let far = sampler.block(&mut Script(&[u64::MAX, u64::MAX - (1 << 26), 5]));
    assert!((end..26).contains(&far), "{far} after a table of {end}");
    assert!(sampler.block(&mut Script(&[u64::MAX, u64::MAX, u64::MAX, 7])) > far);
}

#[test]
fn a_draw_on_the_edge_of_acceptance_takes_more_bits() {
    for sigma in [(16, 1), (1000, 3), (1_000_000, 1), (1 << 40, 1)] {
        let sampler = sampler(sigma);
        for block in [0, 3, 20, 70] {
            let width = 1 << sampler.log_width;
            for offset in [(width / 2) | 1, width - 1] {
                let bound = exponential(&sampler.exact_exponent(block, offset), 320);
                let [head, tail, third] = words_of(&bound, 24);
                let accepts =
                    |words: &[u64]| sampler.accepts(block, offset, head, &mut Script(words));
                assert!(accepts(&[tail, third - 1]) && accepts(&[tail - 1, 0]), "{sigma:?}");
                assert!(!accepts(&[tail, third + 1]) && !accepts(&[tail + 1, 0]), "{sigma:?}");
                // One unit of the fast path away it still asks for more; MARGIN and more away not.
                let margin = (MARGIN + 300) << (64 - FRACTION + HEAD);
                assert!(accepts(&[tail.saturating_sub(margin)]) || tail < margin);
                assert!(!accepts(&[tail.saturating_add(margin)]) || tail > u64::MAX - margin);
            }
        }
    }
}

#[test]
fn no_offset_is_always_accepted() {
    let sampler = sampler((1000, 1));
    assert!(sampler.accepts(150, 0, (1 << HEAD) - 1, &mut Script(&[])));
}

/// The whole sampler again, every decision by the slow half.
fn slowly(sampler: &BlockSampler, words: &mut impl Words) -> i64 {
    loop {
        let uniform = LazyUniform { drawn: UBig::ZERO, bits: 0 };
        let block = sampler.exact_block(uniform, words);
        if sampler.log_width == 0 {
            let magnitude = block as i64;
            return if magnitude != 0 && words.bit() { -magnitude } else { magnitude };
        }
        let word = words.word();
        let offset = (word >> 1) & ((1 << sampler.log_width) - 1);
        let head = LazyUniform { drawn: (word >> HEAD_SHIFT).into(), bits: HEAD as usize };
        let exponent = sampler.exact_exponent(block, offset);
        let magnitude = (block << sampler.log_width | offset) as i64;
        let negative = word & 1 == 1;
        if below_exponential(head, &exponent, words) && !(negative && magnitude == 0) {
            return if negative { -magnitude } else { magnitude };
        }
    }
}

#[test]
fn the_slow_half_alone_has_the_same_distribution() {
    for (sigma, count) in [((2, 1), 4000), ((33, 2), 1500)] {
        let sampler = sampler(sigma);
        let mut words = Keystream::new(&[9; 32], 0);
        let samples: Vec<i64> = (0..count).map(|_| slowly(&sampler, &mut words)).collect();
        let deviation = sigma.0 as f64 / sigma.1 as f64;
        let mean = samples.iter().sum::<i64>() as f64 / f64::from(count);
        let square = samples.iter().map(|x| x * x).sum::<i64>() as f64 / f64::from(count);
        let error = 5.0 * deviation / f64::from(count).sqrt();
        assert!(mean.abs() < error, "{mean}");
        let spread = square / deviation.powi(2) - 1.0;
        assert!(spread.abs() < 5.0 * (2.0 / f64::from(count)).sqrt(), "{spread}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_fast_block_is_the_exact_one(which in 0..SIGMAS.len(), draw: u64, next: u64) {
        let sampler = sampler(SIGMAS[which]);
        let words = [next, next, next];
        let uniform = LazyUniform { drawn: draw.into(), bits: 64 };
        let exact = sampler.exact_block(uniform, &mut Script(&words));
        prop_assert_eq!(sampler.block(&mut Script(&[draw, next, next])), exact);
    }

    #[test]
    fn the_fast_exponent_is_at_most_three_units_below(
        numerator in 128_u64..1 << 43, block in 0_u64..80, offset: u64
    ) {
        let sampler = sampler((numerator, 8));
        let offset = offset % (1 << sampler.log_width);
        let exact = sampler.exact_exponent(block, offset);
        let exact = (exact.numerator << FRACTION as usize) / exact.denominator;
        let fast = UBig::from(sampler.exponent(block, offset));
        prop_assert!(fast <= exact && exact <= fast + UBig::from(3_u8));
    }

    #[test]
    fn the_series_never_contradicts_the_exponential(
        x in 0_u64..4 * ONE, extra in 0_u64..4, away in -2000_i64..2000
    ) {
        // An x of up to three units more than the fast path knows.
        let exact = Fraction { numerator: (x + extra).into(), denominator: UBig::ONE << FRACTION as usize };
        let bound = exponential(&exact, 128);
        let edge = u64::try_from(&bound.low >> (128 - FRACTION as usize)).unwrap();
        let drawn = edge.saturating_add_signed(away).min(ONE - 1);
        if let Some(found) = below_series(drawn, x) {
            // All of [drawn, drawn + 1) is on that side.
            let end = UBig::from(drawn + u64::from(found)) << (128 - FRACTION as usize);
            prop_assert_eq!(found, end <= bound.low, "x {} drawn {}", x, drawn);
        }
        let far = away.unsigned_abs() > MARGIN + 300;
        prop_assert!(!far || below_series(drawn, x).is_some() || x > 2 * ONE);
    }
}
