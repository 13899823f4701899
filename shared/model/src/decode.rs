//! One token after another on a processor.
//!
//! A step reads every weight once and does little with it, so that memory decides how long it takes. Weights are
//! read where libtorch put them, in the format that they are held in (bf16 is half the bytes), and widened in
//! registers; activations, keys and values are f32. Rows of each map are spread over a few threads of this decoder's
//! own, which sleep when there is nothing to do. The result does not depend on how many there are.

mod attention;
mod map;
mod pointwise;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::ModelError;
use crate::config::{Config, Projection};
use crate::loss::floats;
use crate::memory::Matrix;
use crate::transformer::{BlockAdapter, Cache, Transformer, inverse_frequencies};
use attention::Memory;
use map::{Map, Rows};
use pointwise::{add, angles, normed, open, rotate};

/// A model with an adapter and the positions that it has read so far.
pub(crate) struct Decoder<'a> {
    pool: rayon::ThreadPool,
    weights: Weights<'a>,
    memories: Vec<Memory>,
    length: usize,
}

struct Weights<'a> {
    config: &'a Config,
    embedding: Matrix<'a>,
    blocks: Vec<Block<'a>>,
    norm: Vec<f32>,
    head: Map<'a>,
    frequencies: Vec<f32>,
}

struct Block<'a> {
    attention_norm: Vec<f32>,
    feed_forward_norm: Vec<f32>,
    maps: [Map<'a>; 7],
}

impl<'a> Decoder<'a> {
    /// A decoder with room for `capacity` positions; None for weights that are not in the processor's memory.
    pub(crate) fn new(
        transformer: &'a Transformer,
        adapter: Option<&[BlockAdapter]>,
        capacity: usize,
        threads: usize,
    ) -> Result<Option<Decoder<'a>>, ModelError> {
        let Some(weights) = Weights::of(transformer, adapter) else { return Ok(None) };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|index| format!("generation {index}"))
            .build()
            .map_err(|source| ModelError::Thread { source: std::io::Error::other(source) })?;
        let config = &transformer.config;
        let memories = (0..config.layers).map(|_| Memory::new(config, capacity)).collect();
        Ok(Some(Decoder { pool, weights, memories, length: 0 }))
    }

    /// Goes on from what libtorch has read.
    pub(crate) fn take(&mut self, cache: &Cache) {
        for (layer, memory) in self.memories.iter_mut().enumerate() {
            let (keys, values) = cache.filled(layer);
            memory.fill(&keys, &values);
        }
        self.length = cache.length();
    }

    /// Positions read so far.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Scores of the token after `token`, which stands at the next position: [vocabulary].
    pub(crate) fn step(&mut self, token: u32) -> Vec<f32> {
        let Decoder { pool, weights, memories, length } = self;
        *length += 1;
        pool.install(|| weights.step(token, *length, memories))
    }

    /// Scores for a state after the last normalisation: [h] → [vocabulary].
    pub(crate) fn scores(&self, state: &[f32]) -> Vec<f32> {
        self.pool.install(|| self.weights.head.apply(state))
    }
}

