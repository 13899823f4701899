//! The server's rules: how the mean update moves the parameters.
//!
//! Reddi et al., *Adaptive Federated Optimization*, ICLR 2021, Algorithm 2, with Δ the mean update;
//! FedAvgM from Hsu et al., *Measuring the Effects of Non-Identical Data Distribution for Federated
//! Visual Classification*, 2019. As in the paper there is no bias correction: the first moment starts
//! at 0, the second at τ² (the paper asks for v₋₁ ≥ τ²), and FedAdagrad keeps no first moment
//! (β₁ = 0, as in the paper's experiments).
//!
//! | rule | moments | parameters |
//! |---|---|---|
//! | FedAvg | | x + η·Δ |
//! | FedAvgM | m ← β·m + Δ | x + η·m |
//! | FedAdagrad | v ← v + Δ² | x + η·Δ/(√v + τ) |
//! | FedAdam | m ← β₁·m + (1-β₁)·Δ, v ← β₂·v + (1-β₂)·Δ² | x + η·m/(√v + τ) |
//! | FedYogi | m as FedAdam, v ← v - (1-β₂)·Δ²·sign(v - Δ²) | x + η·m/(√v + τ) |
//!
//! All in `f32`, each operation rounded by itself, in the order in which it stands here and from left
//! to right. A plan with another rule than the plan before starts with fresh moments.

use wire::{ServerOptimizer, ServerRule};

use crate::{State, VersionError, state::Moments};

/// Whether a rule's terms have a meaning, whatever the state.
///
/// # Errors
/// [`VersionError::Decay`] for a rate that keeps everything or more, [`VersionError::ZeroTau`].
pub fn check_server(server: ServerOptimizer) -> Result<(), VersionError> {
    match server.rule {
        ServerRule::FedAvg => Ok(()),
        ServerRule::FedAvgM { momentum_q32 } => Decay::new("momentum", momentum_q32).map(drop),
        ServerRule::FedAdagrad { tau_q32 } => floor(tau_q32).map(drop),
        ServerRule::FedAdam { beta1_q32, beta2_q32, tau_q32 }
        | ServerRule::FedYogi { beta1_q32, beta2_q32, tau_q32 } => {
            AdaptiveTerms::new(beta1_q32, beta2_q32, tau_q32).map(drop)
        }
    }
}

/// The state one step on. The caller has checked that `mean` has as many values as the state.
pub(crate) fn advance(
    state: &State,
    server: ServerOptimizer,
    mean: &[f32],
) -> Result<State, VersionError> {
    let rate = fixed(server.learning_rate_q32);
    let (parameters, moments) = match server.rule {
        ServerRule::FedAvg => (moved(&state.parameters, rate, mean), Moments::None),
        ServerRule::FedAvgM { momentum_q32 } => {
            let decay = Decay::new("momentum", momentum_q32)?;
            let momentum = momentum(state, decay, mean);
            (moved(&state.parameters, rate, &momentum), Moments::Momentum(momentum))
        }
        ServerRule::FedAdagrad { tau_q32 } => {
            let tau = floor(tau_q32)?;
            let second = adagrad_second(state, tau, mean);
            (adapted(&state.parameters, rate, mean, &second, tau), Moments::Adagrad(second))
        }
        ServerRule::FedAdam { beta1_q32, beta2_q32, tau_q32 } => {
            let terms = AdaptiveTerms::new(beta1_q32, beta2_q32, tau_q32)?;
            let (first, second) = adam_moments(state, &terms, mean);
            (
                adapted(&state.parameters, rate, &first, &second, terms.tau),
                Moments::Adam(first, second),
            )
        }
        ServerRule::FedYogi { beta1_q32, beta2_q32, tau_q32 } => {
            let terms = AdaptiveTerms::new(beta1_q32, beta2_q32, tau_q32)?;
            let (first, second) = yogi_moments(state, &terms, mean);
            (
                adapted(&state.parameters, rate, &first, &second, terms.tau),
                Moments::Yogi(first, second),
            )
        }
    };
    State { parameters, moments, step: state.step.saturating_add(1) }.expect_finite()
}

/// x + η·Δ.
fn moved(parameters: &[f32], rate: f32, direction: &[f32]) -> Vec<f32> {
    parameters.iter().zip(direction).map(|(&x, &step)| x + rate * step).collect()
}

