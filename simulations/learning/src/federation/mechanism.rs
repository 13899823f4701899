//! What updates go through on their way into the next version.

use grid::Q40;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha20Rng;
use version::State;
use wire::ServerOptimizer;

use super::sum::{RoundTerms, SumTerms};
use crate::LearningError;

/// The three that a scenario can name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mechanism {
    /// The plain mean, of clipped updates where there is a clip.
    None {
        /// L2, parameter units.
        clip: Option<f64>,
    },
    /// Gaussian noise of z · clip on the exact sum, in floats, by somebody trusted.
    Central {
        /// L2, parameter units.
        clip: f64,
        /// z.
        noise_multiplier: f64,
    },
    /// As shipped.
    Distributed(SumTerms),
}

impl Mechanism {
    /// ρ of one participation before anything has run; [`Q40::MAXIMUM`] without noise.
    pub(crate) fn rho_of_one(&self) -> Q40 {
        let of = |multiplier: f64| {
            let rho = 1.0 / (2.0 * multiplier * multiplier);
            Q40::from_f64_up(rho).unwrap_or(Q40::MAXIMUM)
        };
        match *self {
            Mechanism::None { .. } => Q40::MAXIMUM,
            Mechanism::Central { noise_multiplier, .. } => of(noise_multiplier),
            Mechanism::Distributed(SumTerms { noise_multiplier, .. }) => of(noise_multiplier),
        }
    }

    /// The same against whoever sees a node's own contribution: its own noise alone protects it.
    pub(crate) fn rho_alone(&self) -> Q40 {
        match *self {
            Mechanism::Distributed(SumTerms { noise_multiplier, honest, .. }) => {
                let alone = noise_multiplier / f64::from(honest).sqrt();
                Q40::from_f64_up(1.0 / (2.0 * alone * alone)).unwrap_or(Q40::MAXIMUM)
            }
            _ => Q40::MAXIMUM,
        }
    }

    /// Fewest contributions without which a round has no result.
    pub(crate) fn fewest(&self) -> usize {
        match self {
            Mechanism::Distributed(terms) => terms.honest.into(),
            _ => 1,
        }
    }
}

/// The sum of one round while it grows.
pub(crate) struct Aggregate<'a> {
    mechanism: &'a Mechanism,
    server: ServerOptimizer,
    sum: Sum,
    count: usize,
    rng: ChaCha20Rng,
}

enum Sum {
    Exact(Vec<f64>),
    Modular(Box<RoundTerms>, Vec<u32>),
}

impl<'a> Aggregate<'a> {
    /// Round `round` counts from 1; `rng` draws rotation, rounding and central noise.
    pub(crate) fn new(
        mechanism: &'a Mechanism,
        server: ServerOptimizer,
        dimension: usize,
        round: u32,
        mut rng: ChaCha20Rng,
    ) -> Result<Self, LearningError> {
        let sum = match mechanism {
            Mechanism::Distributed(terms) => {
                let round = RoundTerms::new(terms, dimension, round.into(), &mut rng)?;
                let empty = round.empty_sum();
                Sum::Modular(Box::new(round), empty)
            }
            _ => Sum::Exact(vec![0.0; dimension]),
        };
        Ok(Self { mechanism, server, sum, count: 0, rng })
    }

    /// One node's update joins; returns what that cost the node.
    pub(crate) fn add(&mut self, update: &[f32]) -> Result<Q40, LearningError> {
        self.count += 1;
        let clip = match self.mechanism {
            Mechanism::None { clip } => *clip,
            Mechanism::Central { clip, .. } => Some(*clip),
            Mechanism::Distributed(_) => None,
        };
        match &mut self.sum {
            Sum::Modular(round, sum) => round.add(sum, update, &mut self.rng),
            Sum::Exact(sum) => {
                let factor = clip.map_or(1.0, |clip| (clip / length(update).max(clip)).min(1.0));
                for (sum, &value) in sum.iter_mut().zip(update) {
                    *sum += factor * f64::from(value);
                }
                Ok(self.mechanism.rho_of_one())
            }
        }
    }

