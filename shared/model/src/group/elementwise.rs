//! What is done number by number: normalisation and the gate of the feed-forward part, forth and back.

use tch::Tensor;

/// Root-mean-square normalisation (Zhang & Sennrich 2019) of one place in the model.
pub(super) struct Normed {
    /// [n, h]: input · scale · weight.
    pub(super) output: Tensor,
    /// [n, 1]: 1 / √(mean of squares + epsilon).
    scale: Tensor,
}

impl Normed {
    pub(super) fn new(input: &Tensor, weight: &Tensor, epsilon: f64) -> Normed {
        let width = input.size()[1] as f64;
        let length = input.norm_scalaropt_dim(2.0, [1i64], true);
        let scale = (length.square() / width).g_add_scalar_(epsilon).rsqrt();
        let output = (input * &scale).g_mul_(weight);
        Normed { output, scale }
    }

    /// Adds to `sum` [n, h] the gradient at the input, from the gradient [n, h] at the output.
    ///
    /// With s the scale and g = weight · gradient: s·g − x · s³/h · (g·x).
    pub(super) fn backward(
        &self,
        input: &Tensor,
        weight: &Tensor,
        gradient: Tensor,
        sum: &mut Tensor,
    ) {
        let width = input.size()[1] as f64;
        let mut weighted = gradient;
        let weighted = weighted.g_mul_(weight);
        let along = (&weighted * input).sum_dim_intlist([1i64].as_slice(), true, None);
        let along = along * self.scale.pow_tensor_scalar(3.0) * (-1.0 / width);
        let _ = sum.addcmul_(&weighted, &self.scale);
        let _ = sum.addcmul_(input, &along);
    }
}

/// silu(gate) · up, with what the way back needs of it; [n, inner] each.
pub(super) struct Gated {
    /// σ(gate).
    opening: Tensor,
    /// silu(gate) = gate · σ(gate).
    passed: Tensor,
    up: Tensor,
}

impl Gated {
    pub(super) fn new(gate: &Tensor, up: Tensor) -> Gated {
        let opening = gate.sigmoid();
        Gated { passed: gate * &opening, opening, up }
    }

    /// silu(gate) · up: made anew each time, which is quicker than keeping it.
    pub(super) fn output(&self) -> Tensor {
        &self.passed * &self.up
    }

    /// Gradients at gate and up, from the gradient at [`Gated::output`].
    ///
    /// silu' = σ + silu · (1 − σ): no exponential is taken twice.
    pub(super) fn backward(self, gradient: &Tensor) -> (Tensor, Tensor) {
        let at_up = &self.passed * gradient;
        let mut slope = &self.passed + &self.opening;
        let (mut passed, mut at_gate) = (self.passed, self.up);
        let slope = slope.g_sub_(&passed.g_mul_(&self.opening));
        let at_gate = at_gate.g_mul_(&slope).g_mul_(gradient);
        (at_gate, at_up)
    }
}
