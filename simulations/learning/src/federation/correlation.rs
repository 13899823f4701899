//! Noise that takes itself back: correlated over rounds, so that most of it cancels out in the sum of all releases.
//!
//! A model after T rounds is the sum of T noisy means, and independent noise makes its error grow like √T. The matrix
//! mechanism (Denisov et al. 2022, "Improved Differential Privacy for SGD via Optimal Private Linear Operators on
//! Adaptive Streams") writes the prefix sums A as B·C, perturbs C·x with independent noise z and multiplies by B: round t
//! then releases xₜ + (C⁻¹z)ₜ. Here B = C = √A, the Toeplitz matrix of Fichtenberger, Henzinger & Upadhyay 2023
//! ("Constant Matters"), whose
//! error grows like (ln T)/π.
//!
//! A person who takes part in one round only moves C·x by one column of C times the clip; the longest is the first. So
//! z has that length in its deviation, and one participation costs what it costs with independent noise, whatever the
//! adversary sees of the releases, and though later updates depend on earlier ones (section 2 there).
//!
//! Somebody trusted must remember all z: nodes that each know their own noise alone cannot take it back later.

use rand_chacha::ChaCha20Rng;

use super::sampling::{Purpose, generator};
use crate::population::chance::normal;

/// Noise of a run of so many rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Correlated {
    /// Of the scenario.
    pub seed: u64,
    /// How many rounds there are.
    pub rounds: u32,
}

impl Correlated {
    /// The longest column of C: how far a contribution of length 1 moves C·x, L2.
    pub(crate) fn sensitivity(self) -> f64 {
        root(self.rounds).map(|entry| entry * entry).sum::<f64>().sqrt()
    }

    /// What is added to the sum of round `round` (from 1), for a `z` of deviation 1: (C⁻¹z) in that round.
    pub(crate) fn noise(self, round: u32, dimension: usize) -> Vec<f64> {
        let mut noise = vec![0.0; dimension];
        for (back, entry) in (0..round).zip(inverse(round)) {
            let mut rng = self.drawn_in(round - back);
            noise.iter_mut().for_each(|value| *value += entry * normal(&mut rng));
        }
        noise
    }

    fn drawn_in(self, round: u32) -> ChaCha20Rng {
        generator(self.seed, round, Purpose::Mechanism)
    }
}

/// The first column of C: the coefficients of (1 − x)^(−1/2).
fn root(rounds: u32) -> impl Iterator<Item = f64> {
    let mut entry = 1.0;
    (0..rounds).map(move |place| {
        if place > 0 {
            entry *= f64::from(2 * place - 1) / f64::from(2 * place);
        }
        entry
    })
}

/// The first column of C⁻¹: the coefficients of (1 − x)^(1/2).
fn inverse(rounds: u32) -> impl Iterator<Item = f64> {
    (0..rounds).zip(root(rounds)).map(|(place, entry)| match place {
        0 => 1.0,
        _ => -entry / f64::from(2 * place - 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUNDS: u32 = 20;
    const RUN: Correlated = Correlated { seed: 3, rounds: ROUNDS };

    #[test]
    fn c_times_c_sums_and_its_inverse_undoes_it() {
        let c: Vec<f64> = root(ROUNDS).collect();
        let undone: Vec<f64> = inverse(ROUNDS).collect();
        for row in 0..ROUNDS as usize {
            let square: f64 = (0..=row).map(|k| c[k] * c[row - k]).sum();
            assert!((square - 1.0).abs() < 1e-12, "prefix sums: {square}");
            let product: f64 = (0..=row).map(|k| c[k] * undone[row - k]).sum();
            assert!((product - f64::from(u8::from(row == 0))).abs() < 1e-12, "identity: {product}");
        }
    }

    /// By exact fractions in another program.
    #[test]
    fn the_sensitivity_is_that_of_the_longest_column() {
        for (rounds, expected) in
            [(1, 1.0), (2, 1.118_033_988_749_895), (20, 1.419_820_350_638_455_5)]
        {
            let found = Correlated { seed: 0, rounds }.sensitivity();
            assert!((found - expected).abs() < 1e-9, "{rounds}: {found}");
        }
    }

    /// After any number of rounds the sum of all noise is that row of C times z.
    #[test]
    fn the_noise_of_a_model_is_a_row_of_c() {
        let dimension = 5;
        let c: Vec<f64> = root(ROUNDS).collect();
        let mut sum = vec![0.0; dimension];
        for round in 1..=ROUNDS {
            let noise = RUN.noise(round, dimension);
            sum.iter_mut().zip(noise).for_each(|(sum, noise)| *sum += noise);
            let mut expected = vec![0.0; dimension];
            for drawn in 1..=round {
                let mut rng = RUN.drawn_in(drawn);
                let entry = c[(round - drawn) as usize];
                expected.iter_mut().for_each(|value| *value += entry * normal(&mut rng));
            }
            let apart = sum.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart < 1e-12, "round {round}: {apart}");
        }
    }
}
