//! Random numbers that are the same on every machine.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of numbers from a 32-byte seed (ChaCha20). Different `stream`s of one seed are independent.
pub(crate) fn generator(seed: [u8; 32], stream: u64) -> ChaCha20Rng {
    let mut generator = ChaCha20Rng::from_seed(seed);
    generator.set_stream(stream);
    generator
}

/// The same from a short seed.
pub(crate) fn short_generator(seed: u64, stream: u64) -> ChaCha20Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    generator(bytes, stream)
}

/// Uniform in [0, 1): a multiple of 2^-24, exact in f32.
pub(crate) fn uniform(generator: &mut ChaCha20Rng) -> f32 {
    (generator.next_u32() >> 8) as f32 / (1 << 24) as f32
}

/// Uniform in 0..bound, without bias.
pub(crate) fn below(generator: &mut ChaCha20Rng, bound: usize) -> usize {
    let bound = bound as u64;
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let drawn = generator.next_u64();
        if drawn < limit {
            return (drawn % bound) as usize;
        }
    }
}

/// Standard normal (Box & Muller 1958).
pub(crate) fn normal(generator: &mut ChaCha20Rng) -> f32 {
    let radius = (-2.0 * f64::from(1.0 - uniform(generator)).ln()).sqrt();
    let angle = std::f64::consts::TAU * f64::from(uniform(generator));
    (radius * angle.cos()) as f32
}

/// A random order of 0..count (Fisher & Yates).
pub(crate) fn permutation(generator: &mut ChaCha20Rng, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, below(generator, last + 1));
    }
    order
}
