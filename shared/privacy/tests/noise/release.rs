//! The noise of the shipped path, from a charge to the values that are masked.

use ed25519_dalek::SigningKey;
use grid::{Modulus, Q32, Q40, Ratio, RotationSeed};
use privacy::{
    Budget, Charge, ChargeTerms, Clipped, Grid, Ledger, Limits, PrivacyError, Quantized, Release,
    Sampler, SavedState,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use wire::{PlanHash, Round, TaskId};

use crate::distribution::Bins;

const SAMPLES: usize = 1 << 18;

fn grid(bits: u32) -> Grid {
    let one = Q32::from_raw(1 << 32);
    let modulus = Modulus::new(bits).unwrap();
    Grid::new(one, one, modulus, RotationSeed([1; 32]), SAMPLES).unwrap()
}

fn charge(grid: &Grid, sigma: Ratio) -> Charge {
    let limits = Limits {
        lifetime: Budget::Unlimited,
        task: Budget::Unlimited,
        largest_charge: Q40::MAXIMUM,
    };
    let key = SigningKey::from_bytes(&[3; 32]);
    let (mut ledger, _) = Ledger::open(&[], key, limits, SavedState::NothingSent, 0).unwrap();
    let terms = ChargeTerms {
        task: TaskId([1; 32]),
        round: Round(1),
        plan: PlanHash([2; 32]),
        squared_norm_bound: grid.squared_norm_bound(),
        sigma,
        honest: 1,
        padded: grid.padded() as u32,
    };
    ledger.admit(&terms).unwrap()
}

fn zeros(grid: &Grid) -> Quantized {
    let clipped = Clipped::new(&vec![0.0; SAMPLES], grid.clip()).unwrap();
    Quantized::new(clipped, grid, &mut ChaCha20Rng::from_seed([4; 32])).unwrap()
}

fn noise(sigma: Ratio, bits: u32) -> Vec<i64> {
    noise_of(sigma, bits, Sampler::default())
}

fn noise_of(sigma: Ratio, bits: u32, sampler: Sampler) -> Vec<i64> {
    let grid = grid(bits);
    let release = Release::with_sampler(zeros(&grid), charge(&grid, sigma), sampler).unwrap();
    let (values, charge) = release.into_parts();
    assert_eq!(charge.terms().sigma, sigma);
    assert!(values.iter().all(|&value| value <= grid.modulus().mask()));
    values.into_iter().map(|value| grid.modulus().lift(value)).collect()
}

#[test]
fn noise_is_the_exact_discrete_gaussian() {
    let cases = [
        (2, 1, Sampler::Blocks),
        (27, 8, Sampler::Blocks),
        (30, 1, Sampler::Blocks),
        (27, 8, Sampler::Opendp),
    ];
    for (numerator, denominator, sampler) in cases {
        let sigma = Ratio::new(numerator, denominator).unwrap();
        let samples = noise_of(sigma, 20, sampler);
        let excess = Bins::new(sigma.to_f64(), 200).excess(&samples);
        // Standard deviations of χ²: less than once in 10⁶ runs.
        assert!(excess < 6.0, "{sampler:?}, σ = {sigma}: {excess}");
        // The same samples against a σ that is 2 % off: the test would notice.
        let wrong = Bins::new(sigma.to_f64() * 1.02, 200).excess(&samples);
        assert!(wrong > 6.0, "{sampler:?}, σ = {sigma}: a wrong σ is not noticed ({wrong})");
    }
}

#[test]
fn noise_is_independent_between_coordinates_chunks_and_releases() {
    let sigma = Ratio::new(10, 1).unwrap();
    let (first, second) = (noise(sigma, 20), noise(sigma, 20));
    let correlation = |left: &[i64], right: &[i64]| {
        let product: f64 = left.iter().zip(right).map(|(&a, &b)| (a * b) as f64).sum();
        product / (left.len().min(right.len()) as f64 * 100.0)
    };
    // Standard deviation of each: 1/√260,000 = 0.002.
    assert!(correlation(&first, &second).abs() < 0.012);
    assert!(correlation(&first, &first[1..]).abs() < 0.012);
    assert!(correlation(&first, &first[4096..]).abs() < 0.012);
    assert!(correlation(&first, &first) > 0.9);
}

#[test]
fn small_moduli_wrap_and_nothing_is_lost() {
    let sigma = Ratio::new(100, 1).unwrap();
    // σ = 100 in 8 bits: uniform, but for about e^(-2π²·(100/256)²) = 5 %.
    let samples = noise(sigma, 8);
    let high = samples.iter().filter(|value| value.abs() > 100).count() as f64;
    assert!((high / SAMPLES as f64 - 0.215).abs() < 0.05, "{high}");
}

#[test]
fn a_charge_pays_only_for_what_was_checked() {
    let (small, sigma) = (grid(20), Ratio::new(2, 1).unwrap());
    let two = Q32::from_raw(2 << 32);
    let seed = RotationSeed([1; 32]);
    let large = Grid::new(small.clip(), two, small.modulus(), seed, SAMPLES).unwrap();
    let error = Release::new(zeros(&large), charge(&small, sigma)).unwrap_err();
    assert!(matches!(error, PrivacyError::ChargeMismatch { .. }), "{error}");
}

#[test]
fn more_noise_than_fits_is_refused() {
    let (grid, sigma) = (grid(20), Ratio::new(1 << 41, 1).unwrap());
    let error = Release::new(zeros(&grid), charge(&grid, sigma)).unwrap_err();
    assert_eq!(error, PrivacyError::SigmaTooLarge { sigma });
}

/// What a recorded simulation is made again with.
#[test]
#[expect(clippy::disallowed_methods, reason = "the method under test")]
fn a_key_names_its_noise() {
    let (grid, sigma) = (grid(20), Ratio::new(27, 8).unwrap());
    let of = |key: u8| {
        let release = Release::with_key(zeros(&grid), charge(&grid, sigma), &[key; 32]).unwrap();
        let values = release.into_parts().0;
        values.into_iter().map(|value| grid.modulus().lift(value)).collect::<Vec<i64>>()
    };
    let (one, other) = (of(1), of(2));
    assert!(one == of(1) && one != other);
    for samples in [one, other] {
        let excess = Bins::new(sigma.to_f64(), 200).excess(&samples);
        // With fixed keys: this never changes.
        assert!(excess < 6.0, "{excess}");
    }
}
