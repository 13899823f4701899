//! What updates go through on their way into the next version.

use grid::Q40;
use privacy::Adversary;
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use version::State;
use wire::ServerOptimizer;

use super::correlation::Correlated;
use super::sum::{RoundTerms, SumTerms};
use crate::LearningError;
use crate::population::chance::normal;

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
        /// Whether it takes itself back in later rounds.
        correlated: Option<Correlated>,
    },
    /// As shipped.
    Distributed(SumTerms),
}

impl Mechanism {
    /// The same with another step of the server.
    pub(crate) fn with_server(self, server: ServerOptimizer) -> Self {
        match self {
            Mechanism::Distributed(terms) => Mechanism::Distributed(SumTerms { server, ..terms }),
            other => other,
        }
    }

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

    /// The same against an adversary, from the shares of noise that it leaves; none where noise is not what protects,
    /// [`Q40::MAXIMUM`] where nothing does. Somebody trusted with all noise protects from who downloads versions alone.
    pub(crate) fn rho_facing(&self, adversary: Adversary) -> Option<Q40> {
        let (counted_on, own) = match self {
            Mechanism::Distributed(terms) => (u32::from(terms.honest), true),
            _ => (1, adversary == Adversary::Downloader),
        };
        let left = adversary.shares_left(counted_on)?;
        let rho = self.rho_of_one();
        if !own || rho == Q40::MAXIMUM {
            return Some(Q40::MAXIMUM);
        }
        if left == counted_on {
            return Some(rho);
        }
        let dearer = rho.to_f64_up() * f64::from(counted_on) / f64::from(left);
        Some(Q40::from_f64_up(dearer.next_up()).unwrap_or(Q40::MAXIMUM))
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
    round: u32,
    count: usize,
    rng: ChaCha20Rng,
    noise: ChaCha20Rng,
}

enum Sum {
    Exact(Vec<f64>),
    Modular(Box<RoundTerms>, Vec<u32>),
}

impl<'a> Aggregate<'a> {
    /// Round `round` counts from 1; `rng` draws rotation, rounding and central noise, `noise` the keys of the nodes'
    /// own.
    pub(crate) fn new(
        mechanism: &'a Mechanism,
        server: ServerOptimizer,
        dimension: usize,
        round: u32,
        mut rng: ChaCha20Rng,
        noise: ChaCha20Rng,
    ) -> Result<Self, LearningError> {
        let sum = match mechanism {
            Mechanism::Distributed(terms) => {
                let round = RoundTerms::new(terms, dimension, round.into(), &mut rng)?;
                let empty = round.empty_sum();
                Sum::Modular(Box::new(round), empty)
            }
            _ => Sum::Exact(vec![0.0; dimension]),
        };
        Ok(Self { mechanism, server, sum, round, count: 0, rng, noise })
    }

