//! The whole forward pass: tokens → hidden states → scores of the next token.
//!
//! RMSNorm (Zhang & Sennrich 2019, arXiv:1910.07467), rotary positions (Su et al. 2021, arXiv:2104.09864),
//! grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245), SwiGLU (Shazeer 2020, arXiv:2002.05202),
//! in the layout of transformers' `LlamaForCausalLM` and `Qwen2ForCausalLM`.
//!
//! Shapes: `b` rows, `t` positions, `h` = `hidden`. Rows are padded on the right; attention is causal, so a
//! padded position never changes one before it.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use crate::ModelError;
use crate::config::{Config, Llama3Scaling, Projection};
use crate::device::Precision;
use crate::multiply::{activations, product};
use crate::stop::StopToken;

/// A linear map: weight [outputs, inputs] and perhaps a bias [outputs].
pub(crate) struct Linear {
    pub(crate) weight: Tensor,
    pub(crate) bias: Option<Tensor>,
}

/// One block: attention, then the feed-forward part.
pub(crate) struct Block {
    pub(crate) attention_norm: Tensor,
    pub(crate) feed_forward_norm: Tensor,
    pub(crate) projections: [Linear; 7],
}

/// A low-rank addition to one projection: y += scale · B (A x). A is [rank, inputs], B is [outputs, rank].
pub(crate) struct LowRank {
    pub(crate) a: Tensor,
    pub(crate) b: Tensor,
    pub(crate) scale: f64,
}

/// The low-rank additions of one block.
pub(crate) type BlockAdapter = [Option<LowRank>; 7];

/// The model's weights with the code that uses them.
pub(crate) struct Transformer {
    pub(crate) config: Config,
    embedding: Tensor,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: Tensor,
    head: Tensor,
}

/// Cosines and sines of the positions of one call, each [t, 1, head_dimension / 2].
pub(crate) struct Rotation {
    cosine: Tensor,
    sine: Tensor,
}

/// Keys and values of the positions seen so far, per block.
pub(crate) struct Cache {
    blocks: Vec<(Tensor, Tensor)>,
    length: i64,
    capacity: i64,
}

impl Transformer {
    /// From tensors whose names and shapes are those of `config.tensors()`.
    pub(crate) fn from_tensors(
        config: Config,
        mut tensors: BTreeMap<String, Tensor>,
    ) -> Transformer {
        let mut take = |name: &str| {
            tensors.remove(name).expect("the loader supplies every tensor of config.tensors()")
        };
        let embedding = take("model.embed_tokens.weight");
        let blocks =
            (0..config.layers).map(|layer| Block::take(&config, layer, &mut take)).collect();
        let norm = take("model.norm.weight");
        let head =
            if config.tied_embeddings { embedding.shallow_clone() } else { take("lm_head.weight") };
        Transformer { config, embedding, blocks, norm, head }
    }

    /// Every weight by name, in canonical order; shares memory with the model.
    pub(crate) fn tensors(&self) -> Vec<(String, Tensor)> {
        let names = self.config.tensors().into_iter().map(|(name, _)| name);
        let mut weights = vec![self.embedding.shallow_clone()];
        for block in &self.blocks {
            weights.push(block.attention_norm.shallow_clone());
            for linear in &block.projections {
                weights.push(linear.weight.shallow_clone());
                weights.extend(linear.bias.as_ref().map(Tensor::shallow_clone));
            }
            weights.push(block.feed_forward_norm.shallow_clone());
        }
        weights.push(self.norm.shallow_clone());
        if !self.config.tied_embeddings {
            weights.push(self.head.shallow_clone());
        }
        names.zip(weights).collect()
    }

    /// The same model with every weight passed through a function (another format, another device, a copy).
    pub(crate) fn map(&self, change: impl Fn(&str, Tensor) -> Tensor) -> Transformer {
        let tensors = self.tensors().into_iter();
        let changed = tensors.map(|(name, tensor)| (name.clone(), change(&name, tensor))).collect();
        Transformer::from_tensors(self.config.clone(), changed)
    }

