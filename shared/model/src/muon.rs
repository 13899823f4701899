//! Muon: steps for the matrices between two layers, whose singular values all become about one.
//!
//! Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks": the momentum's nearest semi-orthogonal
//! matrix, by five steps of a Newton–Schulz iteration. A step then turns every direction of a matrix equally far, where
//! AdamW lets a few strong ones decide. Embeddings, norms and biases are not such maps, and stay with AdamW.

use tch::{Kind, Tensor, no_grad};

/// The quintic of the iteration: it lifts small singular values fastest, to between 0.7 and 1.2.
const QUINTIC: (f64, f64, f64) = (3.4445, -4.7750, 2.0315);
const ITERATIONS: usize = 5;
/// Share of the last direction that is kept (Nesterov's form).
const MOMENTUM: f64 = 0.95;

/// The matrices being trained with their momenta.
pub(crate) struct Muon {
    parameters: Vec<Tensor>,
    momenta: Vec<Tensor>,
    learning_rate: f64,
    weight_decay: f64,
}

impl Muon {
    /// `parameters` are f32 matrices [outputs, inputs], leaves that require gradients.
    pub(crate) fn new(parameters: Vec<Tensor>, learning_rate: f64, weight_decay: f64) -> Muon {
        let zeros = parameters.iter().map(|matrix| matrix.zeros_like().detach());
        Muon { momenta: no_grad(|| zeros.collect()), parameters, learning_rate, weight_decay }
    }

    /// Takes one step with the gradients gathered since the last one, then clears them.
    ///
    /// `factor` scales the step size (a schedule). The length of a gradient does not matter.
    pub(crate) fn step(&mut self, factor: f64) {
        let rate = self.learning_rate * factor;
        no_grad(|| {
            for (matrix, momentum) in self.parameters.iter_mut().zip(&mut self.momenta) {
                let gradient = matrix.grad();
                let _ = momentum.lerp_(&gradient, 1.0 - MOMENTUM);
                let direction = orthogonal(&gradient.lerp(momentum, MOMENTUM));
                let (outputs, inputs) = (matrix.size()[0] as f64, matrix.size()[1] as f64);
                let change = direction * (rate * (outputs / inputs).max(1.0).sqrt());
                let _ = matrix.g_mul_scalar_(1.0 - rate * self.weight_decay).g_sub_(&change);
                matrix.zero_grad();
            }
        });
    }
}

/// About U·Vᵀ of a matrix U·S·Vᵀ.
fn orthogonal(matrix: &Tensor) -> Tensor {
    let tall = matrix.size()[0] > matrix.size()[1];
    let wide = if tall { matrix.tr() } else { matrix.shallow_clone() };
    let mut now = &wide / (wide.square().sum(None::<Kind>).sqrt() + 1e-7);
    let (a, b, c) = QUINTIC;
    for _ in 0..ITERATIONS {
        let square = now.matmul(&now.tr());
        let mixed = &square * b + square.matmul(&square) * c;
        now = &now * a + mixed.matmul(&now);
    }
    if tall { now.tr() } else { now }
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::{Muon, orthogonal};
    use crate::random::{normal, short_generator};

    fn random(rows: i64, columns: i64, seed: u64) -> Tensor {
        let mut generator = short_generator(seed, 0);
        let values: Vec<f32> = (0..rows * columns).map(|_| normal(&mut generator)).collect();
        Tensor::from_slice(&values).view([rows, columns])
    }

    #[test]
    fn every_direction_becomes_about_one() {
        for (rows, columns) in [(24, 24), (16, 40), (40, 16)] {
            let found = orthogonal(&random(rows, columns, 1));
            let found = if rows > columns { found.tr() } else { found };
            // Singular values v in place of 1 leave v² − 1 here; those of a random matrix reach down to 0.
            let count = rows.min(columns);
            let identity = Tensor::eye(count, (Kind::Float, tch::Device::Cpu));
            let wrong = (found.matmul(&found.tr()) - identity).square().sum(None::<Kind>);
            let typical = (wrong.double_value(&[]) / count as f64).sqrt();
            assert!(typical < 0.45, "{rows} × {columns}: {typical}");
        }
    }

    #[test]
    fn a_step_goes_along_the_gradient_and_forgets_its_length() {
        let direction = random(8, 12, 2);
        let moved = [1.0, 1000.0].map(|length| {
            let matrix = Tensor::zeros([8, 12], (Kind::Float, tch::Device::Cpu));
            let matrix = matrix.set_requires_grad(true);
            let mut muon = Muon::new(vec![matrix.shallow_clone()], 0.02, 0.1);
            (&matrix * &direction * length).sum(None::<Kind>).backward();
            muon.step(1.0);
            matrix.detach()
        });
        assert!((&moved[0] - &moved[1]).abs().max().double_value(&[]) < 1e-5);
        assert!((&moved[0] * &direction).sum(None::<Kind>).double_value(&[]) < 0.0);
    }
}