    /// One node's update joins, clipped where the mechanism clips and the node's program is the shipped one (`clips`;
    /// the scenario has refused others where rounding comes after the clip); returns what that cost the node.
    pub(crate) fn add(&mut self, update: &[f32], clips: bool) -> Result<Q40, LearningError> {
        self.count += 1;
        let clip = match self.mechanism {
            Mechanism::None { clip } => *clip,
            Mechanism::Central { clip, .. } => Some(*clip),
            Mechanism::Distributed(_) => None,
        };
        let clip = clip.filter(|_| clips);
        match &mut self.sum {
            Sum::Modular(round, sum) => {
                let mut key = [0; 32];
                self.noise.fill_bytes(&mut key);
                round.add(sum, update, &mut self.rng, &key)
            }
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
    pub(crate) fn finish(self, state: &State) -> Result<State, LearningError> {
        match self.sum {
            Sum::Modular(round, sum) => round.next_state(state, self.count, &sum),
            Sum::Exact(mut sum) => {
                if let Mechanism::Central { clip, noise_multiplier, correlated } = *self.mechanism {
                    add_noise(&mut sum, clip * noise_multiplier, correlated, self.round, self.rng);
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

/// Gaussian noise of somebody trusted; `rng` draws it where every round's is its own.
fn add_noise(
    sum: &mut [f64],
    deviation: f64,
    correlated: Option<Correlated>,
    round: u32,
    mut rng: ChaCha20Rng,
) {
    let Some(run) = correlated else {
        return sum.iter_mut().for_each(|value| *value += deviation * normal(&mut rng));
    };
    let deviation = deviation * run.sensitivity();
    let noise = run.noise(round, sum.len());
    sum.iter_mut().zip(noise).for_each(|(value, noise)| *value += deviation * noise);
}

/// L2.
pub(crate) fn length(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use wire::ServerRule;

    use super::super::sampling::{Purpose, generator};
    use super::*;

    const FEDAVG: ServerOptimizer =
        ServerOptimizer { rule: ServerRule::FedAvg, learning_rate_q32: 1 << 32 };

    fn after(mechanism: &Mechanism, updates: &[Vec<f32>]) -> Vec<f32> {
        let dimension = updates[0].len();
        let rng = ChaCha20Rng::seed_from_u64(1);
        let noise = ChaCha20Rng::seed_from_u64(2);
        let mut sum = Aggregate::new(mechanism, FEDAVG, dimension, 1, rng, noise).unwrap();
        for update in updates {
            sum.add(update, true).unwrap();
        }
        sum.finish(&State::initial(vec![0.0; dimension])).unwrap().parameters().to_vec()
    }

    #[test]
    fn the_fewer_shares_of_noise_are_left_the_more_it_costs() {
        let cost = |mechanism: &Mechanism, who| mechanism.rho_facing(who).unwrap().to_f64();
        let sum = SumTerms {
            clip: 1.0,
            noise_multiplier: 2.0,
            honest: 40,
            modulus_bits: 20,
            nodes: 40,
            server: FEDAVG,
        };
        let shipped = Mechanism::Distributed(sum);
        assert_eq!(cost(&shipped, Adversary::Coordinator), 0.125);
        assert!((cost(&shipped, Adversary::HalfColluding) - 0.25).abs() < 1e-9);
        assert!((cost(&shipped, Adversary::InventedNodes) - 5.0).abs() < 1e-9);
        assert_eq!(shipped.rho_facing(Adversary::NetworkObserver), None);
        let trusted = Mechanism::Central { clip: 1.0, noise_multiplier: 2.0, correlated: None };
        assert_eq!(cost(&trusted, Adversary::Downloader), 0.125);
        assert_eq!(trusted.rho_facing(Adversary::Coordinator), Some(Q40::MAXIMUM));
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
        for mechanism in [
            Mechanism::Central { clip, noise_multiplier: z, correlated: None },
            Mechanism::Distributed(sum),
        ] {
            // Of 4,096 squares: the standard deviation of this ratio is 1.1 %.
            let ratio = length(&after(&mechanism, &updates)) / expected;
            assert!((0.94..1.08).contains(&ratio), "{mechanism:?}: {ratio}");
        }
    }

    /// Over 16 rounds: 4 times the noise of one if every round's is its own, 1.4² times if it takes itself back.
    #[test]
    fn correlated_noise_hardly_grows_over_rounds() {
        let (dimension, rounds) = (4096, 16);
        let after_all = |correlated| {
            let mechanism = Mechanism::Central { clip: 0.5, noise_multiplier: 2.0, correlated };
            let mut state = State::initial(vec![0.0; dimension]);
            for round in 1..=rounds {
                let rng = generator(1, round, Purpose::Mechanism);
                let noise = ChaCha20Rng::seed_from_u64(2);
                let sum = Aggregate::new(&mechanism, FEDAVG, dimension, round, rng, noise);
                let mut sum = sum.unwrap();
                sum.add(&vec![0.0; dimension], true).unwrap();
                state = sum.finish(&state).unwrap();
            }
            length(state.parameters()) / (dimension as f64).sqrt()
        };
        let run = Correlated { seed: 1, rounds };
        let (own, correlated) = (after_all(None), after_all(Some(run)));
        assert!((3.8..4.2).contains(&own), "{own}");
        let expected = run.sensitivity().powi(2);
        assert!((0.95..1.05).contains(&(correlated / expected)), "{correlated} of {expected}");
        assert!((1.9..2.0).contains(&expected), "{expected}");
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
        for mechanism in [
            Mechanism::Central { clip: 1.0, noise_multiplier: 0.001, correlated: None },
            Mechanism::Distributed(sum),
        ] {
            let found = after(&mechanism, &updates);
            let apart: Vec<f32> = found.iter().zip(&plain).map(|(a, b)| a - b).collect();
            assert!(length(&apart) < 0.01 * length(&plain), "{mechanism:?}");
        }
    }
}
