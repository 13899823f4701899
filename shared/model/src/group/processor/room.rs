//! Room for the activations of one part, used again and again.

use super::Texts;
use super::weights::Weights;
use crate::kernels::attention::{Angles, Head, Places};
use crate::kernels::lanes::padded;
use crate::kernels::rows::Rows;

/// Rows whose scores are held at once.
pub(super) const SCORES: usize = 96;

pub(super) struct Room {
    pub(super) texts: Shape,
    pub(super) kept: Vec<Kept>,
    /// The last block's output, and the scales of its normalisation.
    pub(super) state: Rows,
    pub(super) state_scales: Vec<f32>,
    pub(super) normed: Rows,
    pub(super) gated: Rows,
    pub(super) gradient: Rows,
    pub(super) at_normed: Rows,
    pub(super) at_mixed: Rows,
    pub(super) at_gated: Rows,
    pub(super) scores: Rows,
    pub(super) head: Head,
    pub(super) angles: Angles,
}

/// What one block keeps for the way back; a row for each token.
pub(super) struct Kept {
    pub(super) input: Rows,
    pub(super) input_scales: Vec<f32>,
    /// q, k and v beside each other; on the way back their gradients.
    pub(super) table: Rows,
    pub(super) logarithms: Vec<f32>,
    pub(super) mixed: Rows,
    pub(super) between: Rows,
    pub(super) between_scales: Vec<f32>,
    /// Gate and up beside each other; on the way back their gradients.
    pub(super) both: Rows,
    /// A x of the four bundles.
    pub(super) inner: [Rows; 4],
}

/// How a part's tokens are rows of text, and a row of the table heads.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    rows: usize,
    positions: usize,
    groups: usize,
    /// Of the first group of heads.
    places: Places,
    /// From a group's columns to the next one's: query and mixed, key and value.
    steps: (usize, usize),
    /// Logarithms of one group of heads in one text.
    pub(super) logarithms: usize,
}

/// One text's rows and one group of heads in them.
pub(super) struct Text {
    first: usize,
    positions: usize,
    pub(super) places: Places,
}

impl Room {
    pub(super) fn new(weights: &Weights, texts: &Texts<'_>) -> Room {
        let tokens = texts.tokens.len();
        let rows = |width: usize| Rows::new(tokens, width);
        let (mixed, hidden) = (weights.heads * weights.width, weights.hidden);
        Room {
            texts: Shape::new(weights, tokens / texts.length, texts.length),
            kept: weights.blocks.iter().map(|block| Kept::new(weights, block, tokens)).collect(),
            state: rows(hidden),
            state_scales: vec![0.0; tokens],
            normed: rows(hidden),
            gated: rows(weights.intermediate),
            gradient: rows(hidden),
            at_normed: rows(hidden),
            at_mixed: rows(mixed),
            at_gated: rows(weights.intermediate),
            scores: Rows::new(SCORES.min(tokens), weights.vocabulary),
            head: Head::new(texts.length, weights.width),
            angles: weights.angles(texts.length),
        }
    }

    pub(super) fn fits(&self, texts: &Texts<'_>) -> bool {
        let Shape { rows, positions, .. } = self.texts;
        positions == texts.length && rows * positions == texts.tokens.len()
    }

    /// The first block's input.
    pub(super) fn embed(&mut self, weights: &Weights, tokens: &[i64]) {
        let input = &mut self.kept.first_mut().map_or(&mut self.state, |kept| &mut kept.input);
        let (stride, hidden) = (input.stride, weights.hidden);
        for (row, &token) in input.all_mut().chunks_exact_mut(stride).zip(tokens) {
            row[..hidden].copy_from_slice(&weights.embedding[token as usize * hidden..][..hidden]);
        }
    }
}

impl Kept {
    fn new(weights: &Weights, block: &super::weights::Block, tokens: usize) -> Kept {
        let rows = |width: usize| Rows::new(tokens, width);
        let (hidden, mixed) = (weights.hidden, weights.heads * weights.width);
        let bundles = [&block.heads, &block.output, &block.gate_up, &block.down];
        Kept {
            input: rows(hidden),
            input_scales: vec![0.0; tokens],
            table: rows(block.heads.outputs),
            logarithms: vec![0.0; tokens * weights.heads],
            mixed: rows(mixed),
            between: rows(hidden),
            between_scales: vec![0.0; tokens],
            both: rows(block.gate_up.outputs),
            inner: bundles.map(|bundle| rows(bundle.inner)),
        }
    }
}

impl Shape {
    fn new(weights: &Weights, rows: usize, positions: usize) -> Shape {
        let (width, groups) = (weights.width, weights.key_heads);
        let queries = weights.heads / groups;
        let (mixed, keys) = (padded(weights.heads * width), padded(groups * width));
        let places = Places {
            query: 0,
            key: mixed,
            value: mixed + keys,
            table_stride: mixed + 2 * keys,
            mixed: 0,
            mixed_stride: mixed,
        };
        let steps = (queries * width, width);
        Shape { rows, positions, groups, places, steps, logarithms: queries * positions }
    }

    /// Every group of heads of every text.
    pub(super) fn all(self) -> impl Iterator<Item = Text> {
        let Shape { rows, positions, groups, places, steps, .. } = self;
        (0..rows * groups).map(move |index| {
            let (text, group) = (index / groups, index % groups);
            let places = Places {
                query: places.query + group * steps.0,
                mixed: places.mixed + group * steps.0,
                key: places.key + group * steps.1,
                value: places.value + group * steps.1,
                ..places
            };
            Text { first: text * positions, positions, places }
        })
    }
}

impl Text {
    /// Its rows of a table.
    pub(super) fn of<'a>(&self, rows: &'a Rows) -> &'a [f32] {
        &rows.all()[self.first * rows.stride..][..self.positions * rows.stride]
    }

    /// The same, to be changed.
    pub(super) fn of_mut<'a>(&self, rows: &'a mut Rows) -> &'a mut [f32] {
        let stride = rows.stride;
        &mut rows.all_mut()[self.first * stride..][..self.positions * stride]
    }
}