/// x + η·m/(√v + τ).
fn adapted(parameters: &[f32], rate: f32, first: &[f32], second: &[f32], tau: f32) -> Vec<f32> {
    let moments = first.iter().zip(second);
    let step = |(&x, (&m, &v)): (&f32, (&f32, &f32))| x + rate * m / (v.sqrt() + tau);
    parameters.iter().zip(moments).map(step).collect()
}

fn momentum(state: &State, decay: Decay, mean: &[f32]) -> Vec<f32> {
    let old = match &state.moments {
        Moments::Momentum(momentum) => momentum.clone(),
        _ => vec![0.0; mean.len()],
    };
    combined(&old, mean, |momentum, delta| decay.keep * momentum + delta)
}

fn adagrad_second(state: &State, tau: f32, mean: &[f32]) -> Vec<f32> {
    let old = match &state.moments {
        Moments::Adagrad(second) => second.clone(),
        _ => vec![tau * tau; mean.len()],
    };
    combined(&old, mean, |second, delta| second + delta * delta)
}

fn adam_moments(state: &State, terms: &AdaptiveTerms, mean: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (first, second) = match &state.moments {
        Moments::Adam(first, second) => (first.clone(), second.clone()),
        _ => terms.fresh(mean.len()),
    };
    let first = combined(&first, mean, |old, delta| terms.first.average(old, delta));
    let second = combined(&second, mean, |old, delta| terms.second.average(old, delta * delta));
    (first, second)
}

fn yogi_moments(state: &State, terms: &AdaptiveTerms, mean: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (first, second) = match &state.moments {
        Moments::Yogi(first, second) => (first.clone(), second.clone()),
        _ => terms.fresh(mean.len()),
    };
    let first = combined(&first, mean, |old, delta| terms.first.average(old, delta));
    let second = combined(&second, mean, |old, delta| terms.second.yogi(old, delta * delta));
    (first, second)
}

fn combined(old: &[f32], mean: &[f32], with: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    old.iter().zip(mean).map(|(&old, &delta)| with(old, delta)).collect()
}

/// How much of a moment is kept (β) and how much of the new value is added (1 - β, taken from the
/// integer so that it is rounded once).
#[derive(Clone, Copy)]
struct Decay {
    keep: f32,
    add: f32,
}

impl Decay {
    fn new(name: &'static str, value_q32: u64) -> Result<Self, VersionError> {
        match ONE_Q32.checked_sub(value_q32) {
            None | Some(0) => Err(VersionError::Decay { name, value_q32 }),
            Some(rest) => Ok(Self { keep: fixed(value_q32), add: fixed(rest) }),
        }
    }

    fn average(self, old: f32, new: f32) -> f32 {
        self.keep * old + self.add * new
    }

    /// Never below zero: what is taken away is at most `square`, which is then below `old`.
    fn yogi(self, old: f32, square: f32) -> f32 {
        let step = self.add * square;
        if old > square {
            old - step
        } else if old < square {
            old + step
        } else {
            old
        }
    }
}

struct AdaptiveTerms {
    first: Decay,
    second: Decay,
    tau: f32,
}

impl AdaptiveTerms {
    fn new(beta1_q32: u64, beta2_q32: u64, tau_q32: u64) -> Result<Self, VersionError> {
        Ok(Self {
            first: Decay::new("β₁", beta1_q32)?,
            second: Decay::new("β₂", beta2_q32)?,
            tau: floor(tau_q32)?,
        })
    }

    fn fresh(&self, dimension: usize) -> (Vec<f32>, Vec<f32>) {
        (vec![0.0; dimension], vec![self.tau * self.tau; dimension])
    }
}

const ONE_Q32: u64 = 1 << 32;

/// The `f32` nearest to a fixed-point number: one rounding, then an exact division.
fn fixed(value_q32: u64) -> f32 {
    value_q32 as f32 / ONE_Q32 as f32
}

