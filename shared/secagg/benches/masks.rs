//! Masking and unmasking beside the bare cipher: `cargo bench --bench masks -p secagg`.
//!
//! Every row but the small ones gives the rate of keystream bytes that are needed, so rows compare directly; the cipher's
//! own is that of the crate `chacha20` with nothing done to its bytes.

#![allow(clippy::unwrap_used, reason = "a failed step of a test or bench ends it")]

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use divan::Bencher;
use divan::counter::BytesCount;
use grid::{Modulus, Ratio};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use secagg::{
    DealtSecrets, EphemeralPublic, EphemeralSecrets, MaskContext, Masker, RunningSum, SealContext,
    Share, Unmask, recover_mask_key, recover_seed, split, thresholds,
};
use wire::{ClosedHash, MemberIndex, MemberSet, ModelHash, PlanHash, RosterHash};

fn main() {
    divan::main();
}

const COORDINATES: usize = 1_000_000;
const MEMBERS: usize = 64;
/// b.
const BITS: u32 = 20;
/// Bytes of keystream in one mask.
const MASK_BYTES: usize = COORDINATES * BITS as usize / 8;

/// What 64 streams cost when nothing is done with them: one buffer that stays in the cache.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn bare_cipher_64_streams(bencher: Bencher) {
    bencher.counter(BytesCount::new(MASK_BYTES * MEMBERS)).bench_local(|| {
        let mut buffer = vec![0; 8192];
        for key in 0..MEMBERS {
            let mut cipher = ChaCha20::new(&[key as u8; 32].into(), &[0; 12].into());
            let mut left = MASK_BYTES;
            while left > 0 {
                let now = left.min(buffer.len());
                cipher.write_keystream(&mut buffer[..now]);
                divan::black_box(&mut buffer);
                left -= now;
            }
        }
    });
}

/// One self mask and 63 pairwise masks on a million values, key agreement included.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn mask_against_63_neighbours(bencher: Bencher) {
    let roster = Roster::new();
    bencher
        .counter(BytesCount::new(MASK_BYTES * MEMBERS))
        .with_inputs(|| (roster.masker(0), vec![1; COORDINATES]))
        .bench_local_values(|(masker, values)| masker.mask(values).unwrap());
}

/// 57 survivors and 7 dropped: 456 streams, on all cores.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn unmask_57_of_64(bencher: Bencher) {
    let roster = Roster::new();
    bencher
        .counter(BytesCount::new(MASK_BYTES * 57 * 8))
        .with_inputs(|| roster.unmask(57))
        .bench_local_values(|unmask| unmask.run().unwrap());
}

/// Splitting two secrets among 64, 63 agreements, 63 seals.
#[divan::bench]
fn deal_to_63_neighbours(bencher: Bencher) {
    let roster = Roster::new();
    bencher.bench_local(|| roster.dealt(0));
}

/// One secret from 64 shares of which 10 are wrong.
#[divan::bench]
fn recover_with_10_wrong_shares(bencher: Bencher) {
    let roster = Roster::new();
    let mut shares = roster.seed_shares(0, MEMBERS);
    for (place, share) in shares.iter_mut().enumerate().take(10) {
        *share = Share::new(MemberIndex(place as u8), random_secret(place)).unwrap();
    }
    let member = MemberIndex(0);
    bencher.bench_local(|| {
        recover_seed(member, &roster.public[0], roster.thresholds(), &shares).unwrap()
    });
}

/// Members whose secrets can be made again from their numbers, so that a bench can mask often.
struct Roster {
    public: Vec<EphemeralPublic>,
}

impl Roster {
    fn new() -> Self {
        Self { public: (0..MEMBERS).map(|i| secrets(i).public()).collect() }
    }

    fn thresholds(&self) -> secagg::Thresholds {
        let none = Ratio::new(0, 1).unwrap();
        thresholds(MEMBERS, none, none).unwrap()
    }

    fn dealt(&self, own: usize) -> DealtSecrets {
        let context = SealContext { plan: PlanHash([1; 32]), roster: RosterHash([2; 32]) };
        let (place, roster) = (MemberIndex(own as u8), self.public.clone());
        let (dealt, _) =
            secrets(own).deal(context, roster, place, self.thresholds(), &mut rng(own)).unwrap();
        dealt
    }

    fn masker(&self, own: usize) -> Masker {
        Masker::new(self.dealt(own), context(), MemberSet::first(MEMBERS), modulus()).unwrap()
    }

    fn seed_shares(&self, owner: usize, count: usize) -> Vec<Share> {
        let [_, _, seed] = drawn(owner);
        split(&seed, self.thresholds().threshold(), count, &mut rng(1)).unwrap()
    }

    fn unmask(&self, survivors: usize) -> Unmask {
        let sum = RunningSum::restore(vec![3; COORDINATES], MemberSet::first(survivors), modulus());
        let numbers = self.thresholds();
        let seeds = (0..survivors).map(|i| {
            let shares = self.seed_shares(i, MEMBERS);
            let owner = MemberIndex(i as u8);
            recover_seed(owner, &self.public[i], numbers, &shares).unwrap().secret
        });
        let keys = (survivors..MEMBERS).map(|i| {
            let [mask_key, _, _] = drawn(i);
            let shares = split(&mask_key, numbers.threshold(), MEMBERS, &mut rng(1)).unwrap();
            let owner = MemberIndex(i as u8);
            recover_mask_key(owner, &self.public[i], numbers, &shares).unwrap().secret
        });
        let (seeds, keys) = (seeds.collect(), keys.collect());
        let everybody = MemberSet::first(MEMBERS);
        Unmask::new(sum.unwrap(), context(), self.public.clone(), everybody, seeds, keys).unwrap()
    }
}

fn secrets(member: usize) -> EphemeralSecrets {
    EphemeralSecrets::generate(&mut rng(member))
}

/// What [`EphemeralSecrets::generate`] draws, in its order.
fn drawn(member: usize) -> [secagg::Secret32; 3] {
    let mut rng = rng(member);
    std::array::from_fn(|_| secagg::Secret32::random(&mut rng))
}

fn random_secret(seed: usize) -> secagg::Secret32 {
    secagg::Secret32::random(&mut rng(1000 + seed))
}

fn rng(seed: usize) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed as u64)
}

fn context() -> MaskContext {
    let (plan, closed) = (PlanHash([1; 32]), ClosedHash([3; 32]));
    MaskContext { plan, closed, model: ModelHash([4; 32]) }
}

fn modulus() -> Modulus {
    Modulus::new(BITS).unwrap()
}
