//! Before any data is touched: what a swarm would cost, what its noise would leave of the signal, and how
//! much it would carry. Given a target, the missing number.
//!
//! **Signal.** Every update has at most the clip C as norm, so that T rounds move the model by at most T·C:
//! that is what the noise is compared with, so that the true ratio is below the one stated.
//! **Noise.** The mean of n updates has noise of `σ·√n/(scale·n)` in each of d coordinates, independent from
//! round to round: over T rounds a norm of `√(d·T)` times that. Server momentum and learning rates scale
//! both alike and are left out.

mod solve;
mod told;
mod weight;

use grid::{Modulus, Q32, Ratio};
use serde::Serialize;
use thiserror::Error;
use wire::{PlanHash, Round, TaskId};

use crate::words::{at_most, times};
use crate::{
    ChargeTerms, Line, MEANINGFUL_EPSILON, PrivacyError, budget_of_terms, mean_noise, sigma_for,
    zcdp_epsilon,
};

pub use weight::{Pace, Part};

/// A swarm as its designer imagines it. Of nodes, rounds, ε and noise just as many are given as leave one
/// answer; the rest is solved.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Contributions in a round, n.
    pub nodes: Option<u32>,
    /// Rounds that one node takes part in, T.
    pub rounds: Option<u32>,
    /// ε over all of them, against the coordinator.
    pub epsilon: Option<f64>,
    /// z: the noise of the honest nodes together, over the clip.
    pub noise_multiplier: Option<f64>,
    /// The least signal-to-noise of the final delta, where it decides.
    pub signal_to_noise: f64,
    /// Trained parameters, d.
    pub dimension: u32,
    /// L2 clip, in parameter units.
    pub clip: f64,
    /// δ.
    pub delta: f64,
    /// γ, as numerator and denominator: shares of noise that are not counted on.
    pub corrupt: (u32, u32),
    /// b.
    pub modulus_bits: u32,
}

/// What was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solved {
    /// ε, from noise and rounds.
    Epsilon,
    /// The noise that ε and rounds need.
    Noise,
    /// The most noise that leaves the wanted signal, and the ε that follows.
    NoiseForSignal,
    /// The nodes that the wanted signal needs.
    Nodes,
    /// The rounds that ε can pay at this noise.
    Rounds,
}

/// What follows from a [`Wish`].
#[derive(Debug, Clone, Serialize)]
pub struct Estimate {
    /// What was not given.
    pub solved: Solved,
    /// Contributions in a round.
    pub nodes: u32,
    /// Of them, shares of noise that are counted on.
    pub honest: u32,
    /// Rounds.
    pub rounds: u32,
    /// Trained parameters.
    pub dimension: u32,
    /// Coordinates that travel.
    pub padded: u32,
    /// L2 clip, in parameter units.
    pub clip: f64,
    /// z.
    pub noise_multiplier: f64,
    /// σ of one node, in grid units.
    pub sigma: f64,
    /// Grid units per parameter unit.
    pub scale: f64,
    /// ρ of one round, as a node would charge it.
    pub rho_per_round: f64,
    /// ε over all rounds, against the coordinator and other nodes; none beyond all numbers.
    pub epsilon: Option<f64>,
    /// δ.
    pub delta: f64,
    /// Standard deviation of the noise in one coordinate of one round's mean, in parameter units.
    pub noise_per_coordinate: f64,
    /// Norm of the noise in the final delta, in parameter units.
    pub noise_norm: f64,
    /// The most that the updates can have moved the model by.
    pub signal_norm: f64,
    /// Their ratio: the true one is below it.
    pub signal_to_noise: f64,
    /// ε of the first round alone, against each adversary.
    pub after_one_round: Vec<Line>,
    /// ε over all rounds against each adversary, in the same order.
    pub adversaries: Vec<Line>,
    /// Bytes that one node sends in a round, about.
    pub bytes_up: u64,
    /// Bytes that one node receives in a round, about.
    pub bytes_down: u64,
    /// Bytes that the coordinator moves in a round, about.
    pub bytes_coordinator: u64,
    /// Memory that a node needs for noise and masks, besides training, in bytes.
    pub memory_node: u64,
    /// Memory that the coordinator needs for one round, in bytes.
    pub memory_coordinator: u64,
    /// What must be said in words.
    pub words: Vec<String>,
}

/// Why there is no estimate.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum EstimateError {
    /// Too little, or too much, was given.
    #[error(
        "give any of these, and the missing number is solved: nodes, rounds and one of ε and noise; nodes, rounds and neither (noise from the signal wanted); rounds and one of ε and noise (nodes); nodes, ε and noise (rounds)"
    )]
    Given,
    /// No number of nodes, rounds or noise does it.
    #[error("there is no answer: {0}")]
    NoAnswer(&'static str),
    /// A number that makes no sense.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
}

impl From<grid::GridError> for EstimateError {
    fn from(error: grid::GridError) -> Self {
        Self::Privacy(error.into())
    }
}

