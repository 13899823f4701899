//! One pass over some rows of a batch: the loss, and the gradient of every low-rank pair, in closed form.
//!
//! The base is frozen, so that only gradients of activations and of pairs are wanted: there is no graph, nothing is
//! computed below the first block, and what a block keeps for the way back is freed as soon as that has passed it.
//! Normalised activations, repeated keys and opened gates are cheap to make and large to keep: they are made again.
//!
//! `n` positions: rows one after the other, each of `t`.

mod pointwise;
mod projection;

use tch::{Kind, Tensor};

use crate::ModelError;
use crate::attention::{Attended, Heads};
use crate::config::Projection;
use crate::device::Precision;
use crate::gradient::Part;
use crate::loss::loss_and_gradient;
use crate::stop::StopToken;
use crate::transformer::{BlockAdapter, LowRank, Transformer};
use pointwise::{Gated, Normed};
use projection::Site;

/// A model with an adapter, and the places of the adapter's gradient.
pub(crate) struct Pass<'a> {
    pub(crate) model: &'a Transformer,
    pub(crate) adapter: &'a [BlockAdapter],
    /// Of the same shapes; where A is frozen, its place is not written to.
    pub(crate) gradients: &'a [BlockAdapter],
    /// Whether A is trained.
    pub(crate) trains_a: bool,
    pub(crate) stop: &'a StopToken,
}

/// What one block keeps for the way back; [n, ..] each.
struct Kept {
    input: Tensor,
    input_normed: Normed,
    attended: Attended,
    between: Tensor,
    between_normed: Normed,
    gated: Gated,
}

