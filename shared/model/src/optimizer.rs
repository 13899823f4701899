//! Gradient → step: SGD with momentum, and AdamW.

use tch::{Tensor, no_grad};

use crate::ModelError;

/// How gradients move parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent; momentum 0 is the plain rule.
    Sgd {
        /// Step size.
        learning_rate: f64,
        /// Share of the last step that is kept, in [0, 1).
        momentum: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2).
    AdamW {
        /// Step size.
        learning_rate: f64,
        /// Decay of the mean, in [0, 1).
        beta1: f64,
        /// Decay of the mean square, in [0, 1).
        beta2: f64,
        /// Added to the root of the mean square.
        epsilon: f64,
        /// Share of a matrix that decays a step, times the step size. Vectors (norms, biases) do not decay.
        weight_decay: f64,
    },
}

impl Optimizer {
    /// AdamW with the usual constants and no decay.
    pub fn adamw(learning_rate: f64) -> Optimizer {
        Optimizer::AdamW {
            learning_rate,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }

    /// Refuses numbers outside their ranges.
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        let share = |key, value: f64| {
            check(key, value, (0.0..1.0).contains(&value), "from 0 up to, not including, 1")
        };
        let positive =
            |key, value: f64| check(key, value, value > 0.0 && value.is_finite(), "above 0");
        match *self {
            Optimizer::Sgd { learning_rate, momentum } => {
                positive("learning_rate", learning_rate)?;
                share("momentum", momentum)
            }
            Optimizer::AdamW { learning_rate, beta1, beta2, epsilon, weight_decay } => {
                positive("learning_rate", learning_rate)?;
                share("beta1", beta1)?;
                share("beta2", beta2)?;
                positive("epsilon", epsilon)?;
                check(
                    "weight_decay",
                    weight_decay,
                    weight_decay >= 0.0 && weight_decay.is_finite(),
                    "at least 0",
                )
            }
        }
    }
}

fn check(
    key: &'static str,
    value: f64,
    holds: bool,
    expected: &'static str,
) -> Result<(), ModelError> {
    if holds { Ok(()) } else { Err(ModelError::Recipe { key, found: value.to_string(), expected }) }
}

/// The parameters being trained with what the rule remembers of earlier steps.
pub(crate) struct Training {
    rule: Optimizer,
    parameters: Vec<Tensor>,
    means: Vec<Tensor>,
    squares: Vec<Tensor>,
    steps: i32,
}

impl Training {
    /// `parameters` are f32 leaves that require gradients.
    pub(crate) fn new(rule: Optimizer, parameters: Vec<Tensor>) -> Training {
        let zeros = |needed: bool| {
            let zeroed = parameters.iter().filter(|_| needed).map(Tensor::zeros_like);
            no_grad(|| zeroed.map(|zero| zero.detach()).collect())
        };
        let (first, second) = match rule {
            Optimizer::Sgd { momentum, .. } => (momentum > 0.0, false),
            Optimizer::AdamW { .. } => (true, true),
        };
        Training { rule, means: zeros(first), squares: zeros(second), parameters, steps: 0 }
    }

    /// Takes one step with the gradients gathered since the last one, then clears them.
    ///
    /// `factor` scales the step size (a schedule); gradients longer than `longest` in L2 are shortened to it.
    pub(crate) fn step(&mut self, factor: f64, longest: Option<f64>) {
        no_grad(|| {
            let gradients: Vec<Tensor> = self.parameters.iter().map(Tensor::grad).collect();
            if let Some(longest) = longest {
                shorten(&gradients, longest);
            }
            self.apply(&gradients, factor);
            for parameter in &mut self.parameters {
                parameter.zero_grad();
            }
        });
    }

    /// Takes one step with gradients of the caller's own, one for each parameter, without a graph.
    pub(crate) fn apply(&mut self, gradients: &[Tensor], factor: f64) {
        self.steps += 1;
        no_grad(|| {
            for (index, gradient) in gradients.iter().enumerate() {
                match self.rule {
                    Optimizer::Sgd { learning_rate, momentum } => {
                        self.sgd(index, gradient, learning_rate * factor, momentum);
                    }
                    Optimizer::AdamW { .. } => self.adamw(index, gradient, factor),
                }
            }
        });
    }