/// Answers a wish.
///
/// # Errors
/// [`EstimateError`].
pub fn estimate(wish: &Wish) -> Result<Estimate, EstimateError> {
    wish.check()?;
    let solution = solve::solve(wish)?;
    let round = OneRound::new(wish, &solution)?;
    let rho = round.terms.rho()?;
    let solve::Solution { solved, nodes, rounds, noise_multiplier } = solution;
    let per_coordinate = mean_noise(round.terms.sigma, round.scale, nodes);
    let times = f64::from(rounds);
    let noise_norm = per_coordinate * (f64::from(wish.dimension) * times).sqrt();
    let signal_norm = times * wish.clip;
    let epsilon = zcdp_epsilon(rho.saturating_mul(u64::from(rounds)), wish.delta)?;
    let weight = weight::Weight::new(nodes, round.terms.padded, wish.modulus_bits);
    let mut estimate = Estimate {
        solved,
        nodes,
        honest: round.terms.honest,
        rounds,
        dimension: wish.dimension,
        padded: round.terms.padded,
        clip: wish.clip,
        noise_multiplier,
        sigma: round.terms.sigma.to_f64(),
        scale: round.scale.to_f64(),
        rho_per_round: rho.to_f64_up(),
        epsilon: epsilon.is_finite().then_some(epsilon),
        delta: wish.delta,
        noise_per_coordinate: per_coordinate,
        noise_norm,
        signal_norm,
        signal_to_noise: signal_norm / noise_norm,
        after_one_round: budget_of_terms(&round.terms, 1, wish.delta)?,
        adversaries: budget_of_terms(&round.terms, u64::from(rounds), wish.delta)?,
        bytes_up: weight.up,
        bytes_down: weight.down,
        bytes_coordinator: (weight.up + weight.down) * u64::from(nodes),
        memory_node: weight.memory_node,
        memory_coordinator: weight.memory_coordinator,
        words: Vec::new(),
    };
    estimate.words = words(&estimate, epsilon);
    Ok(estimate)
}

impl Wish {
    fn check(&self) -> Result<(), EstimateError> {
        let positive = |value: f64, quantity| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => {
                let expected = "a positive finite number";
                Err(PrivacyError::OutOfRange { quantity, expected })
            }
        };
        positive(self.clip, "clip")?;
        positive(self.signal_to_noise, "signal_to_noise")?;
        positive(self.noise_multiplier.unwrap_or(1.0), "noise_multiplier")?;
        positive(self.epsilon.unwrap_or(1.0), "epsilon")?;
        positive(f64::from(self.dimension), "dimension")?;
        positive(f64::from(self.rounds.unwrap_or(1)), "rounds")?;
        let (quantity, expected) = ("corrupt", "a fraction below 1/3");
        if 3 * u64::from(self.corrupt.0) >= u64::from(self.corrupt.1) {
            return Err(PrivacyError::OutOfRange { quantity, expected }.into());
        }
        let (quantity, expected) = ("nodes", "at least 4, as many as a roster needs");
        if self.nodes.is_some_and(|nodes| nodes < NODES_MIN) {
            return Err(PrivacyError::OutOfRange { quantity, expected }.into());
        }
        Ok(())
    }

    /// Shares of noise that are counted on, of so many.
    fn honest(&self, nodes: u32) -> u32 {
        let (corrupt, of) = (u64::from(self.corrupt.0), u64::from(self.corrupt.1));
        nodes.saturating_sub((u64::from(nodes) * corrupt).div_ceil(of) as u32).max(1)
    }
}

/// A roster has at least so many members.
const NODES_MIN: u32 = 4;

/// The integers of one round, as its coordinator would plan them.
struct OneRound {
    terms: ChargeTerms,
    scale: Q32,
}

impl OneRound {
    fn new(wish: &Wish, solution: &solve::Solution) -> Result<Self, EstimateError> {
        let honest = wish.honest(solution.nodes);
        let clip = Q32::from_f64_down(wish.clip)?;
        let noise_multiplier = Q32::from_f64_up(solution.noise_multiplier)?;
        let modulus = Modulus::new(wish.modulus_bits)?;
        let padded = grid::padded_dimension(wish.dimension as usize)?;
        let per_clip = noise_multiplier.to_f64() / f64::from(honest).sqrt();
        // A plan leaves room for the largest roster.
        let most = solution.nodes.max(wire::MAX_MEMBERS as u32);
        let scale = grid::suggest_scale(modulus, most, clip, per_clip, padded)?;
        let squared_norm_bound = grid::squared_norm_bound(clip, scale, padded)?;
        let sigma: Ratio = sigma_for(noise_multiplier, squared_norm_bound, honest)?;
        let terms = ChargeTerms {
            task: TaskId([0; 32]),
            round: Round(1),
            plan: PlanHash([0; 32]),
            squared_norm_bound,
            sigma,
            honest,
            padded: padded as u32,
        };
        Ok(Self { terms, scale })
    }
}

/// Below this signal-to-noise nothing was learned wherever it was tried: eight nodes at ε = 8 have 0.08.
const NOTHING: f64 = 0.1;
/// At this one a hundred nodes kept 95 % of what they learned without noise.
const ENOUGH: f64 = 1.0;

fn words(estimate: &Estimate, epsilon: f64) -> Vec<String> {
    let ratio = estimate.signal_to_noise;
    let mut words = Vec::new();
    if ratio < NOTHING {
        words.push(format!(
            "THIS WILL NOT LEARN: the final delta would be at least {:.0} parts noise to one of signal. More nodes, fewer parameters, or more ε.",
            1.0 / ratio
        ));
    } else if ratio < ENOUGH {
        words.push(format!(
            "It may learn little: at a signal-to-noise of at most {ratio:.2} a part of the gain is lost (at 1, 5 % were)."
        ));
    }
    if epsilon > MEANINGFUL_EPSILON {
        words.push(format!(
            "THIS IS NO MEANINGFUL GUARANTEE: ε = {} lets an observer's odds about a person change by a factor of {}.",
            at_most(epsilon),
            times(epsilon.exp())
        ));
    }
    if estimate.nodes > wire::MAX_MEMBERS as u32 {
        words.push(format!(
            "A roster holds at most {} members today: {} contributions in one round have to wait for the sparse graph.",
            wire::MAX_MEMBERS,
            estimate.nodes
        ));
    }
    words
}

#[cfg(test)]
mod tests;