impl Pass<'_> {
    /// Overwrites the gradients with those of this part; returns the part's weighted sum of losses.
    pub(crate) fn run(&self, part: &Part) -> Result<f64, ModelError> {
        tch::no_grad(|| {
            let heads = Heads::new(self.model, part.tokens.size()[1]);
            let mut state = self.model.embed(&part.tokens).flatten(0, 1);
            let mut kept = Vec::with_capacity(self.model.depth());
            for layer in 0..self.model.depth() {
                self.stop.check()?;
                let (output, block) = self.forward(layer, &heads, state);
                kept.push(block);
                state = output;
            }
            let (loss, mut gradient) = self.output_layer(state, part)?;
            for layer in (0..self.model.depth()).rev() {
                self.stop.check()?;
                let block = kept.pop().expect("one for each layer");
                self.backward(layer, &heads, block, &mut gradient);
            }
            Ok(loss)
        })
    }

    fn forward(&self, layer: usize, heads: &Heads, input: Tensor) -> (Tensor, Kept) {
        let block = &self.model.blocks[layer];
        let site = |projection| self.site(layer, projection);
        let (input_normed, normed) = self.normed(&input, &block.attention_norm);
        let [query, key, value] = [Projection::Query, Projection::Key, Projection::Value]
            .map(|projection| site(projection).forward(&normed));
        let (mixed, attended) = heads.forward(&query, &key, &value);
        let between = site(Projection::Output).forward(&mixed).g_add_(&input);
        let (between_normed, normed) = self.normed(&between, &block.feed_forward_norm);
        let gate = site(Projection::Gate).forward(&normed);
        let gated = Gated { gate, up: site(Projection::Up).forward(&normed) };
        let output = site(Projection::Down).forward(&gated.output()).g_add_(&between);
        (output, Kept { input, input_normed, attended, between, between_normed, gated })
    }

    /// Turns the gradient [n, h] at a block's output into the one at its input.
    fn backward(&self, layer: usize, heads: &Heads, kept: Kept, gradient: &mut Tensor) {
        let block = &self.model.blocks[layer];
        let site = |projection| self.site(layer, projection);
        let opened = kept.gated.output();
        let at_opened = site(Projection::Down).backward(&opened, gradient, None);
        drop(opened);
        let (at_gate, at_up) = kept.gated.backward(&at_opened);
        drop(at_opened);
        let normed = kept.between_normed.output(&kept.between, &block.feed_forward_norm);
        let at_normed = site(Projection::Gate).backward(&normed, &at_gate, None);
        let at_normed = site(Projection::Up).backward(&normed, &at_up, Some(at_normed));
        kept.between_normed.backward(&kept.between, &block.feed_forward_norm, at_normed, gradient);
        let mixed = heads.mixed(&kept.attended);
        let at_mixed = site(Projection::Output).backward(&mixed, gradient, None);
        let at_heads = heads.backward(kept.attended, &at_mixed);
        let normed = kept.input_normed.output(&kept.input, &block.attention_norm);
        let projections = [Projection::Query, Projection::Key, Projection::Value];
        let sites = projections.into_iter().map(site).zip(&at_heads);
        // Nothing below the first block is trained, so the way back ends with its pairs.
        if layer == 0 {
            sites.for_each(|(site, at_head)| site.fill_pair(&normed, at_head));
            return;
        }
        let at_normed =
            sites.fold(None, |sum, (site, at_head)| Some(site.backward(&normed, at_head, sum)));
        let at_normed = at_normed.expect("three projections");
        kept.input_normed.backward(&kept.input, &block.attention_norm, at_normed, gradient);
    }

    /// The part's loss, and its gradient with respect to the last block's output `state` [n, h].
    fn output_layer(&self, state: Tensor, part: &Part) -> Result<(f64, Tensor), ModelError> {
        let (scale, normed) = self.normed(&state, &self.model.norm);
        let (targets, weights) = (part.targets.view(-1), part.weights.view(-1));
        let (losses, at_normed) = loss_and_gradient(
            self.model.head(),
            &normed,
            &targets,
            &weights,
            None,
            Precision::F32,
            self.stop,
        )?;
        let mut gradient = state.zeros_like();
        scale.backward(&state, &self.model.norm, at_normed, &mut gradient);
        Ok((losses.sum(Kind::Double).double_value(&[]), gradient))
    }

    fn normed(&self, input: &Tensor, weight: &Tensor) -> (Normed, Tensor) {
        let normed = Normed::new(input, self.model.config.norm_epsilon);
        let output = normed.output(input, weight);
        (normed, output)
    }

    fn site(&self, layer: usize, projection: Projection) -> Site<'_> {
        let of = |blocks: &'_ [BlockAdapter]| -> Option<LowRank> {
            blocks[layer][projection as usize].as_ref().map(LowRank::share)
        };
        Site {
            linear: &self.model.blocks[layer].projections[projection as usize],
            pair: of(self.adapter),
            gradient: of(self.gradients),
            trains_a: self.trains_a,
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::Pass;
    use crate::adapter::{Adapter, AdapterKind};
    use crate::config::Projection;
    use crate::device::Precision;
    use crate::gradient::Part;
    use crate::multiply::multiplies_bf16;
    use crate::samples;
    use crate::stop::StopToken;
    use crate::transformer::Transformer;

    fn closed_form(model: &Transformer, adapter: &Adapter, part: &Part) -> (f64, Tensor) {
        let flat = Tensor::from_slice(&adapter.to_flat());
        let gradient = flat.zeros_like();
        let (pairs, places) =
            (adapter.over(model, &flat).unwrap(), adapter.over(model, &gradient).unwrap());
        let pass = Pass {
            model,
            adapter: &pairs,
            gradients: &places,
            trains_a: adapter.spec().kind == AdapterKind::Lora,
            stop: &StopToken::new(),
        };
        (pass.run(part).unwrap(), gradient)
    }

    /// The same by libtorch's automatic differentiation of the ordinary forward pass.
    fn automatic(model: &Transformer, adapter: &Adapter, part: &Part) -> (f64, Tensor) {
        let flat = Tensor::from_slice(&adapter.to_flat()).set_requires_grad(true);
        let pairs = adapter.over(model, &flat).unwrap();
        let hidden = model.hidden(&part.tokens, Some(&pairs), None);
        let shares = model.scores(&hidden).log_softmax(-1, Kind::Float);
        let chosen = shares.gather(2, &part.targets.unsqueeze(2), false).squeeze_dim(2);
        let loss = -(chosen * &part.weights).sum(Kind::Float);
        loss.backward();
        (loss.double_value(&[]), flat.grad())
    }

    #[test]
    fn the_closed_form_equals_automatic_differentiation() {
        let (model, part) = (samples::transformer(), samples::part());
        for kind in [AdapterKind::Lora, AdapterKind::FfaLora] {
            let few = [Projection::Key, Projection::Down];
            for targets in [&Projection::ALL[..], &few] {
                let adapter = samples::adapter(&model, kind, targets);
                let (loss, gradient) = closed_form(&model, &adapter, &part);
                let (expected_loss, expected) = automatic(&model, &adapter, &part);
                assert!((loss - expected_loss).abs() < 1e-5 * expected_loss, "{kind:?}");
                let error = (&gradient - &expected).norm().double_value(&[]);
                let length = expected.norm().double_value(&[]);
                assert!(error < 1e-5 * length, "{kind:?} {targets:?}: {error} of {length}");
            }
        }
    }

    /// bf16 weights under f32 activations: exactly the pass over the rounded weights.
    #[test]
    fn held_in_bf16_it_is_the_pass_of_the_rounded_model() {
        let (model, part) = (samples::transformer(), samples::part());
        let adapter = samples::adapter(&model, AdapterKind::Lora, &Projection::ALL);
        let narrow = model.held_in(Precision::Bf16);
        let rounded = narrow.held_in(Precision::F32);
        let (loss, gradient) = closed_form(&narrow, &adapter, &part);
        let (expected_loss, expected) = closed_form(&rounded, &adapter, &part);
        let (full_loss, _) = closed_form(&model, &adapter, &part);
        assert!((full_loss - loss).abs() > 1e-6, "nothing was rounded");
        // A processor with bf16 instructions rounds activations, too.
        let near = if multiplies_bf16() { 0.05 } else { 1e-5 };
        assert!((loss - expected_loss).abs() < near * expected_loss);
        let error = (&gradient - &expected).norm().double_value(&[]);
        assert!(error < near * expected.norm().double_value(&[]), "{error}");
    }
}
