//! The directions of canaries: even over the sphere, each from a stream of its own, made anew whenever they are needed.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::population::chance::normal;

/// All directions of a run.
pub(super) struct Directions {
    seed: u64,
    dimension: usize,
}

impl Directions {
    pub(super) fn new(seed: u64, dimension: usize) -> Self {
        Self { seed, dimension }
    }

    /// One of them, of length 1.
    pub(super) fn one(&self, canary: u64) -> Vec<f64> {
        let mut hasher = blake3::Hasher::new_derive_key("murmuration 2026-11 canary direction");
        hasher.update(&self.seed.to_le_bytes()).update(&canary.to_le_bytes());
        let mut rng = ChaCha20Rng::from_seed(*hasher.finalize().as_bytes());
        let mut values: Vec<f64> = (0..self.dimension).map(|_| normal(&mut rng)).collect();
        let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        values.iter_mut().for_each(|value| *value /= length);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_have_length_one_and_nothing_in_common() {
        let directions = Directions::new(3, 4000);
        let all: Vec<Vec<f64>> = (0..20).map(|canary| directions.one(canary)).collect();
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        for (place, one) in all.iter().enumerate() {
            assert!((product(one, one) - 1.0).abs() < 1e-12);
            // Of 190 cosines with standard deviation 1/√4000 = 0.016.
            assert!(all[..place].iter().all(|other| product(one, other).abs() < 0.1));
        }
        assert_eq!(directions.one(7), all[7]);
        assert_ne!(Directions::new(4, 4000).one(7), all[7]);
    }
}