    fn sgd(&mut self, index: usize, gradient: &Tensor, learning_rate: f64, momentum: f64) {
        let direction = if momentum > 0.0 {
            let mean = &mut self.means[index];
            let _ = mean.g_mul_scalar_(momentum).g_add_(gradient);
            mean.shallow_clone()
        } else {
            gradient.shallow_clone()
        };
        let _ = self.parameters[index].g_sub_(&(direction * learning_rate));
    }

    fn adamw(&mut self, index: usize, gradient: &Tensor, factor: f64) {
        let Optimizer::AdamW { learning_rate, beta1, beta2, epsilon, weight_decay } = self.rule
        else {
            unreachable!("step() calls this for AdamW only")
        };
        let rate = learning_rate * factor;
        let (mean, square) = (&mut self.means[index], &mut self.squares[index]);
        let _ = mean.lerp_(gradient, 1.0 - beta1);
        let _ = square.lerp_(&gradient.square(), 1.0 - beta2);
        let mean_scale = 1.0 - beta1.powi(self.steps);
        let square_scale = (1.0 - beta2.powi(self.steps)).sqrt();
        let root = square.sqrt().g_div_scalar_(square_scale).g_add_scalar_(epsilon);
        let change = (&*mean / root).g_mul_scalar_(rate / mean_scale);
        let parameter = &mut self.parameters[index];
        if weight_decay > 0.0 && parameter.dim() > 1 {
            let _ = parameter.g_mul_scalar_(1.0 - rate * weight_decay);
        }
        let _ = parameter.g_sub_(&change);
    }
}

/// Scales all gradients together so that their joint L2 norm is at most `longest`.
pub(crate) fn shorten(gradients: &[Tensor], longest: f64) {
    let squares: Vec<Tensor> =
        gradients.iter().map(|gradient| gradient.square().sum(None::<tch::Kind>)).collect();
    let length = Tensor::stack(&squares, 0).sum(None::<tch::Kind>).double_value(&[]).sqrt();
    if length > longest {
        for gradient in gradients {
            let _ = gradient.shallow_clone().g_mul_scalar_(longest / length);
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::{Optimizer, Training};
    use crate::loss::floats;

    /// Three steps from [1, −2, 0.5] with fixed gradients.
    fn three_steps(rule: Optimizer, longest: Option<f64>) -> Vec<f32> {
        let parameter = Tensor::from_slice(&[1f32, -2.0, 0.5]).view([1, 3]).set_requires_grad(true);
        let mut training = Training::new(rule, vec![parameter.shallow_clone()]);
        for gradient in [[0.3f32, -0.1, 2.0], [-0.2, 0.4, 1.0], [0.05, 0.0, -3.0]] {
            (&parameter * Tensor::from_slice(&gradient)).sum(None::<Kind>).backward();
            training.step(1.0, longest);
        }
        floats(&parameter)
    }

    fn assert_near(found: &[f32], expected: [f32; 3]) {
        let near =
            found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6);
        assert!(near, "{found:?} {expected:?}");
    }

    /// Expected values from torch.optim of torch 2.13.0.
    #[test]
    fn rules_move_as_in_torch() {
        let adamw = Optimizer::AdamW {
            learning_rate: 0.1,
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.05,
        };
        assert_near(&three_steps(adamw, None), [0.851_773, -1.969_969_2, 0.308_841_3]);
        let momentum = Optimizer::Sgd { learning_rate: 0.1, momentum: 0.9 };
        assert_near(&three_steps(momentum, None), [0.951_699_9, -2.048_899, 0.068]);
        let plain = Optimizer::Sgd { learning_rate: 0.1, momentum: 0.0 };
        assert_near(&three_steps(plain, None), [0.985, -2.03, 0.5]);
        assert_near(&three_steps(plain, Some(1.0)), [1.001_775, -2.031_576_2, 0.409_926_1]);
    }
}