impl<'a> Weights<'a> {
    fn of(transformer: &'a Transformer, adapter: Option<&[BlockAdapter]>) -> Option<Weights<'a>> {
        let block = |layer: usize| {
            let block = &transformer.blocks[layer];
            let low_rank = |projection: Projection| {
                adapter.and_then(|blocks| blocks[layer][projection as usize].as_ref())
            };
            let map = |projection: Projection| {
                Map::of(&block.projections[projection as usize], low_rank(projection))
            };
            let [q, k, v, o, gate, up, down] = Projection::ALL.map(map);
            Some(Block {
                attention_norm: floats(&block.attention_norm),
                feed_forward_norm: floats(&block.feed_forward_norm),
                maps: [q?, k?, v?, o?, gate?, up?, down?],
            })
        };
        Some(Weights {
            config: &transformer.config,
            embedding: Matrix::of(transformer.embedding())?,
            blocks: (0..transformer.depth()).map(block).collect::<Option<_>>()?,
            norm: floats(&transformer.norm),
            head: Map::plain(Matrix::of(transformer.head())?),
            frequencies: inverse_frequencies(&transformer.config),
        })
    }

    /// One position, the `length`-th, through the whole model.
    fn step(&self, token: u32, length: usize, memories: &mut [Memory]) -> Vec<f32> {
        let angles = angles(&self.frequencies, length - 1);
        let mut state = self.embedding.row(token as usize);
        for (block, memory) in self.blocks.iter().zip(memories) {
            let epsilon = self.config.norm_epsilon;
            let input = normed(&state, &block.attention_norm, epsilon);
            let [mut query, mut key, value] = block.heads(&input);
            rotate(&mut query, &angles);
            rotate(&mut key, &angles);
            memory.put(length - 1, &key, &value);
            let mixed = memory.attend(&query, length);
            add(&mut state, &block.map(Projection::Output).apply(&mixed));
            let input = normed(&state, &block.feed_forward_norm, epsilon);
            let opened = block.opened(&input);
            add(&mut state, &block.map(Projection::Down).apply(&opened));
        }
        self.head.apply(&normed(&state, &self.norm, self.config.norm_epsilon))
    }
}

impl Block<'_> {
    fn map(&self, projection: Projection) -> &Map<'_> {
        &self.maps[projection as usize]
    }

    /// Query, key and value of one position, all spread over the threads together.
    fn heads(&self, input: &[f32]) -> [Vec<f32>; 3] {
        let maps = [Projection::Query, Projection::Key, Projection::Value].map(|one| self.map(one));
        let inners = maps.map(|map| map.inner(input));
        let mut outputs = maps.map(|map| vec![0.0; map.outputs()]);
        let parts = maps.into_iter().zip(&inners).zip(&mut outputs);
        let pieces: Vec<Rows<'_>> =
            parts.flat_map(|((map, inner), output)| map.pieces(input, inner, output)).collect();
        pieces.into_par_iter().for_each(|rows| {
            rows.fill();
        });
        outputs
    }

    /// silu(gate) · up: each thread opens the gates that it has computed.
    fn opened(&self, input: &[f32]) -> Vec<f32> {
        let (gate, up) = (self.map(Projection::Gate), self.map(Projection::Up));
        let (inner_gate, inner_up) = (gate.inner(input), up.inner(input));
        let (mut gates, mut ups) = (vec![0.0; gate.outputs()], vec![0.0; up.outputs()]);
        let gate_pieces = gate.pieces(input, &inner_gate, &mut gates);
        let up_pieces = up.pieces(input, &inner_up, &mut ups);
        let pieces: Vec<_> = gate_pieces.into_iter().zip(up_pieces).collect();
        pieces.into_par_iter().for_each(|(gate, up)| open(gate.fill(), up.fill()));
        gates
    }
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::Decoder;
    use crate::adapter::AdapterKind;
    use crate::config::Projection;
    use crate::device::Precision;
    use crate::loss::floats;
    use crate::multiply::multiplies_bf16;
    use crate::samples;
    use crate::transformer::{BlockAdapter, Cache, Transformer};

    const TOKENS: [u32; 11] = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9];
    /// As many are read by libtorch.
    const READ: usize = 4;

    fn row(tokens: &[u32]) -> Tensor {
        let tokens: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
        Tensor::from_slice(&tokens).unsqueeze(0)
    }

    /// Scores after each token from the one that is read last on.
    fn decoded(model: &Transformer, adapter: Option<&[BlockAdapter]>, threads: usize) -> Vec<f32> {
        let mut decoder = Decoder::new(model, adapter, TOKENS.len(), threads).unwrap().unwrap();
        let mut cache = Cache::new(model, 1, READ);
        let read = model.hidden(&row(&TOKENS[..READ]), adapter, Some(&mut cache));
        decoder.take(&cache);
        let mut scores = decoder.scores(&floats(&read.select(1, READ as i64 - 1)));
        scores.extend(TOKENS[READ..].iter().flat_map(|&token| decoder.step(token)));
        assert_eq!(decoder.length(), TOKENS.len());
        scores
    }

    #[test]
    fn steps_score_like_libtorch_whatever_the_number_of_threads() {
        for precision in [Precision::F32, Precision::Bf16] {
            let model = samples::transformer().held_in(precision);
            let low_rank = samples::adapter(&model, AdapterKind::Lora, &Projection::ALL);
            let low_rank = low_rank.on(&model).unwrap();
            for adapter in [None, Some(&low_rank[..])] {
                let whole = model.scores(&model.hidden(&row(&TOKENS), adapter, None));
                let expected = floats(&whole.narrow(1, READ as i64 - 1, 8));
                let found = decoded(&model, adapter, 1);
                assert_eq!(found.len(), expected.len());
                let pairs = found.iter().zip(&expected);
                let distance = pairs.map(|(left, right)| (left - right).abs()).fold(0.0, f32::max);
                // A processor with bf16 instructions rounds activations in libtorch, too.
                let rounded = precision == Precision::Bf16 && multiplies_bf16();
                let near = if rounded { 0.2 } else { 2e-5 };
                assert!(
                    distance < near,
                    "{precision:?}, adapter {}: {distance}",
                    adapter.is_some()
                );
                for threads in [2, 5] {
                    assert!(found == decoded(&model, adapter, threads), "{threads} threads");
                }
            }
        }
    }
}
