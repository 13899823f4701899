//! Which nodes take part in which round: a function of seed and round alone, so that a run can go on where it ended.

use rand::seq::index::sample;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::scenario::{CohortTerms, Sampling};

/// What random numbers are for: every purpose has a stream of its own in every round.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// Who takes part.
    Sampling,
    /// Rotation, rounding, central noise.
    Mechanism,
    /// Who attacks.
    Attack,
}

/// The generator of one purpose in one round (from 1).
pub(crate) fn generator(seed: u64, round: u32, purpose: Purpose) -> ChaCha20Rng {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(round) << 8 | purpose as u64);
    rng
}

/// The generator of one round's noise keys, from the record's.
pub(crate) fn noise_generator(noise: &[u8; 32], round: u32) -> ChaCha20Rng {
    let mut rng = ChaCha20Rng::from_seed(*noise);
    rng.set_stream(round.into());
    rng
}

/// Draws cohorts, round by round.
pub(crate) struct Sampler {
    terms: CohortTerms,
    seed: u64,
    /// The round in which each node took part last; 0 for never.
    last: Vec<u32>,
}

impl Sampler {
    pub(crate) fn new(terms: CohortTerms, seed: u64, nodes: usize) -> Self {
        Self { terms, seed, last: vec![0; nodes] }
    }

    /// The nodes of a round, ascending. Rounds are asked for in order, from 1.
    pub(crate) fn draw(&mut self, round: u32) -> Vec<usize> {
        let mut rng = generator(self.seed, round, Purpose::Sampling);
        let eligible: Vec<usize> =
            (0..self.last.len()).filter(|&node| self.may(node, round)).collect();
        let mut chosen: Vec<usize> = match self.terms.sampling {
            Sampling::Poisson => {
                let rate = (self.terms.nodes as f64 / self.last.len() as f64).min(1.0);
                eligible.into_iter().filter(|_| rng.random::<f64>() < rate).collect()
            }
            Sampling::Fixed | Sampling::Separated { .. } => {
                some(&eligible, self.terms.nodes, &mut rng)
            }
        };
        chosen.sort_unstable();
        chosen.iter().for_each(|&node| self.last[node] = round);
        chosen
    }

    fn may(&self, node: usize, round: u32) -> bool {
        match self.terms.sampling {
            Sampling::Separated { rounds } => {
                self.last[node] == 0 || round - self.last[node] >= rounds
            }
            Sampling::Fixed | Sampling::Poisson => true,
        }
    }
}

fn some(of: &[usize], count: usize, rng: &mut impl Rng) -> Vec<usize> {
    sample(rng, of.len(), count.min(of.len())).iter().map(|place| of[place]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(sampling: Sampling, nodes: usize, of: usize, rounds: u32) -> Vec<Vec<usize>> {
        let mut sampler = Sampler::new(CohortTerms { nodes, sampling }, 7, of);
        (1..=rounds).map(|round| sampler.draw(round)).collect()
    }

    #[test]
    fn fixed_cohorts_have_their_size_and_nobody_twice() {
        for cohort in rounds(Sampling::Fixed, 30, 100, 20) {
            assert_eq!(cohort.len(), 30);
            assert!(cohort.windows(2).all(|two| two[0] < two[1]));
        }
        assert_eq!(rounds(Sampling::Fixed, 30, 100, 20), rounds(Sampling::Fixed, 30, 100, 20));
    }

    #[test]
    fn poisson_cohorts_have_it_on_average() {
        let cohorts = rounds(Sampling::Poisson, 30, 100, 400);
        let mean = cohorts.iter().map(Vec::len).sum::<usize>() as f64 / 400.0;
        // Standard deviation of the mean: √21 / 20 = 0.23.
        assert!((mean - 30.0).abs() < 1.0, "{mean}");
        assert!(cohorts.iter().any(|cohort| cohort.len() != 30));
    }

    #[test]
    fn separated_nodes_pause_and_all_have_their_turn() {
        let cohorts = rounds(Sampling::Separated { rounds: 4 }, 25, 100, 12);
        for four in cohorts.windows(4) {
            let mut seen: Vec<usize> = four.concat();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), 100);
        }
    }
}
