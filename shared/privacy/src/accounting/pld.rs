//! Privacy-loss distributions: ε of the Poisson-subsampled Gaussian, from above and from below.
//!
//! With P and Q the outputs with and without one node, the loss of one round is `L = ln(P(x)/Q(x))` for
//! x drawn from P, losses of independent rounds add up, and
//!
//! ```text
//! δ(ε) = E[(1 - e^(ε-S))₊],   S = L₁ + ... + L_rounds
//! ```
//!
//! (Koskela, Jälkö and Honkela 2020; Gopi, Lee and Wutschitz, *Numerical Composition of Differential
//! Privacy*, 2021). Both directions count, the node removed and the node added; ε is the larger one.
//!
//! # Why the upper bound is one
//! 1. `pld/losses.rs` moves each loss to the two grid points around it so that the mean of `e^-L` stays
//!    (connecting the dots: Doroshenko, Ghazi, Kamath, Kumar and Manurangsi 2022). For every ε and every
//!    value of the other rounds, `(1 - e^(ε-S))₊` is convex in that `e^-L`, so by Jensen δ can only
//!    rise, round after round. Masses are inflated by more than the error of their quadrature, what lies
//!    beyond [`Round::reach`] counts as an infinite loss, and the error of a computed loss is added to ε
//!    for every round.
//! 2. `pld/composed.rs` adds up rounds by FFT after *tilting*: masses are multiplied by e^(λL), so that
//!    much of the tilted sum lies near ε, and errors are small beside δ, however small δ is. Any λ is
//!    valid; half of the best Rényi order minus one keeps the tilted tail light.
//! 3. The error of the FFT (proved bound times a reserve), what wraps around its window, and the rounding
//!    of all sums are added to δ before ε is looked up.
//!
//! # The lower bound
//! A loss is moved by less than the step h, upwards by h²/8 on average at most (Hoeffding's lemma) and
//! independently in each round. So but for a probability η (Hoeffding's inequality) the sum has risen by
//! no more than `b = T·h²/8 + h·√(T·ln(1/η)/2)`, and δ(ε) is at least the computed one at ε + b less η.

mod composed;
mod losses;

use super::{Participation, rdp};
use composed::Composed;
use losses::{Direction, Losses, Round};

/// How fine the grid is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    /// For a search.
    Draft,
    /// For a report.
    Full,
}

/// ε from above and from below.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    pub low: f64,
    pub high: f64,
}

/// An interval that holds ε at `delta`.
pub(super) fn epsilon(
    noise: f64,
    participation: Participation,
    delta: f64,
    precision: Precision,
) -> Interval {
    let (renyi, order) = rdp::epsilon(noise, participation, delta);
    if renyi == 0.0 {
        return Interval { low: 0.0, high: 0.0 };
    }
    let round = Round::new(noise, participation, delta);
    let directions = [Direction::Remove, Direction::Add];
    let intervals = directions.map(|direction| {
        let (mut step, mut tilt) =
            (step(renyi, participation.rounds, order, precision), order / 2.0);
        for _ in 0..ATTEMPTS {
            let losses = Losses::new(&round, direction, step);
            match Composed::new(&losses, participation.rounds, tilt) {
                Some(composed) => return interval(&composed, &losses, participation.rounds, delta),
                // The window is too long for this grid.
                None => (step, tilt) = (2.0 * losses.step, tilt / 2.0),
            }
        }
        Interval { low: 0.0, high: f64::INFINITY }
    });
    let high = intervals.iter().fold(0.0, |high: f64, found| high.max(found.high));
    let low = intervals.iter().fold(0.0, |low: f64, found| low.max(found.low));
    Interval { low, high: high.min(renyi) }
}

fn interval(composed: &Composed, losses: &Losses, rounds: u64, delta: f64) -> Interval {
    let rounds = rounds as f64;
    let (step, error) = (losses.step, rounds * losses.error);
    let exceptions = EXCEPTIONS * delta;
    let spread = step * (rounds * -libm::log(exceptions) / 2.0).sqrt();
    let risen = (rounds * step).min(rounds * step * step / 8.0 + spread);
    Interval {
        low: (composed.epsilon_below(delta + exceptions) - risen - error).max(0.0),
        high: composed.epsilon_above(delta - rounds * losses.infinite) + error,
    }
}

/// A step with which the upper bound is too high by about 10⁻⁵ of ε, and in full precision the lower one
/// too low by about 5·10⁻³ of it.
///
/// Connecting the dots adds `λ(λ+1)h²/12` to the logarithm of one round's moment at λ, so
/// `T(λ+1)h²/12` to ε.
fn step(epsilon: f64, rounds: u64, order: f64, precision: Precision) -> f64 {
    let rounds = rounds as f64;
    let upper = (12.0 * 1e-5 * epsilon / (rounds * (order + 1.0))).sqrt();
    match precision {
        Precision::Draft => upper,
        Precision::Full => upper.min(1.5e-3 * epsilon / rounds.sqrt()),
    }
}

/// Steps and tilts that are tried before the Rényi bound has to do.
const ATTEMPTS: usize = 30;

/// η as a part of δ.
const EXCEPTIONS: f64 = 1e-4;

#[cfg(test)]
mod tests;
