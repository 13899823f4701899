//! One forward and backward pass of a node on the processor: our own kernels over slices, nothing of libtorch.
//!
//! The same arithmetic as `pass.rs`, which serves other devices. Here a node's low-rank additions are worked into the
//! weights' panels as they are copied, activations are padded to whole lines and stay in one place from step to step,
//! and a part of a node's rows goes through the whole model while its activations are in the cache.

mod bundle;
mod near;
mod room;
mod weights;

use std::sync::Arc;

use crate::ModelError;
use crate::kernels::attention::{attend, attend_back};
use crate::kernels::elementwise::{
    cross_entropy, normalise, normalise_back, open_gate, open_gate_back,
};
use crate::kernels::lanes::{Level, level};
use crate::kernels::product::multiply;
use crate::stop::StopToken;
use bundle::{Back, Merged};
use near::Near;
use room::{Kept, Room, SCORES};
pub(super) use weights::Weights;

/// Tokens of a part: its activations fit the processor's cache.
const PART: usize = 512;

/// Whether this processor multiplies and adds at once; without, the kernels would be slower than libtorch.
pub(super) fn is_able() -> bool {
    level() > Level::Plain
}

/// One thread's place to work in.
pub(super) struct Processor {
    weights: Arc<Weights>,
    /// One for each length of part that came up.
    rooms: Vec<Room>,
    merged: Merged,
    /// Inputs of bundles, and the gradients that arrive at their outputs.
    near: [Near; 2],
}

/// One node's batch, or a part of it: rows of `length` positions.
#[derive(Clone, Copy)]
pub(super) struct Texts<'a> {
    pub(super) tokens: &'a [i64],
    pub(super) targets: &'a [i64],
    pub(super) weights: &'a [f32],
    pub(super) length: usize,
}

impl Processor {
    pub(super) fn new(weights: &Arc<Weights>) -> Processor {
        let near = [(); 2].map(|()| Near::new(weights.precision));
        Processor {
            weights: Arc::clone(weights),
            rooms: Vec::new(),
            merged: Merged::default(),
            near,
        }
    }

    /// Fills `gradient` with that of one node's weighted loss at `parameters`; returns that loss.
    pub(super) fn run(
        &mut self,
        parameters: &[f32],
        gradient: &mut [f32],
        texts: Texts<'_>,
        stop: &StopToken,
    ) -> Result<f64, ModelError> {
        gradient.fill(0.0);
        let most = (PART / texts.length).max(1) * texts.length;
        let mut total = 0.0;
        for first in (0..texts.tokens.len()).step_by(most) {
            let part = first..(first + most).min(texts.tokens.len());
            let texts = Texts {
                tokens: &texts.tokens[part.clone()],
                targets: &texts.targets[part.clone()],
                weights: &texts.weights[part],
                length: texts.length,
            };
            total += self.part(parameters, gradient, texts, stop)?;
        }
        Ok(total)
    }

    fn part(
        &mut self,
        parameters: &[f32],
        gradient: &mut [f32],
        texts: Texts<'_>,
        stop: &StopToken,
    ) -> Result<f64, ModelError> {
        let weights = &*self.weights;
        let found = self.rooms.iter().position(|room| room.fits(&texts));
        let index = found.unwrap_or_else(|| {
            self.rooms.push(Room::new(weights, &texts));
            self.rooms.len() - 1
        });
        let room = &mut self.rooms[index];
        room.embed(weights, texts.tokens);
        let (merged, [near, arriving]) = (&mut self.merged, &mut self.near);
        let mut pass = Pass { weights, parameters, gradient, merged, near, arriving };
        for layer in 0..weights.blocks.len() {
            stop.check()?;
            pass.forward(layer, room);
        }
        let loss = output_layer(weights, room, pass.near, &texts, stop)?;
        for layer in (0..weights.blocks.len()).rev() {
            stop.check()?;
            pass.backward(layer, room);
        }
        Ok(loss)
    }
}

/// What the blocks share while one node's part goes through.
struct Pass<'a> {
    weights: &'a Weights,
    parameters: &'a [f32],
    gradient: &'a mut [f32],
    merged: &'a mut Merged,
    near: &'a mut Near,
    arriving: &'a mut Near,
}

