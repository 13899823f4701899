//! A model's frozen weights and an adapter's frozen parts, laid out for the kernels; shared by all threads.

use super::bundle::{A, Bundle, Given, Pair};
use crate::config::{Config, Projection};
use crate::device::Precision;
use crate::group::layout::{self, Layout};
use crate::kernels::attention::Angles;
use crate::kernels::lanes::{Line, padded};
use crate::kernels::product::panels;
use crate::loss::floats;
use crate::transformer::{Transformer, inverse_frequencies};

/// All of a model.
pub(in crate::group) struct Weights {
    pub(super) hidden: usize,
    pub(super) intermediate: usize,
    pub(super) heads: usize,
    pub(super) key_heads: usize,
    /// Of one head.
    pub(super) width: usize,
    pub(super) vocabulary: usize,
    pub(super) epsilon: f32,
    /// What the matrices are rounded to, and what they are multiplied by is to be.
    pub(super) precision: Precision,
    /// [vocabulary, hidden]
    pub(super) embedding: Vec<f32>,
    pub(super) blocks: Vec<Block>,
    pub(super) norm: Vec<f32>,
    /// Panels of the vocabulary, `hidden` lines each.
    pub(super) head_columns: Vec<Line>,
    /// Panels of the hidden width, a line for each padded number of the vocabulary.
    pub(super) head_rows: Vec<Line>,
    frequencies: Vec<f32>,
}

/// One block's; norms are padded.
pub(super) struct Block {
    pub(super) attention_norm: Vec<f32>,
    pub(super) feed_forward_norm: Vec<f32>,
    /// q, k and v.
    pub(super) heads: Bundle,
    pub(super) output: Bundle,
    pub(super) gate_up: Bundle,
    pub(super) down: Bundle,
}

impl Weights {
    pub(in crate::group) fn new(
        model: &Transformer,
        layout: &Layout,
        precision: Precision,
    ) -> Weights {
        let config = &model.config;
        let (hidden, vocabulary) = (config.hidden, config.vocabulary);
        let head = floats(model.head());
        let row = |k: usize, column: usize| {
            if k < vocabulary { head[k * hidden + column] } else { 0.0 }
        };
        Weights {
            hidden,
            intermediate: config.intermediate,
            heads: config.heads,
            key_heads: config.key_value_heads,
            width: config.head_dimension,
            vocabulary,
            epsilon: config.norm_epsilon as f32,
            precision,
            embedding: floats(model.embedding()),
            blocks: (0..model.depth()).map(|layer| Block::new(model, layout, layer)).collect(),
            norm: padded_floats(&model.norm),
            head_columns: panels(hidden, vocabulary, |k, column| head[column * hidden + k]),
            head_rows: panels(padded(vocabulary), hidden, row),
            frequencies: inverse_frequencies(config),
        }
    }

    /// Of so many positions.
    pub(super) fn angles(&self, positions: usize) -> Angles {
        let of = |position: usize| {
            self.frequencies.iter().map(move |frequency| position as f32 * frequency)
        };
        let all: Vec<f32> = (0..positions).flat_map(of).collect();
        Angles {
            cosines: all.iter().map(|angle| angle.cos()).collect(),
            sines: all.iter().map(|angle| angle.sin()).collect(),
        }
    }
}

impl Block {
    fn new(model: &Transformer, layout: &Layout, layer: usize) -> Block {
        let block = &model.blocks[layer];
        let bundle = |projections: &[Projection]| {
            let (_, inputs) = model.config.projection_shape(projections[0]);
            let given = projections
                .iter()
                .map(|&projection| given(&model.config, block, layout, layer, projection));
            Bundle::new(inputs, given.collect())
        };
        Block {
            attention_norm: padded_floats(&block.attention_norm),
            feed_forward_norm: padded_floats(&block.feed_forward_norm),
            heads: bundle(&[Projection::Query, Projection::Key, Projection::Value]),
            output: bundle(&[Projection::Output]),
            gate_up: bundle(&[Projection::Gate, Projection::Up]),
            down: bundle(&[Projection::Down]),
        }
    }
}

fn given(
    config: &Config,
    block: &crate::transformer::Block,
    layout: &Layout,
    layer: usize,
    projection: Projection,
) -> Given {
    let linear = &block.projections[projection as usize];
    let slot = layout.slots(layer)[projection as usize].as_ref();
    let pair = slot.map(|slot| Pair {
        rank: slot.rank as usize,
        scale: slot.scale as f32,
        a: match slot.origin() {
            layout::A::Frozen(a) => A::Frozen(floats(a)),
            layout::A::Trained(offset) => A::Trained(*offset as usize),
        },
        b: slot.b_offset(),
        inner: 0,
    });
    Given {
        weight: floats(&linear.weight),
        outputs: config.projection_shape(projection).0,
        bias: linear.bias.as_ref().map(floats),
        pair,
    }
}

fn padded_floats(weight: &tch::Tensor) -> Vec<f32> {
    let mut values = floats(weight);
    values.resize(padded(values.len()), 0.0);
    values
}
