//! What is done number by number: normalisation and the gate of the feed-forward part, forth and back.

use tch::Tensor;

/// Root-mean-square normalisation (Zhang & Sennrich 2019) of one place in the model.
pub(super) struct Normed {
    /// [n, 1]: 1 / √(mean of squares + epsilon).
    scale: Tensor,
}

impl Normed {
    pub(super) fn new(input: &Tensor, epsilon: f64) -> Normed {
        let width = input.size()[1] as f64;
        let length = input.norm_scalaropt_dim(2.0, [1i64], true);
        Normed { scale: (length.square() / width).g_add_scalar_(epsilon).rsqrt() }
    }

    /// input · scale · weight: [n, h].
    pub(super) fn output(&self, input: &Tensor, weight: &Tensor) -> Tensor {
        (input * &self.scale).g_mul_(weight)
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

/// The two sides of silu(gate) · up (Shazeer 2020); [n, inner] each.
pub(super) struct Gated {
    pub(super) gate: Tensor,
    pub(super) up: Tensor,
}

impl Gated {
    /// silu(gate) · up: made anew each time rather than kept.
    pub(super) fn output(&self) -> Tensor {
        self.gate.silu().g_mul_(&self.up)
    }

    /// Gradients at gate and up, from the gradient at [`Gated::output`].
    pub(super) fn backward(self, gradient: &Tensor) -> (Tensor, Tensor) {
        let at_up = self.gate.silu().g_mul_(gradient);
        let mut up = self.up;
        let at_gate = self.gate.silu_backward(&up.g_mul_(gradient));
        (at_gate, at_up)
    }
}
