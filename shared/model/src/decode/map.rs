//! A linear map with its low-rank addition, for one row of activations.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::loss::floats;
use crate::memory::{Matrix, Numbers};
use crate::transformer::{Linear, LowRank};
use crate::vector::{Kernel, Stored, dot, run};

/// y = W x + bias + scale · B (A x). W stays in the format that it is held in; each number is widened when used.
pub(super) struct Map<'a> {
    weight: Matrix<'a>,
    bias: Option<Vec<f32>>,
    pair: Option<Pair>,
}

/// A [rank, inputs] and scale · B [outputs, rank], row-major.
struct Pair {
    a: Vec<f32>,
    b: Vec<f32>,
    rank: usize,
}

/// Some outputs of one map: a piece of work for one thread.
pub(super) struct Rows<'w> {
    map: &'w Map<'w>,
    input: &'w [f32],
    /// A x.
    inner: &'w [f32],
    first: usize,
    output: &'w mut [f32],
}

impl<'a> Map<'a> {
    /// None where the weight is not in the processor's memory.
    pub(super) fn of(linear: &'a Linear, low_rank: Option<&LowRank>) -> Option<Map<'a>> {
        let pair = low_rank.map(|low_rank| Pair {
            a: floats(&low_rank.a),
            b: floats(&(&low_rank.b * low_rank.scale)),
            rank: low_rank.a.size()[0] as usize,
        });
        let bias = linear.bias.as_ref().map(floats);
        Some(Map { weight: Matrix::of(&linear.weight)?, bias, pair })
    }

    /// A map that is nothing but a weight.
    pub(super) fn plain(weight: Matrix<'a>) -> Map<'a> {
        Map { weight, bias: None, pair: None }
    }

    pub(super) fn outputs(&self) -> usize {
        self.weight.outputs()
    }

    /// A x, of which each output needs a product with its row of B. Empty without a pair.
    pub(super) fn inner(&self, input: &[f32]) -> Vec<f32> {
        let Some(pair) = &self.pair else { return Vec::new() };
        let mut inner = vec![0.0; pair.rank];
        run(Products { rows: &pair.a, input, output: &mut inner });
        inner
    }

    /// All outputs, in pieces of about [`PIECE`] weights.
    pub(super) fn pieces<'w>(
        &'w self,
        input: &'w [f32],
        inner: &'w [f32],
        output: &'w mut [f32],
    ) -> Vec<Rows<'w>> {
        let height = (PIECE / self.weight.inputs).max(1);
        let chunks = output.chunks_mut(height).enumerate();
        let piece =
            |(index, output)| Rows { map: self, input, inner, first: index * height, output };
        chunks.map(piece).collect()
    }

    /// All outputs, by all threads of the pool that this runs in.
    pub(super) fn apply(&self, input: &[f32]) -> Vec<f32> {
        let inner = self.inner(input);
        let mut output = vec![0.0; self.outputs()];
        self.pieces(input, &inner, &mut output).into_par_iter().for_each(|rows| {
            rows.fill();
        });
        output
    }
}

impl<'w> Rows<'w> {
    /// Computes the outputs and gives them back.
    pub(super) fn fill(self) -> &'w mut [f32] {
        let Rows { map, input, inner, first, output } = self;
        let range = first * map.weight.inputs..(first + output.len()) * map.weight.inputs;
        match map.weight.numbers {
            Numbers::F32(rows) => run(Products { rows: &rows[range], input, output: &mut *output }),
            Numbers::Bf16(rows) => {
                run(Products { rows: &rows[range], input, output: &mut *output })
            }
        }
        if let Some(bias) = &map.bias {
            let bias = &bias[first..];
            output.iter_mut().zip(bias).for_each(|(output, bias)| *output += bias);
        }
        if let Some(pair) = &map.pair {
            let rows = pair.b[first * pair.rank..].chunks_exact(pair.rank);
            let addition = |row: &[f32]| -> f32 { row.iter().zip(inner).map(|(b, x)| b * x).sum() };
            output.iter_mut().zip(rows).for_each(|(output, row)| *output += addition(row));
        }
        output
    }
}

/// The product of each row with `input`.
struct Products<'a, W> {
    rows: &'a [W],
    input: &'a [f32],
    output: &'a mut [f32],
}

impl<W: Stored> Kernel for Products<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let rows = self.rows.chunks_exact(self.input.len());
        for (output, row) in self.output.iter_mut().zip(rows) {
            *output = dot::<FUSED, W>(row, self.input);
        }
    }
}

/// Weights of one piece of work: a few microseconds of reading from memory.
const PIECE: usize = 1 << 15;
