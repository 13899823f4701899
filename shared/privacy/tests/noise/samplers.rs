//! Samples of both samplers, by value, by residue, by sign and in the tails.

use grid::Ratio;
use privacy::{Sampler, discrete_gaussian};

use crate::distribution::{Bins, REACH, excess};

/// From 0.5 to 10⁶: narrow and wide blocks, both sides of the change at 16, fractions, and a power of two.
const SIGMAS: [(u64, u64); 12] = [
    (1, 2),
    (1, 1),
    (2, 1),
    (37, 10),
    (127, 8),
    (16, 1),
    (129, 8),
    (100, 3),
    (1000, 1),
    (4096, 1),
    (1_000_003, 17),
    (1_000_000, 1),
];

/// χ² has a heavier tail than a Gaussian: 6 standard deviations are exceeded less than once in 10⁶ runs.
const LIMIT: f64 = 6.0;

fn samples(sigma: (u64, u64), count: usize, sampler: Sampler) -> Vec<i64> {
    discrete_gaussian(Ratio::new(sigma.0, sigma.1).unwrap(), count, sampler).unwrap()
}

fn check(sigma: (u64, u64), count: usize, sampler: Sampler) {
    let (samples, deviation) = (samples(sigma, count, sampler), sigma.0 as f64 / sigma.1 as f64);
    let values = Bins::new(deviation, 500).excess(&samples);
    let coarse = Bins::new(deviation, 12).excess(&samples);
    let residues = residues(&samples, deviation);
    let signs = signs(&samples);
    let tails = tails(&samples, deviation);
    println!(
        "{sampler:?} σ = {}/{}, {count} samples: χ² {values:+.2} (500 bins), {coarse:+.2} (12 bins), \
         {residues:+.2} (mod 16); signs {signs:+.2}; beyond 3σ {tails:+.2}",
        sigma.0, sigma.1
    );
    for (what, found) in [("values", values), ("bins", coarse), ("residues", residues)] {
        assert!(found < LIMIT, "σ = {sigma:?}: {what} {found}");
    }
    assert!(signs.abs() < LIMIT && tails.abs() < LIMIT, "σ = {sigma:?}: {signs}, {tails}");
}

/// χ² of the values modulo 16: the low bits of offsets, and whether blocks join without a seam.
fn residues(samples: &[i64], sigma: f64) -> f64 {
    let mut counts = [0_u64; 16];
    for sample in samples {
        counts[sample.rem_euclid(16) as usize] += 1;
    }
    let reach = (REACH * sigma).ceil() as i64 + 1;
    let mut probabilities = [0.0; 16];
    for x in -reach..=reach {
        probabilities[x.rem_euclid(16) as usize] += (-(x as f64 / sigma).powi(2) / 2.0).exp();
    }
    let total: f64 = probabilities.iter().sum();
    // Where σ is small some residues hardly occur: join each with its neighbour until they do.
    let (mut joined, mut expected) = (vec![0], vec![0.0]);
    for (count, probability) in counts.iter().zip(probabilities) {
        if expected.last().unwrap() * samples.len() as f64 >= 20.0 {
            joined.push(0);
            expected.push(0.0);
        }
        *joined.last_mut().unwrap() += count;
        *expected.last_mut().unwrap() += probability / total;
    }
    if expected.last().unwrap() * (samples.len() as f64) < 20.0 {
        let (count, probability) = (joined.pop().unwrap(), expected.pop().unwrap());
        *joined.last_mut().unwrap() += count;
        *expected.last_mut().unwrap() += probability;
    }
    excess(&joined, &expected)
}

/// Positive minus negative samples, in standard deviations.
fn signs(samples: &[i64]) -> f64 {
    let balance: i64 = samples.iter().map(|sample| sample.signum()).sum();
    let nonzero = samples.iter().filter(|&&sample| sample != 0).count() as f64;
    balance as f64 / nonzero.sqrt()
}

/// Samples beyond 3σ, in standard deviations from what is expected.
fn tails(samples: &[i64], sigma: f64) -> f64 {
    let edge = (3.0 * sigma) as i64;
    let reach = (REACH * sigma).ceil() as i64 + 1;
    let weight = |x: i64| (-(x as f64 / sigma).powi(2) / 2.0).exp();
    let total = 1.0 + 2.0 * (1..=reach).map(weight).sum::<f64>();
    let expected = 2.0 * (edge + 1..=reach).map(weight).sum::<f64>() / total * samples.len() as f64;
    let found = samples.iter().filter(|sample| sample.abs() > edge).count() as f64;
    (found - expected) / expected.sqrt()
}

#[test]
fn noise_is_the_exact_discrete_gaussian_for_every_sigma() {
    for sigma in SIGMAS {
        check(sigma, 400_000, Sampler::Blocks);
    }
}

#[test]
fn opendps_noise_is_too() {
    for sigma in [(1, 2), (100, 3), (1_000_000, 1)] {
        check(sigma, 30_000, Sampler::Opendp);
    }
}

#[test]
#[ignore = "minutes: 10⁷ samples for each of 12 σ and 10⁶ of opendp's for each of 4"]
fn ten_million_samples_are_the_exact_discrete_gaussian() {
    for sigma in SIGMAS {
        check(sigma, 10_000_000, Sampler::Blocks);
    }
    for sigma in [(1, 2), (16, 1), (100, 3), (1_000_000, 1)] {
        check(sigma, 1_000_000, Sampler::Opendp);
    }
}

/// The tests above can fail: they notice a σ that is 3 % off, a seam, a bias and cut tails, by far
/// more than chance moves them.
#[test]
fn wrong_distributions_are_noticed() {
    let right = samples((1000, 1), 400_000, Sampler::Blocks);
    assert!(Bins::new(1030.0, 12).excess(&right) > LIMIT);
    let seam: Vec<i64> = right.iter().map(|&x| if x % 64 == 63 { x - 1 } else { x }).collect();
    assert!(residues(&seam, 1000.0) > LIMIT);
    let biased: Vec<i64> = right.iter().map(|&x| if x % 50 == -7 { -x } else { x }).collect();
    assert!(signs(&biased).abs() > LIMIT);
    let cut: Vec<i64> = right.iter().map(|&x| x.clamp(-3000, 3000)).collect();
    assert!(tails(&cut, 1000.0).abs() > LIMIT);
}