fn floor(tau_q32: u64) -> Result<f32, VersionError> {
    if tau_q32 == 0 { Err(VersionError::ZeroTau) } else { Ok(fixed(tau_q32)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HALF: u64 = 1 << 31;

    fn optimizer(rule: ServerRule) -> ServerOptimizer {
        ServerOptimizer { rule, learning_rate_q32: ONE_Q32 }
    }

    fn run(rule: ServerRule, means: &[f32]) -> Vec<f32> {
        let mut state = State::initial(vec![1.0]);
        let mut seen = Vec::new();
        for &mean in means {
            state = advance(&state, optimizer(rule), &[mean]).unwrap();
            seen.push(state.parameters()[0]);
        }
        seen
    }

    #[test]
    fn by_hand() {
        assert_eq!(run(ServerRule::FedAvg, &[2.0, -1.0]), [3.0, 2.0]);
        assert_eq!(run(ServerRule::FedAvgM { momentum_q32: HALF }, &[2.0, 0.0]), [3.0, 4.0]);
        // τ = 1: v = 1 + 8, x = 1 + √8/(3 + 1).
        let root = 8_f32.sqrt();
        let expected = [1.0 + root / ((1.0 + root * root).sqrt() + 1.0)];
        assert_eq!(run(ServerRule::FedAdagrad { tau_q32: ONE_Q32 }, &[root]), expected);
        // m = 3.5, v = 0.5·1 + 0.5·49 = 25, x = 1 + 3.5/(5 + 1).
        let (beta1_q32, beta2_q32, tau_q32) = (HALF, HALF, ONE_Q32);
        let adam = ServerRule::FedAdam { beta1_q32, beta2_q32, tau_q32 };
        assert_eq!(run(adam, &[7.0]), [1.0 + 3.5 / 6.0]);
        // v = 1 < 16: v = 1 + 8 = 9, m = 2, x = 1 + 2/4.
        let yogi = ServerRule::FedYogi { beta1_q32, beta2_q32, tau_q32 };
        assert_eq!(run(yogi, &[4.0]), [1.5]);
        // Then v = 9 > 4: v = 9 - 2 = 7; and m = 1 + 1.
        assert_eq!(run(yogi, &[4.0, 2.0])[1], 1.5 + 2.0 / (7_f32.sqrt() + 1.0));
    }

    #[test]
    fn another_rule_starts_with_fresh_moments() {
        let momentum = ServerRule::FedAvgM { momentum_q32: HALF };
        let first = advance(&State::initial(vec![0.0]), optimizer(momentum), &[1.0]).unwrap();
        let between = advance(&first, optimizer(ServerRule::FedAvg), &[0.0]).unwrap();
        let last = advance(&between, optimizer(momentum), &[0.0]).unwrap();
        assert_eq!((last.parameters(), last.step()), (&[1.0][..], 3));
    }

    #[test]
    fn terms_without_meaning_are_refused() {
        let refused = |rule| {
            let error = advance(&State::initial(vec![0.0]), optimizer(rule), &[1.0]).unwrap_err();
            assert_eq!(check_server(optimizer(rule)), Err(error.clone()), "said before any sum");
            error
        };
        let decay = |name, value_q32| VersionError::Decay { name, value_q32 };
        let (one, above) = (ONE_Q32, u64::MAX);
        assert_eq!(refused(ServerRule::FedAvgM { momentum_q32: one }), decay("momentum", one));
        let adam =
            |beta1_q32, beta2_q32, tau_q32| ServerRule::FedAdam { beta1_q32, beta2_q32, tau_q32 };
        assert_eq!(refused(adam(above, HALF, 1)), decay("β₁", above));
        assert_eq!(refused(adam(HALF, one, 1)), decay("β₂", one));
        assert_eq!(refused(adam(HALF, HALF, 0)), VersionError::ZeroTau);
        assert_eq!(refused(ServerRule::FedAdagrad { tau_q32: 0 }), VersionError::ZeroTau);
    }

    #[test]
    fn overflow_is_an_error_and_not_an_infinity() {
        let rule = ServerRule::FedAdagrad { tau_q32: 1 };
        assert_eq!(
            advance(&State::initial(vec![0.0; 2]), optimizer(rule), &[1.0, 1e30]),
            Err(VersionError::NotFinite { vector: "second moment", index: 1 })
        );
    }

    proptest! {
        #[test]
        fn no_rule_makes_a_second_moment_negative(
            means in prop::collection::vec(-1e6_f32..1e6, 1..30), beta2_q32 in 0..ONE_Q32, tau_q32 in 1..ONE_Q32
        ) {
            for rule in [
                ServerRule::FedAdam { beta1_q32: HALF, beta2_q32, tau_q32 },
                ServerRule::FedYogi { beta1_q32: HALF, beta2_q32, tau_q32 },
                ServerRule::FedAdagrad { tau_q32 },
            ] {
                let mut state = State::initial(vec![0.0]);
                for &mean in &means {
                    state = advance(&state, optimizer(rule), &[mean]).unwrap();
                    let (Moments::Adam(_, second) | Moments::Yogi(_, second) | Moments::Adagrad(second)) =
                        &state.moments else { panic!("moments are kept") };
                    prop_assert!(second[0] >= 0.0);
                }
            }
        }
    }
}
