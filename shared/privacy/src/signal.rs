//! What the noise leaves of the signal, before anybody has trained anything.

use grid::{Q32, Ratio};

use crate::{PrivacyError, zcdp_rho};

/// Standard deviation of the noise in one coordinate of the mean of `nodes` updates, in parameter
/// units: `σ·√n / (scale·n)`.
///
/// The rotation does not change it: it is the same before and after. Infinite for no node.
pub fn mean_noise(sigma: Ratio, scale: Q32, nodes: u32) -> f64 {
    sigma.to_f64() / (scale.to_f64() * f64::from(nodes).sqrt())
}

/// A guarantee, and the noise that learning would survive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodesNeeded {
    /// The ε wanted for all rounds together.
    pub epsilon: f64,
    /// At this δ.
    pub delta: f64,
    /// Rounds that one node takes part in.
    pub rounds: u32,
    /// The L2 clip of an update, in parameter units.
    pub clip: f64,
    /// The largest standard deviation of the noise in one coordinate of the mean, in parameter units,
    /// with which a round still learns.
    pub noise_tolerated: f64,
}

/// How many honest nodes a round needs for both at once.
///
/// With ρ = ρ(ε, δ)/rounds for one round, the sum needs noise of standard deviation `clip/√(2ρ)`, and the
/// mean of n updates has it divided by n: `n = clip/(noise_tolerated·√(2ρ))`, rounded up. Rounding to
/// the grid is left out: it adds a few per cent at 20 bits.
///
/// # Errors
/// [`PrivacyError::OutOfRange`] for an ε or δ without a budget, or if `clip` or `noise_tolerated` is not
/// positive.
pub fn nodes_needed(wanted: &NodesNeeded) -> Result<u64, PrivacyError> {
    let positive = |value: f64, quantity: &'static str| match value > 0.0 && value.is_finite() {
        true => Ok(value),
        false => Err(PrivacyError::OutOfRange { quantity, expected: "a positive finite number" }),
    };
    let clip = positive(wanted.clip, "clip")?;
    let tolerated = positive(wanted.noise_tolerated, "noise_tolerated")?;
    let budget = zcdp_rho(wanted.epsilon, wanted.delta)?.to_f64();
    let rho = positive(budget / f64::from(wanted.rounds.max(1)), "epsilon")?;
    let nodes = clip / (tolerated * (2.0 * rho).sqrt());
    // A cast of a float saturates.
    Ok((nodes.ceil() as u64).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: NodesNeeded =
        NodesNeeded { epsilon: 8.0, delta: 1e-6, rounds: 10, clip: 1.0, noise_tolerated: 0.0218 };

    #[test]
    fn a_hundred_nodes_at_epsilon_eight() {
        // ρ(8, 1e-6)/10 = 0.1052358, so the sum has noise 1/√(2·0.1052358) = 2.1797 clips.
        assert_eq!(nodes_needed(&WANTED).unwrap(), 100);
        assert_eq!(nodes_needed(&NodesNeeded { rounds: 40, ..WANTED }).unwrap(), 200);
        assert_eq!(nodes_needed(&NodesNeeded { clip: 1e-9, ..WANTED }).unwrap(), 1);
    }

    #[test]
    fn that_many_nodes_have_that_noise() {
        let scale = Q32::from_f64_up(1000.0).unwrap();
        // Each of 100 nodes adds 2.1797/√100 clips.
        let sigma = Ratio::from_f64_up(217.97, 8).unwrap();
        assert!((mean_noise(sigma, scale, 100) - 0.0218).abs() < 1e-4);
    }

    #[test]
    fn refuses_what_has_no_answer() {
        assert!(nodes_needed(&NodesNeeded { clip: 0.0, ..WANTED }).is_err());
        assert!(nodes_needed(&NodesNeeded { noise_tolerated: f64::NAN, ..WANTED }).is_err());
        assert!(nodes_needed(&NodesNeeded { epsilon: 0.0, ..WANTED }).is_err());
        assert!(nodes_needed(&NodesNeeded { delta: 1.0, ..WANTED }).is_err());
    }
}