    /// The same model for another thread; shares memory with this one.
    pub(crate) fn share(&self) -> Transformer {
        self.map(|_, weight| weight)
    }

    /// Where the weights are.
    pub(crate) fn device(&self) -> Device {
        self.embedding.device()
    }

    /// The number format of activations: f32 on a processor, that of the weights elsewhere.
    pub(crate) fn kind(&self) -> Kind {
        activations(self.embedding.kind(), self.device())
    }

    /// The same model with its weights held in another format.
    pub(crate) fn held_in(&self, precision: Precision) -> Transformer {
        self.map(|_, weight| precision.hold(weight))
    }

    /// The embedding [vocabulary, h].
    pub(crate) fn embedding(&self) -> &Tensor {
        &self.embedding
    }

    /// The output layer's weight [vocabulary, h].
    pub(crate) fn head(&self) -> &Tensor {
        &self.head
    }

    /// Number of blocks.
    pub(crate) fn depth(&self) -> usize {
        self.blocks.len()
    }

    /// Tokens [b, t] → [b, t, h].
    pub(crate) fn embed(&self, tokens: &Tensor) -> Tensor {
        Tensor::embedding(&self.embedding, tokens, -1, false, false).to_kind(self.kind())
    }

    /// One block: [b, t, h] → [b, t, h].
    pub(crate) fn block(
        &self,
        layer: usize,
        input: &Tensor,
        rotation: &Rotation,
        adapter: Option<&BlockAdapter>,
        cache: Option<&mut Cache>,
    ) -> Tensor {
        let block = &self.blocks[layer];
        let normed = self.root_mean_square_norm(input, &block.attention_norm);
        let between = input + self.attention(layer, &normed, rotation, adapter, cache);
        let normed = self.root_mean_square_norm(&between, &block.feed_forward_norm);
        let gate = block.project(Projection::Gate, &normed, adapter).silu();
        let up = block.project(Projection::Up, &normed, adapter);
        between + block.project(Projection::Down, &(gate * up), adapter)
    }

    /// The last normalisation: [.., h] → [.., h].
    pub(crate) fn final_norm(&self, input: &Tensor) -> Tensor {
        self.root_mean_square_norm(input, &self.norm)
    }

    /// Scores of the next token in f32: [.., h] → [.., vocabulary].
    pub(crate) fn scores(&self, normed: &Tensor) -> Tensor {
        product(normed, &self.head, None).to_kind(Kind::Float)
    }

    /// All blocks and the last normalisation: [b, t] → [b, t, h].
    pub(crate) fn hidden(
        &self,
        tokens: &Tensor,
        adapter: Option<&[BlockAdapter]>,
        cache: Option<&mut Cache>,
    ) -> Tensor {
        let nobodys = StopToken::new();
        self.hidden_unless_stopped(tokens, adapter, cache, &nobodys)
            .expect("nobody else has this token")
    }

    /// The same, which can be ended between two blocks.
    pub(crate) fn hidden_unless_stopped(
        &self,
        tokens: &Tensor,
        adapter: Option<&[BlockAdapter]>,
        mut cache: Option<&mut Cache>,
        stop: &StopToken,
    ) -> Result<Tensor, ModelError> {
        let positions = tokens.size()[1];
        let start = cache.as_ref().map_or(0, |cache| cache.length);
        let rotation = self.rotation(start, positions);
        let mut state = self.embed(tokens);
        for layer in 0..self.depth() {
            stop.check()?;
            let low_rank = adapter.map(|blocks| &blocks[layer]);
            state = self.block(layer, &state, &rotation, low_rank, cache.as_deref_mut());
        }
        if let Some(cache) = cache {
            cache.length += positions;
        }
        Ok(self.final_norm(&state))
    }

    /// Rotations of `count` positions from `start` on.
    pub(crate) fn rotation(&self, start: i64, count: i64) -> Rotation {
        let frequencies =
            Tensor::from_slice(&inverse_frequencies(&self.config)).to_device(self.device());
        let positions = Tensor::arange_start(start, start + count, (Kind::Float, self.device()));
        let angles = positions.unsqueeze(1) * frequencies.unsqueeze(0);
        let finish = |part: Tensor| part.unsqueeze(1).to_kind(self.kind());
        Rotation { cosine: finish(angles.cos()), sine: finish(angles.sin()) }
    }

