//! The missing number of a wish.
//!
//! With ideal Gaussian noise, `ρ = T/(2z²)` and a signal-to-noise of `√(T·h·n)/(z·√d)` for h honest ones of
//! n nodes. What follows is computed again from integers afterwards.

use super::{EstimateError, NODES_MIN, Solved, Wish};
use crate::zcdp_rho;

/// All four numbers.
pub(super) struct Solution {
    pub solved: Solved,
    pub nodes: u32,
    pub rounds: u32,
    pub noise_multiplier: f64,
}

pub(super) fn solve(wish: &Wish) -> Result<Solution, EstimateError> {
    let noise_for = |epsilon: f64, rounds: u32| {
        let rho = zcdp_rho(epsilon, wish.delta)?.to_f64();
        if rho <= 0.0 {
            return Err(EstimateError::NoAnswer("so small an ε allows no round at all"));
        }
        // The grid's rounding makes a round cost a little more than the ideal one.
        Ok((f64::from(rounds) / (2.0 * rho)).sqrt() * GRID)
    };
    let (solved, nodes, rounds, noise_multiplier) =
        match (wish.nodes, wish.rounds, wish.epsilon, wish.noise_multiplier) {
            (Some(nodes), Some(rounds), Some(epsilon), None) => {
                (Solved::Noise, nodes, rounds, noise_for(epsilon, rounds)?)
            }
            (Some(nodes), Some(rounds), None, Some(noise)) => {
                (Solved::Epsilon, nodes, rounds, noise)
            }
            (Some(nodes), Some(rounds), None, None) => {
                let noise = ratio(wish, nodes, rounds, 1.0) / wish.signal_to_noise;
                (Solved::NoiseForSignal, nodes, rounds, noise)
            }
            (None, Some(rounds), Some(epsilon), None) => {
                let noise = noise_for(epsilon, rounds)?;
                (Solved::Nodes, nodes_for(wish, rounds, noise)?, rounds, noise)
            }
            (None, Some(rounds), None, Some(noise)) => {
                (Solved::Nodes, nodes_for(wish, rounds, noise)?, rounds, noise)
            }
            (Some(nodes), None, Some(epsilon), Some(noise)) => {
                (Solved::Rounds, nodes, rounds_for(wish, epsilon, noise)?, noise)
            }
            _ => return Err(EstimateError::Given),
        };
    Ok(Solution { solved, nodes, rounds, noise_multiplier })
}

/// Signal over noise, ideally.
fn ratio(wish: &Wish, nodes: u32, rounds: u32, noise: f64) -> f64 {
    let shares = f64::from(wish.honest(nodes)) * f64::from(nodes);
    (f64::from(rounds) * shares / f64::from(wish.dimension)).sqrt() / noise
}

/// The fewest nodes that leave the wanted signal.
fn nodes_for(wish: &Wish, rounds: u32, noise: f64) -> Result<u32, EstimateError> {
    // A little more than ideal, for what rounding to the grid adds.
    let enough = |nodes| ratio(wish, nodes, rounds, noise) >= wish.signal_to_noise * GRID;
    if !enough(NODES_MOST) {
        return Err(EstimateError::NoAnswer("not even 2^30 nodes would leave so much signal"));
    }
    let (mut few, mut many) = (NODES_MIN - 1, NODES_MOST);
    while many - few > 1 {
        let middle = few + (many - few) / 2;
        if enough(middle) { many = middle } else { few = middle }
    }
    Ok(many)
}

/// As many rounds as the budget pays.
fn rounds_for(wish: &Wish, epsilon: f64, noise: f64) -> Result<u32, EstimateError> {
    let budget = zcdp_rho(epsilon, wish.delta)?.to_f64();
    let one = GRID * GRID / (2.0 * noise * noise);
    match (budget / one) as u32 {
        0 => Err(EstimateError::NoAnswer("one round at this noise costs more than the whole ε")),
        rounds => Ok(rounds),
    }
}

/// What rounding to a grid of 20 bits adds to the norm, and so to the noise, at most about.
const GRID: f64 = 1.002;
const NODES_MOST: u32 = 1 << 30;
