//! One batch → gradients of every weight, block by block: what pre-training needs. (An adapter's gradients are computed in
//! closed form, without a graph: `fine_tuning`.)
//!
//! Each block's graph ends at its input, and the way back walks from block to block. Nothing is computed twice;
//! memory of a block is free as soon as the way back has passed it; and between any two blocks the work can stop.

use tch::{Kind, Tensor};

use crate::ModelError;
use crate::config::Config;
use crate::device::Precision;
use crate::loss::loss_and_gradient;
use crate::stop::StopToken;
use crate::transformer::{Rotation, Transformer};

/// Some rows of a batch. `tokens`, `targets`: [b, t], i64; `weights`: [b, t], f32.
pub(crate) struct Part {
    pub(crate) tokens: Tensor,
    pub(crate) targets: Tensor,
    pub(crate) weights: Tensor,
}

/// A block's input and output, joined by the block's graph.
struct Segment {
    input: Tensor,
    output: Tensor,
}

/// Adds the gradient of one part to every weight's; returns the part's weighted sum of losses.
pub(crate) fn accumulate(
    model: &Transformer,
    part: &Part,
    stop: &StopToken,
) -> Result<f64, ModelError> {
    let rotation = model.rotation(0, part.tokens.size()[1]);
    let embedded = model.embed(&part.tokens);
    let mut segments = forward(model, &embedded, &rotation, stop)?;
    let last = segments.last().map_or(&embedded, |segment| &segment.output);
    let input = last.detach().set_requires_grad(true);
    let normed = model.final_norm(&input);
    let (loss, gradient) = output_layer(model, &normed, part, stop)?;
    pull(&normed, &gradient);
    let mut gradient = input.grad();
    while let Some(segment) = segments.pop() {
        stop.check()?;
        pull(&segment.output, &gradient);
        gradient = segment.input.grad();
    }
    pull(&embedded, &gradient);
    Ok(loss)
}

fn forward(
    model: &Transformer,
    embedded: &Tensor,
    rotation: &Rotation,
    stop: &StopToken,
) -> Result<Vec<Segment>, ModelError> {
    let mut segments: Vec<Segment> = Vec::with_capacity(model.depth());
    for layer in 0..model.depth() {
        stop.check()?;
        let before = segments.last().map_or(embedded, |segment| &segment.output);
        let input = before.detach().set_requires_grad(true);
        let output = model.block(layer, &input, rotation, None, None);
        segments.push(Segment { input, output });
    }
    Ok(segments)
}

/// The loss, and its gradient with respect to `normed` [b, t, h].
fn output_layer(
    model: &Transformer,
    normed: &Tensor,
    part: &Part,
    stop: &StopToken,
) -> Result<(f64, Tensor), ModelError> {
    let hidden = normed.detach().view([-1, normed.size()[2]]);
    let (targets, weights) = (part.targets.view(-1), part.weights.view(-1));
    let head = model.head();
    let mut head_gradient = head.detach().zeros_like();
    let (losses, gradient) = loss_and_gradient(
        &head.detach(),
        &hidden,
        &targets,
        &weights,
        Some(&mut head_gradient),
        Precision::F32,
        stop,
    )?;
    pull(head, &head_gradient);
    Ok((losses.sum(Kind::Double).double_value(&[]), gradient.view_as(normed)))
}

/// Continues the way back through `output` with the gradient that arrived there.
fn pull(output: &Tensor, gradient: &Tensor) {
    (output * gradient).sum(None::<Kind>).backward();
}

/// How many rows of `length` tokens make one part: so few that a part takes well under a second on one slow core.
///
/// A function of the shapes alone, because the order of additions depends on it.
pub(crate) fn rows_a_part(config: &Config, batch: usize, length: usize) -> usize {
    let operations_a_row = 6.0 * config.parameter_count() as f64 * length as f64;
    ((OPERATIONS_A_PART / operations_a_row) as usize).clamp(1, batch)
}

/// About half a second of one core.
const OPERATIONS_A_PART: f64 = 3e10;