impl Pass<'_> {
    fn forward(&mut self, layer: usize, room: &mut Room) {
        let (weights, merged, parameters) = (self.weights, &mut *self.merged, self.parameters);
        let near = &mut *self.near;
        let (block, epsilon) = (&weights.blocks[layer], weights.epsilon);
        let (before, after) = room.kept.split_at_mut(layer + 1);
        let kept = &mut before[layer];
        let output = after.first_mut().map_or(&mut room.state, |next| &mut next.input);
        let [heads_inner, output_inner, both_inner, down_inner] = &mut kept.inner;
        let (normed, hidden) = (&mut room.normed, weights.hidden);
        let norm = &block.attention_norm;
        normalise(
            kept.input.all(),
            norm,
            hidden,
            epsilon,
            normed.all_mut(),
            &mut kept.input_scales,
        );
        let input = near.of(normed);
        block.heads.forward(parameters, merged, input, &mut kept.table, heads_inner, false);
        let logarithms = kept.logarithms.chunks_exact_mut(room.texts.logarithms);
        for (text, logarithms) in room.texts.all().zip(logarithms) {
            let (table, mixed) = (text.of(&kept.table), text.of_mut(&mut kept.mixed));
            attend(&mut room.head, &room.angles, text.places, table, mixed, logarithms);
        }
        kept.between.all_mut().copy_from_slice(kept.input.all());
        block.output.forward(
            parameters,
            merged,
            near.of(&kept.mixed),
            &mut kept.between,
            output_inner,
            true,
        );
        let (norm, scales) = (&block.feed_forward_norm, &mut kept.between_scales);
        normalise(kept.between.all(), norm, hidden, epsilon, normed.all_mut(), scales);
        let input = near.of(normed);
        block.gate_up.forward(parameters, merged, input, &mut kept.both, both_inner, false);
        let gated = &mut room.gated;
        open_gate(kept.both.all(), gated.stride, gated.all_mut());
        output.all_mut().copy_from_slice(kept.between.all());
        block.down.forward(parameters, merged, near.of(gated), output, down_inner, true);
    }

    /// Turns `room.gradient` at a block's output into the one at its input.
    fn backward(&mut self, layer: usize, room: &mut Room) {
        let block = &self.weights.blocks[layer];
        let kept = &mut room.kept[layer];
        let Kept { input, table, mixed, between, both, inner, .. } = kept;
        let (gradient, hidden) = (&mut room.gradient, self.weights.hidden);
        let (normed, at_normed) = (&mut room.normed, &mut room.at_normed);
        let (parameters, near, far) = (self.parameters, &mut *self.near, &mut *self.arriving);
        if block.down.trains_a() {
            open_gate(both.all(), room.gated.stride, room.gated.all_mut());
        }
        let mut back = Back { parameters, gradient: self.gradient, merged: self.merged };
        let (read, arriving) = (near.of(&room.gated), far.of(gradient));
        back.through(&block.down, read, &inner[3], arriving, Some(&mut room.at_gated));
        open_gate_back(both.all_mut(), room.at_gated.stride, room.at_gated.all());
        let (epsilon, norm) = (self.weights.epsilon, &block.feed_forward_norm);
        if block.gate_up.trains_a() {
            let scales = &mut kept.between_scales;
            normalise(between.all(), norm, hidden, epsilon, normed.all_mut(), scales);
        }
        back.through(&block.gate_up, near.of(normed), &inner[2], far.of(both), Some(at_normed));
        let scales = &kept.between_scales;
        normalise_back(between.all(), norm, hidden, scales, at_normed.all(), gradient.all_mut());
        let (read, arriving) = (near.of(mixed), far.of(gradient));
        back.through(&block.output, read, &inner[1], arriving, Some(&mut room.at_mixed));
        let logarithms = kept.logarithms.chunks_exact(room.texts.logarithms);
        for (text, logarithms) in room.texts.all().zip(logarithms) {
            let (mixed, arriving) = (text.of(mixed), text.of(&room.at_mixed));
            let (head, table) = (&mut room.head, text.of_mut(table));
            attend_back(head, &room.angles, text.places, table, mixed, arriving, logarithms);
        }
        let norm = &block.attention_norm;
        if block.heads.trains_a() {
            let scales = &mut kept.input_scales;
            normalise(input.all(), norm, hidden, epsilon, normed.all_mut(), scales);
        }
        // Nothing below the first block is trained.
        let below = (layer > 0).then_some(&mut *at_normed);
        back.through(&block.heads, near.of(normed), &inner[0], far.of(table), below);
        if layer > 0 {
            let scales = &kept.input_scales;
            normalise_back(input.all(), norm, hidden, scales, at_normed.all(), gradient.all_mut());
        }
    }
}

/// The loss; the gradient at the last block's output goes to `room.gradient`.
fn output_layer(
    weights: &Weights,
    room: &mut Room,
    near: &Near,
    texts: &Texts<'_>,
    stop: &StopToken,
) -> Result<f64, ModelError> {
    let (hidden, scores, stride) = (weights.hidden, &mut room.scores, room.normed.stride);
    let (state, normed, at_normed) = (&room.state, &mut room.normed, &mut room.at_normed);
    let scales = &mut room.state_scales;
    normalise(state.all(), &weights.norm, hidden, weights.epsilon, normed.all_mut(), scales);
    near.round(normed.all_mut());
    let parts =
        normed.all().chunks(SCORES * stride).zip(at_normed.all_mut().chunks_mut(SCORES * stride));
    let named = texts.targets.chunks(SCORES).zip(texts.weights.chunks(SCORES));
    let mut losses = [0.0; SCORES];
    let mut total = 0.0;
    for ((normed, at_normed), (targets, weight)) in parts.zip(named) {
        stop.check()?;
        let (wide, count) = (scores.stride, targets.len());
        let scores = &mut scores.all_mut()[..count * wide];
        multiply(normed, stride, hidden, &weights.head_columns, scores, wide, false);
        let losses = &mut losses[..count];
        cross_entropy(scores, wide, weights.vocabulary, targets, weight, losses);
        total += losses.iter().map(|&loss| f64::from(loss)).sum::<f64>();
        near.round(scores);
        multiply(scores, wide, wide, &weights.head_rows, at_normed, stride, false);
    }
    let gradient = room.gradient.all_mut();
    gradient.fill(0.0);
    normalise_back(state.all(), &weights.norm, hidden, scales, at_normed.all(), gradient);
    Ok(total)
}