    /// The next state by the shipped server rule.
    pub(crate) fn finish(mut self, state: &State) -> Result<State, LearningError> {
        match self.sum {
            Sum::Modular(round, sum) => round.next_state(state, self.count, &sum),
            Sum::Exact(mut sum) => {
                if let Mechanism::Central { clip, noise_multiplier } = *self.mechanism {
                    let deviation = clip * noise_multiplier;
                    sum.iter_mut().for_each(|value| *value += deviation * normal(&mut self.rng));
                }
                let count = self.count.max(1) as f64;
                let mean: Vec<f32> = sum.iter().map(|&value| (value / count) as f32).collect();
                Ok(version::next_state_from_mean(state, self.server, &mean)?)
            }
        }
    }

    /// Contributions so far.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

/// L2.
pub(crate) fn length(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// Standard normal (Box & Muller 1958). Good enough for a yardstick; what ships draws exact integers.
pub(crate) fn normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use wire::ServerRule;

    use super::*;

    const FEDAVG: ServerOptimizer =
        ServerOptimizer { rule: ServerRule::FedAvg, learning_rate_q32: 1 << 32 };

    fn after(mechanism: &Mechanism, updates: &[Vec<f32>]) -> Vec<f32> {
        let dimension = updates[0].len();
        let rng = ChaCha20Rng::seed_from_u64(1);
        let mut sum = Aggregate::new(mechanism, FEDAVG, dimension, 1, rng).unwrap();
        for update in updates {
            sum.add(update).unwrap();
        }
        sum.finish(&State::initial(vec![0.0; dimension])).unwrap().parameters().to_vec()
    }

    #[test]
    fn without_noise_the_mean_of_clipped_updates_is_exact() {
        let updates = [vec![3.0, 4.0], vec![0.3, -0.4]];
        assert_eq!(after(&Mechanism::None { clip: None }, &updates), [1.65, 1.8]);
        let clipped = after(&Mechanism::None { clip: Some(1.0) }, &updates);
        assert!((clipped[0] - 0.45).abs() < 1e-6 && (clipped[1] - 0.2).abs() < 1e-6);
    }

    #[test]
    fn central_and_distributed_noise_are_as_large_as_they_should_be() {
        let (dimension, nodes, clip, z) = (4096, 20, 0.5, 1.5);
        let updates = vec![vec![0.0; dimension]; nodes];
        let honest = nodes as u16;
        let sum = SumTerms {
            clip,
            noise_multiplier: z,
            honest,
            modulus_bits: 20,
            nodes: nodes as u32,
            server: FEDAVG,
        };
        let expected = z * clip / nodes as f64 * (dimension as f64).sqrt();
        for mechanism in
            [Mechanism::Central { clip, noise_multiplier: z }, Mechanism::Distributed(sum)]
        {
            // Of 4,096 squares: the standard deviation of this ratio is 1.1 %.
            let ratio = length(&after(&mechanism, &updates)) / expected;
            assert!((0.94..1.08).contains(&ratio), "{mechanism:?}: {ratio}");
        }
    }

    #[test]
    fn the_three_agree_where_there_is_nearly_no_noise() {
        let updates: Vec<Vec<f32>> = (0..30u16)
            .map(|node| (0..600u16).map(|i| f32::from((i * 7 + node * 13) % 29) / 300.0).collect())
            .collect();
        let sum = SumTerms {
            clip: 1.0,
            noise_multiplier: 0.001,
            honest: 30,
            modulus_bits: 24,
            nodes: 30,
            server: FEDAVG,
        };
        let plain = after(&Mechanism::None { clip: Some(1.0) }, &updates);
        for mechanism in
            [Mechanism::Central { clip: 1.0, noise_multiplier: 0.001 }, Mechanism::Distributed(sum)]
        {
            let found = after(&mechanism, &updates);
            let apart: Vec<f32> = found.iter().zip(&plain).map(|(a, b)| a - b).collect();
            assert!(length(&apart) < 0.01 * length(&plain), "{mechanism:?}");
        }
    }
}
