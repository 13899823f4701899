//! Cross-entropy of the next token, in chunks: the scores of a whole batch are never in memory together.

use tch::{Kind, Tensor, no_grad};

use crate::ModelError;
use crate::device::Precision;
use crate::multiply::{product, product_back};
use crate::stop::StopToken;

/// Scores held at once: 32 MiB in f32.
pub(crate) const CHUNK_SCORES: i64 = 1 << 23;
/// As many stay near the processor: 2 MiB in f32.
const NEAR_SCORES: i64 = 1 << 19;
/// Fewer rows than this would make the output layer's multiplication less efficient,
const GOOD_ROWS: i64 = 256;
/// and fewer than this much less.
const FEWEST_ROWS: i64 = 64;

/// Weighted losses [n] of `hidden` [n, h] against `targets` [n] (tokens), and the gradient of their sum.
///
/// `weights` [n], f32, says how much each row counts; rows of weight 0 cost the same time as all others, so that
/// the time tells nothing about the data. The gradient is with respect to `hidden`; where `head_gradient`
/// [vocabulary, h] is given, the gradient with respect to `head` is added to it. The slopes at the scores are rounded to
/// `precision` before they go back through `head`.
/// Uses the closed form: softmax minus one-hot.
pub(crate) fn loss_and_gradient(
    head: &Tensor,
    hidden: &Tensor,
    targets: &Tensor,
    weights: &Tensor,
    mut head_gradient: Option<&mut Tensor>,
    precision: Precision,
    stop: &StopToken,
) -> Result<(Tensor, Tensor), ModelError> {
    no_grad(|| {
        let mut all_losses = Vec::new();
        let mut gradients = Vec::new();
        for (start, count) in chunks(hidden.size()[0], head.size()[0]) {
            stop.check()?;
            let rows = hidden.narrow(0, start, count);
            let target = targets.narrow(0, start, count).unsqueeze(1);
            let weight = weights.narrow(0, start, count).unsqueeze(1);
            let scores = product(&rows, head, None).to_kind(Kind::Float);
            let mut shares = scores.softmax(1, Kind::Float);
            // The highest share is e^highest over the sum: its logarithm gives the sum's without a second exponential.
            let above = scores.amax([1], true) - scores.gather(1, &target, false);
            let losses = (above - shares.amax([1], true).log()).g_mul_(&weight);
            all_losses.push(losses.squeeze_dim(1));
            let one = Tensor::ones_like(&weight);
            let slope = shares.scatter_add_(1, &target, &-one).g_mul_(&weight);
            let slope = precision.rounded(&slope).to_kind(hidden.kind());
            gradients.push(product_back(&slope, head, None));
            if let Some(gradient) = head_gradient.as_deref_mut() {
                let _ = gradient.addmm_(&slope.tr(), &rows);
            }
        }
        Ok((Tensor::cat(&all_losses, 0), Tensor::cat(&gradients, 0)))
    })
}

/// Loss of each row of `hidden` [n, h] against `targets` [n], and whether the target had the highest score.
pub(crate) fn losses_and_hits(
    head: &Tensor,
    hidden: &Tensor,
    targets: &Tensor,
    stop: &StopToken,
) -> Result<(Vec<f32>, Vec<bool>), ModelError> {
    no_grad(|| {
        let (mut losses, mut hits) = (Vec::new(), Vec::new());
        for (start, count) in chunks(hidden.size()[0], head.size()[0]) {
            stop.check()?;
            let target = targets.narrow(0, start, count);
            let rows = hidden.narrow(0, start, count);
            let scores = product(&rows, head, None).to_kind(Kind::Float);
            let chosen = scores.gather(1, &target.unsqueeze(1), false).squeeze_dim(1);
            losses.extend(floats(&(scores.logsumexp([1], false) - chosen)));
            hits.extend(
                integers(&scores.argmax(1, false).eq_tensor(&target)).iter().map(|&hit| hit != 0),
            );
        }
        Ok((losses, hits))
    })
}

fn chunks(rows: i64, vocabulary: i64) -> impl Iterator<Item = (i64, i64)> {
    let near = (NEAR_SCORES / vocabulary).max(GOOD_ROWS);
    let size = near.min(CHUNK_SCORES / vocabulary).max(FEWEST_ROWS);
    (0..rows).step_by(size as usize).map(move |start| (start, size.min(rows - start)))
}

/// All numbers of a tensor, in row-major order.
pub(crate) fn floats(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.detach().to_device(tch::Device::Cpu).to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

/// All whole numbers of a tensor, in row-major order.
pub(crate) fn integers(tensor: &Tensor) -> Vec<i64> {
    let tensor = tensor.detach().to_device(tch::Device::Cpu).to_kind(Kind::Int64).contiguous();
    let mut values = vec![0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}
