//! One projection for all nodes of a group, forth and back.
//!
//! A node's low-rank addition is worked into a copy of the weight, W + scale · B A: r/tokens of the work of one
//! pass, after which activations are read by one matrix multiplication and by nothing else. Without an addition the
//! whole group shares one multiplication.

use tch::Tensor;

use super::layout::Slot;
use crate::device::Precision;
use crate::transformer::Linear;

/// A projection with the place of its low-rank pair, if it is adapted.
pub(super) struct Site<'a> {
    pub(super) linear: &'a Linear,
    pub(super) slot: Option<&'a Slot>,
    /// Inputs and arriving gradients are rounded to it.
    pub(super) precision: Precision,
}

/// Every node's trained parameters and their gradients: [nodes, dimension] each, f32.
pub(super) struct Flat {
    pub(super) parameters: Tensor,
    pub(super) gradients: Tensor,
}

impl Site<'_> {
    /// [n, inputs] → [n, outputs]; the rows of one node stand together, in the order of nodes.
    pub(super) fn forward(&self, flat: &Flat, input: &Tensor) -> Tensor {
        let input = &self.precision.rounded(input);
        let Some(slot) = self.slot else {
            return input.linear(&self.linear.weight, self.linear.bias.as_ref());
        };
        let rows = input.size()[0];
        let merged = self.merged(slot, flat);
        let output = by_node(input, flat).bmm(&merged.transpose(1, 2)).view([rows, slot.outputs]);
        match &self.linear.bias {
            None => output,
            Some(bias) => output + bias,
        }
    }

    /// The way back: the gradient [n, outputs] at the output fills the pair's gradient and, where one is wanted, is
    /// added to the gradient [n, inputs] at the input.
    pub(super) fn backward(
        &self,
        flat: &mut Flat,
        input: &Tensor,
        gradient: &Tensor,
        below: Below<'_>,
    ) {
        let (input, gradient) = (self.precision.rounded(input), self.precision.rounded(gradient));
        let Some(slot) = self.slot else {
            if let Below::Wanted(sum) = below {
                add_product(sum, &gradient, &self.linear.weight);
            }
            return;
        };
        let (input, gradient) = (by_node(&input, flat), by_node(&gradient, flat));
        fill_pair(slot, flat, &input, &gradient);
        if let Below::Wanted(sum) = below {
            let merged = self.merged(slot, flat);
            let rows = gradient.size()[0] * gradient.size()[1];
            match sum {
                None => *sum = Some(gradient.bmm(&merged).view([rows, slot.inputs])),
                Some(sum) => {
                    let _ = by_node(sum, flat).baddbmm_(&gradient, &merged);
                }
            }
        }
    }

    /// W + scale · B A of every node: [nodes, outputs, inputs].
    fn merged(&self, slot: &Slot, flat: &Flat) -> Tensor {
        let (a, b) = (slot.a(&flat.parameters), slot.b(&flat.parameters));
        let weight = self.linear.weight.unsqueeze(0).expand([b.size()[0], -1, -1], false);
        weight.baddbmm(&b, &a, 1.0, slot.scale)
    }
}

/// The gradient at an input: the lowest block has nothing to train below it.
pub(super) enum Below<'a> {
    Wanted(&'a mut Option<Tensor>),
    Unwanted,
}

/// dB = scale · dyᵀ (x Aᵀ), and where A is trained dA = (scale · dy B)ᵀ x.
///
/// dB is computed as its transpose, (x Aᵀ)ᵀ dy: a product with few columns is up to eight times as slow as one with
/// few rows.
fn fill_pair(slot: &Slot, flat: &mut Flat, input: &Tensor, gradient: &Tensor) {
    let inner = input.bmm(&slot.a(&flat.parameters).transpose(1, 2)).g_mul_scalar_(slot.scale);
    let change = inner.transpose(1, 2).bmm(gradient);
    slot.b(&flat.gradients).copy_(&change.transpose(1, 2));
    if slot.trains_a() {
        let inner = gradient.bmm(&slot.b(&flat.parameters)).g_mul_scalar_(slot.scale);
        slot.a(&flat.gradients).copy_(&inner.transpose(1, 2).bmm(input));
    }
}

/// [n, width] → [nodes, n / nodes, width].
fn by_node(rows: &Tensor, flat: &Flat) -> Tensor {
    rows.view([flat.parameters.size()[0], -1, rows.size()[1]])
}

fn add_product(sum: &mut Option<Tensor>, gradient: &Tensor, weight: &Tensor) {
    match sum {
        None => *sum = Some(gradient.mm(weight)),
        Some(sum) => {
            let _ = sum.addmm_(gradient, weight);
        }
    }
}
