//! One projection, forth and back.
//!
//! Products with a pair's inner side are computed with few rows rather than few columns, which is up to eight times
//! as quick.

use tch::Tensor;

use crate::multiply::{product, product_back};
use crate::transformer::{Linear, LowRank};

/// A projection with its low-rank pair and the place of the pair's gradient, if it is adapted.
pub(super) struct Site<'a> {
    pub(super) linear: &'a Linear,
    pub(super) pair: Option<LowRank>,
    pub(super) gradient: Option<LowRank>,
    pub(super) trains_a: bool,
}

impl Site<'_> {
    /// [n, inputs] → [n, outputs].
    pub(super) fn forward(&self, input: &Tensor) -> Tensor {
        let mut output = product(input, &self.linear.weight, self.linear.bias.as_ref());
        if let Some(pair) = &self.pair {
            let (a, b) = pair.scaled(input.kind());
            let _ = output.addmm_(&a.mm(&input.tr()).tr(), &b.tr());
        }
        output
    }

    /// Writes the pair's gradient, and returns the gradient [n, inputs] at the input, added to `sum` if there is one;
    /// from the input [n, inputs] and the gradient [n, outputs] at the output.
    pub(super) fn backward(
        &self,
        input: &Tensor,
        gradient: &Tensor,
        sum: Option<Tensor>,
    ) -> Tensor {
        let mut below = product_back(gradient, &self.linear.weight, sum);
        if let Some(pair) = &self.pair {
            let (a, b) = pair.scaled(input.kind());
            let at_inner = b.tr().mm(&gradient.tr());
            self.write(input, gradient, &a, &at_inner);
            let _ = below.addmm_(&at_inner.tr(), &a);
        }
        below
    }

    /// Writes the pair's gradient alone.
    pub(super) fn fill_pair(&self, input: &Tensor, gradient: &Tensor) {
        if let Some(pair) = &self.pair {
            let (a, b) = pair.scaled(input.kind());
            self.write(input, gradient, &a, &b.tr().mm(&gradient.tr()));
        }
    }

    /// dB = scale · dyᵀ (x Aᵀ) and, where A is trained, dA = (scale · Bᵀ dyᵀ) x; `at_inner` is the bracket of dA.
    fn write(&self, input: &Tensor, gradient: &Tensor, a: &Tensor, at_inner: &Tensor) {
        let place = self.gradient.as_ref().expect("a pair has a place for its gradient");
        let change = a.mm(&input.tr()).mm(gradient).tr();
        place.b.shallow_clone().copy_(&(change * place.scale));
        if self.trains_a {
            place.a.shallow_clone().copy_(&at_inner.mm(input));
        }
    }
}
