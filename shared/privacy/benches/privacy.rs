//! Speed of the private path, each step by itself: `cargo bench -p privacy`.

use divan::Bencher;
use divan::counter::ItemsCount;
use ed25519_dalek::SigningKey;
use grid::{Modulus, Q32, Q40, Ratio, RotationSeed};
use privacy::{
    Budget, Charge, ChargeTerms, Clipped, Grid, Ledger, Limits, Quantized, Release, Sampler,
    SavedState,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use wire::{PlanHash, Round, TaskId};

const COORDINATES: usize = 1 << 17;

fn main() {
    divan::main();
}

fn fixed(value: u64) -> Q32 {
    Q32::from_raw(value << 32)
}

fn grid() -> Grid {
    let modulus = Modulus::new(20).expect("20 is within 8 to 32");
    Grid::new(fixed(1), fixed(1000), modulus, RotationSeed([1; 32]), COORDINATES)
        .expect("valid terms")
}

fn clipped() -> Clipped {
    let update: Vec<f32> = (0..COORDINATES).map(|i| (i % 17) as f32 - 8.0).collect();
    Clipped::new(&update, fixed(1)).expect("finite")
}

fn quantized() -> Quantized {
    Quantized::new(clipped(), &grid(), &mut ChaCha20Rng::from_seed([2; 32])).expect("same clip")
}

fn charge() -> Charge {
    let limits = Limits {
        lifetime: Budget::Unlimited,
        task: Budget::Unlimited,
        largest_charge: Q40::MAXIMUM,
    };
    let key = SigningKey::from_bytes(&[3; 32]);
    let opened = Ledger::open(&[], key, limits, SavedState::NothingSent, 0);
    let terms = ChargeTerms {
        task: TaskId([1; 32]),
        round: Round(1),
        plan: PlanHash([2; 32]),
        squared_norm_bound: grid().squared_norm_bound(),
        sigma: Ratio::new(240, 8).expect("not zero"),
        honest: 10,
        padded: COORDINATES as u32,
    };
    opened.expect("a new ledger").0.admit(&terms).expect("no limit")
}

#[divan::bench]
fn clip(bencher: Bencher) {
    bencher.counter(ItemsCount::new(COORDINATES)).bench(clipped);
}

#[divan::bench]
fn rotate_and_round(bencher: Bencher) {
    let mut rng = ChaCha20Rng::from_seed([2; 32]);
    let grid = grid();
    bencher
        .counter(ItemsCount::new(COORDINATES))
        .with_inputs(clipped)
        .bench_local_values(|clipped| Quantized::new(clipped, &grid, &mut rng));
}

#[divan::bench(sample_count = 10, args = [Sampler::Blocks, Sampler::Opendp])]
fn exact_noise(bencher: Bencher, sampler: Sampler) {
    bencher
        .counter(ItemsCount::new(COORDINATES))
        .with_inputs(|| (quantized(), charge()))
        .bench_values(|(quantized, charge)| Release::with_sampler(quantized, charge, sampler));
}

#[divan::bench]
fn rho(bencher: Bencher) {
    let terms = charge().terms().clone();
    bencher.bench(|| terms.rho());
}
