//! One forward and backward pass of a whole group, in closed form.
//!
//! The base is frozen, so that only gradients of activations and of the low-rank pairs are computed; there is no
//! graph. `n` rows: every node's rows one after the other, each of `t` positions.

use tch::Tensor;

use super::elementwise::{Gated, Normed};
use super::layout::Layout;
use super::site::{Below, Flat, Site};
use crate::ModelError;
use crate::attention::{Attended, Heads};
use crate::config::Projection;
use crate::device::Precision;
use crate::gradient::Part;
use crate::loss::loss_and_gradient;
use crate::stop::StopToken;
use crate::transformer::Transformer;

/// A model and an adapter's layout, on one thread.
pub(super) struct Pass<'a> {
    pub(super) model: &'a Transformer,
    pub(super) layout: &'a Layout,
    pub(super) heads: Heads,
    /// What frozen weights are multiplied by is rounded to it.
    pub(super) precision: Precision,
    pub(super) stop: &'a StopToken,
}

/// What one block keeps for the way back; [n, ..] each.
struct Kept {
    input: Tensor,
    input_normed: Normed,
    attended: Attended,
    mixed: Tensor,
    between: Tensor,
    between_normed: Normed,
    gated: Gated,
}

impl Pass<'_> {
    /// Fills `flat.gradients` with every node's gradient; returns the weighted losses of all positions, [n].
    pub(super) fn run(&self, flat: &mut Flat, part: &Part) -> Result<Tensor, ModelError> {
        let embedded = self.model.embed(&part.tokens);
        let mut state = embedded.view([-1, embedded.size()[2]]);
        let mut kept = Vec::with_capacity(self.model.depth());
        for layer in 0..self.model.depth() {
            self.stop.check()?;
            let (output, block) = self.forward(layer, flat, state);
            kept.push(block);
            state = output;
        }
        let (losses, mut gradient) = self.output_layer(&state, part)?;
        drop(state);
        for layer in (0..self.model.depth()).rev() {
            self.stop.check()?;
            let block = kept.pop().expect("one for each layer");
            self.backward(layer, flat, block, &mut gradient);
        }
        Ok(losses)
    }

    fn forward(&self, layer: usize, flat: &Flat, input: Tensor) -> (Tensor, Kept) {
        let (block, epsilon) = (&self.model.blocks[layer], self.model.config.norm_epsilon);
        let site = |projection| self.site(layer, projection);
        let input_normed = Normed::new(&input, &block.attention_norm, epsilon);
        let [query, key, value] = [Projection::Query, Projection::Key, Projection::Value]
            .map(|projection| site(projection).forward(flat, &input_normed.output));
        let (mixed, attended) = self.heads.forward(&query, &key, &value);
        let between = site(Projection::Output).forward(flat, &mixed).g_add_(&input);
        let between_normed = Normed::new(&between, &block.feed_forward_norm, epsilon);
        let gate = site(Projection::Gate).forward(flat, &between_normed.output);
        let up = site(Projection::Up).forward(flat, &between_normed.output);
        let gated = Gated::new(&gate, up);
        let output = site(Projection::Down).forward(flat, &gated.output()).g_add_(&between);
        let kept = Kept { input, input_normed, attended, mixed, between, between_normed, gated };
        (output, kept)
    }

    /// Turns the gradient [n, h] at a block's output into the one at its input.
    fn backward(&self, layer: usize, flat: &mut Flat, kept: Kept, gradient: &mut Tensor) {
        let block = &self.model.blocks[layer];
        let site = |projection| self.site(layer, projection);
        let mut at_gated = None;
        let down = site(Projection::Down);
        down.backward(flat, &kept.gated.output(), gradient, Below::Wanted(&mut at_gated));
        let (at_gate, at_up) = kept.gated.backward(&at_gated.expect("wanted"));
        let (mut at_normed, normed) = (None, &kept.between_normed.output);
        site(Projection::Gate).backward(flat, normed, &at_gate, Below::Wanted(&mut at_normed));
        site(Projection::Up).backward(flat, normed, &at_up, Below::Wanted(&mut at_normed));
        let at_normed = at_normed.expect("wanted");
        kept.between_normed.backward(&kept.between, &block.feed_forward_norm, at_normed, gradient);
        let mut at_mixed = None;
        let output = site(Projection::Output);
        output.backward(flat, &kept.mixed, gradient, Below::Wanted(&mut at_mixed));
        let at_heads = self.heads.backward(kept.attended, &at_mixed.expect("wanted"));
        let (mut at_normed, normed) = (None, &kept.input_normed.output);
        let projections = [Projection::Query, Projection::Key, Projection::Value];
        for (projection, at_head) in projections.into_iter().zip(&at_heads) {
            // Nothing below the first block is trained.
            let below = if layer > 0 { Below::Wanted(&mut at_normed) } else { Below::Unwanted };
            site(projection).backward(flat, normed, at_head, below);
        }
        if let Some(at_normed) = at_normed {
            kept.input_normed.backward(&kept.input, &block.attention_norm, at_normed, gradient);
        }
    }

    /// The losses [n], and the gradient of their sum with respect to the last block's output [n, h].
    fn output_layer(&self, state: &Tensor, part: &Part) -> Result<(Tensor, Tensor), ModelError> {
        let normed = Normed::new(state, &self.model.norm, self.model.config.norm_epsilon);
        let (targets, weights) = (part.targets.view(-1), part.weights.view(-1));
        let (head, near) = (self.model.head(), self.precision.rounded(&normed.output));
        let (losses, at_normed) =
            loss_and_gradient(head, &near, &targets, &weights, None, self.precision, self.stop)?;
        let mut gradient = state.zeros_like();
        normed.backward(state, &self.model.norm, at_normed, &mut gradient);
        Ok((losses, gradient))
    }

    fn site(&self, layer: usize, projection: Projection) -> Site<'_> {
        Site {
            linear: &self.model.blocks[layer].projections[projection as usize],
            slot: self.layout.slots(layer)[projection as usize].as_ref(),
            precision: self.precision,
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Tensor};

    use super::{Flat, Heads, Layout, Pass, Precision, Projection, StopToken};
    use crate::adapter::AdapterKind;
    use crate::samples;

    /// What other devices run can be run here: two nodes, a row each, with attention that holds its shares whole.
    #[test]
    fn elsewhere_a_group_learns_what_it_learns_here() {
        let model = samples::transformer();
        let adapter = samples::adapter(&model, AdapterKind::Lora, &Projection::ALL);
        let layout = Layout::new(&model.config, adapter.spec(), Device::Cpu).unwrap();
        let run = |heads: Heads| {
            let one = Tensor::from_slice(&adapter.to_flat());
            let parameters = Tensor::stack(&[&one, &(&one * 0.5)], 0);
            let mut flat = Flat { gradients: parameters.zeros_like(), parameters };
            let (stop, precision) = (StopToken::new(), Precision::F32);
            let pass = Pass { model: &model, layout: &layout, heads, precision, stop: &stop };
            let losses = pass.run(&mut flat, &samples::part()).unwrap();
            [losses, flat.gradients]
        };
        let expected = run(Heads::new(&model, 13));
        for (found, expected) in run(Heads::new(&model, 13).elsewhere()).iter().zip(&expected) {
            let distance = (found - expected).norm().double_value(&[]);
            assert!(distance < 1e-5 * expected.norm().double_value(&[]), "{distance}");
        }
    }
}