    fn root_mean_square_norm(&self, input: &Tensor, weight: &Tensor) -> Tensor {
        input.rms_norm([self.config.hidden as i64], Some(weight), self.config.norm_epsilon)
    }

    fn attention(
        &self,
        layer: usize,
        normed: &Tensor,
        rotation: &Rotation,
        adapter: Option<&BlockAdapter>,
        cache: Option<&mut Cache>,
    ) -> Tensor {
        let block = &self.blocks[layer];
        let (rows, positions) = (normed.size()[0], normed.size()[1]);
        let width = self.config.head_dimension as i64;
        let heads = |projection| {
            block.project(projection, normed, adapter).view([rows, positions, -1, width])
        };
        let query = rotation.apply(&heads(Projection::Query)).transpose(1, 2);
        let key = rotation.apply(&heads(Projection::Key)).transpose(1, 2);
        let value = heads(Projection::Value).transpose(1, 2);
        let grouped = self.config.heads != self.config.key_value_heads;
        let mixed = match cache {
            None => attend(&query, &key, &value, true, grouped),
            Some(cache) => {
                let before = cache.length;
                let (key, value) = cache.extend(layer, &key, &value);
                assert!(
                    before == 0 || positions == 1,
                    "after a first text, the cache takes one token at a time"
                );
                attend(&query, &key, &value, positions > 1, grouped)
            }
        };
        let mixed = mixed.transpose(1, 2).reshape([rows, positions, -1]);
        block.project(Projection::Output, &mixed, adapter)
    }
}

impl Block {
    fn take(config: &Config, layer: usize, take: &mut impl FnMut(&str) -> Tensor) -> Block {
        let prefix = format!("model.layers.{layer}");
        let projections = Projection::ALL.map(|projection| {
            let path = format!("{prefix}.{}", projection.path());
            let bias = config.has_bias(projection).then(|| take(&format!("{path}.bias")));
            Linear { weight: take(&format!("{path}.weight")), bias }
        });
        Block {
            attention_norm: take(&format!("{prefix}.input_layernorm.weight")),
            feed_forward_norm: take(&format!("{prefix}.post_attention_layernorm.weight")),
            projections,
        }
    }

    /// One projection with its low-rank addition, if it has one.
    fn project(
        &self,
        projection: Projection,
        input: &Tensor,
        adapter: Option<&BlockAdapter>,
    ) -> Tensor {
        let linear = &self.projections[projection as usize];
        let base = product(input, &linear.weight, linear.bias.as_ref());
        match adapter.and_then(|adapter| adapter[projection as usize].as_ref()) {
            None => base,
            Some(low_rank) => base + low_rank.apply(input),
        }
    }
}

impl LowRank {
    /// scale · B (A x), computed in the format of x.
    fn apply(&self, input: &Tensor) -> Tensor {
        let (a, b) = self.scaled(input.kind());
        input.linear(&a, None::<Tensor>).linear(&b, None::<Tensor>)
    }

    /// A and scale · B in a format.
    pub(crate) fn scaled(&self, kind: Kind) -> (Tensor, Tensor) {
        (self.a.to_kind(kind), (&self.b * self.scale).to_kind(kind))
    }

    /// The same for another thread; shares memory with this one.
    pub(crate) fn share(&self) -> LowRank {
        LowRank { a: self.a.shallow_clone(), b: self.b.shallow_clone(), scale: self.scale }
    }
}

impl Rotation {
    /// From cosines and sines [t, 1, width / 2].
    #[cfg(test)]
    pub(crate) fn of(cosine: Tensor, sine: Tensor) -> Rotation {
        Rotation { cosine, sine }
    }

    /// The rotation by the opposite angles: the way back through [`Rotation::apply`].
    pub(crate) fn inverse(&self) -> Rotation {
        Rotation { cosine: self.cosine.shallow_clone(), sine: -&self.sine }
    }

    /// As [`Rotation::apply`], written to a place of the same shape whatever its strides; no graph is made.
    pub(crate) fn apply_to(&self, heads: &Tensor, place: &Tensor) {
        let (from, to) = (heads.chunk(2, -1), place.chunk(2, -1));
        let opposite = -&self.sine;
        let mut first = from[0].mul_out(&to[0], &self.cosine);
        let _ = first.addcmul_(&from[1], &opposite);
        let mut second = from[1].mul_out(&to[1], &self.cosine);
        let _ = second.addcmul_(&from[0], &self.sine);
    }

    /// Turns each pair (i, i + width/2) of [b, t, heads, width] by its position's angle.
    pub(crate) fn apply(&self, heads: &Tensor) -> Tensor {
        let halves = heads.chunk(2, -1);
        let (first, second) = (&halves[0], &halves[1]);
        let turned_first = first * &self.cosine - second * &self.sine;
        let turned_second = second * &self.cosine + first * &self.sine;
        Tensor::cat(&[turned_first, turned_second], -1)
    }
}

impl Cache {
    /// Room for `capacity` positions of `rows` texts.
    pub(crate) fn new(transformer: &Transformer, rows: i64, capacity: usize) -> Cache {
        let config = &transformer.config;
        let capacity = capacity as i64;
        let shape = [rows, config.key_value_heads as i64, capacity, config.head_dimension as i64];
        let options = (transformer.kind(), transformer.device());
        let room = || (Tensor::zeros(shape, options), Tensor::zeros(shape, options));
        Cache { blocks: (0..config.layers).map(|_| room()).collect(), length: 0, capacity }
    }

    /// Positions seen so far.
    pub(crate) fn length(&self) -> usize {
        self.length as usize
    }

    /// Keys (rotated) and values of one block, [b, key_value_heads, length, width] each.
    pub(crate) fn filled(&self, layer: usize) -> (Tensor, Tensor) {
        let (keys, values) = &self.blocks[layer];
        (keys.narrow(2, 0, self.length), values.narrow(2, 0, self.length))
    }

    /// Appends keys and values [b, key_value_heads, t, width] of one block; returns all so far.
    fn extend(&mut self, layer: usize, key: &Tensor, value: &Tensor) -> (Tensor, Tensor) {
        let added = key.size()[2];
        let total = self.length + added;
        assert!(
            total <= self.capacity,
            "the generator asks for no more positions than it made room for"
        );
        let (keys, values) = &self.blocks[layer];
        keys.narrow(2, self.length, added).copy_(key);
        values.narrow(2, self.length, added).copy_(value);
        (keys.narrow(2, 0, total), values.narrow(2, 0, total))
    }
}

fn attend(query: &Tensor, key: &Tensor, value: &Tensor, causal: bool, grouped: bool) -> Tensor {
    let mask = None::<Tensor>;
    Tensor::scaled_dot_product_attention(query, key, value, mask, 0.0, causal, None, grouped)
}

/// One frequency for each pair of a head, in radians a position, with Llama 3's stretching where configured.
///
/// In f32 like transformers, so that angles agree at far positions too.
pub(crate) fn inverse_frequencies(config: &Config) -> Vec<f32> {
    let width = config.head_dimension;
    let theta = config.rope.theta as f32;
    let base = (0..width / 2).map(|pair| 1.0 / theta.powf((2 * pair) as f32 / width as f32));
    match config.rope.scaling {
        None => base.collect(),
        Some(scaling) => base.map(|frequency| stretch(frequency, &scaling)).collect(),
    }
}

/// transformers, `modeling_rope_utils._compute_llama3_parameters`.
fn stretch(frequency: f32, scaling: &Llama3Scaling) -> f32 {
    let original = scaling.original_positions as f32;
    let (low, high) = (scaling.low_frequency_factor as f32, scaling.high_frequency_factor as f32);
    let factor = scaling.factor as f32;
    let wavelength = 2.0 * std::f32::consts::PI / frequency;
    if wavelength > original / low {
        return frequency / factor;
    }
    if wavelength < original / high {
        return frequency;
    }
    let smooth = (original / wavelength - low) / (high - low);
    (1.0 - smooth) * frequency / factor + smooth * frequency
}
