//! The parameters that are trained and travel: low-rank additions to the projections of a frozen model.
//!
//! LoRA (Hu et al. 2022, arXiv:2106.09685) trains A and B of y += (alpha / rank) · B A x.
//! FFA-LoRA (Sun et al. 2024, arXiv:2403.12313) draws A once and trains B alone, so that the mean of many
//! updates is the update of the mean. A comes from a 32-byte seed through ChaCha20, the same bits on every machine.

use tch::Tensor;

use crate::ModelError;
use crate::config::{Config, Projection};
use crate::random::{generator, uniform};
use crate::transformer::{BlockAdapter, LowRank, Transformer};

/// Which parameters of a low-rank pair are trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterKind {
    /// A is frozen, B is trained.
    FfaLora,
    /// A and B are trained.
    Lora,
}

/// All that decides an adapter's shape and frozen part.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterSpec {
    /// What is trained.
    pub kind: AdapterKind,
    /// Inner dimension of each pair.
    pub rank: usize,
    /// The addition is scaled by alpha / rank.
    pub alpha: f64,
    /// The projections adapted, in every block.
    pub targets: Vec<Projection>,
    /// Draws A.
    pub seed: [u8; 32],
}

/// Shape of one low-rank pair.
pub(crate) struct PairShape {
    pub(crate) layer: usize,
    pub(crate) projection: Projection,
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
}

/// One low-rank pair: A [rank, inputs] and B [outputs, rank], row-major.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) layer: usize,
    pub(crate) projection: Projection,
    pub(crate) a: Vec<f32>,
    pub(crate) b: Vec<f32>,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

/// Low-rank additions to one model, as plain numbers.
///
/// Trained parameters have one fixed order: block by block, in it the targets as q k v o gate up down, of each
/// first A (LoRA only), then B, both row-major.
#[derive(Clone)]
pub struct Adapter {
    spec: AdapterSpec,
    pub(crate) pairs: Vec<Pair>,
}

impl std::fmt::Debug for Adapter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Adapter({:?}, rank {}, {} pairs)",
            self.spec.kind,
            self.spec.rank,
            self.pairs.len()
        )
    }
}

impl AdapterSpec {
    /// Number of trained parameters for a model of this shape: the length of every flat vector.
    pub fn parameter_count(&self, config: &Config) -> usize {
        let of_pair = |pair: &PairShape| match self.kind {
            AdapterKind::FfaLora => pair.outputs * self.rank,
            AdapterKind::Lora => (pair.outputs + pair.inputs) * self.rank,
        };
        self.pairs(config).iter().map(of_pair).sum()
    }

    /// Refuses what no model can have.
    pub fn check(&self) -> Result<(), ModelError> {
        let refuse =
            |key, found: String, expected| Err(ModelError::AdapterSpec { key, found, expected });
        if !(1..=LARGEST_RANK).contains(&self.rank) {
            return refuse("rank", self.rank.to_string(), "from 1 to 1024");
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return refuse("alpha", self.alpha.to_string(), "above 0");
        }
        if self.targets.is_empty() {
            return refuse("targets", "empty".to_owned(), "at least one of q k v o gate up down");
        }
        Ok(())
    }

    /// alpha / rank.
    pub fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }

    /// Every pair, in the order in which parameters travel.
    pub(crate) fn pairs(&self, config: &Config) -> Vec<PairShape> {
        let targets =
            Projection::ALL.into_iter().filter(|projection| self.targets.contains(projection));
        let targets: Vec<Projection> = targets.collect();
        let in_layer = |layer| {
            targets.iter().map(move |&projection| {
                let (outputs, inputs) = config.projection_shape(projection);
                PairShape { layer, projection, outputs, inputs }
            })
        };
        (0..config.layers).flat_map(in_layer).collect()
    }
}

const LARGEST_RANK: usize = 1024;

impl Adapter {
    /// The adapter that changes nothing: A drawn from the seed, B zero.
    pub fn initial(config: &Config, spec: &AdapterSpec) -> Result<Adapter, ModelError> {
        spec.check()?;
        let pair = |shape: PairShape| Pair {
            a: drawn(spec, &shape),
            b: vec![0.0; shape.outputs * spec.rank],
            layer: shape.layer,
            projection: shape.projection,
            inputs: shape.inputs,
            outputs: shape.outputs,
        };
        Ok(Adapter {
            spec: spec.clone(),
            pairs: spec.pairs(config).into_iter().map(pair).collect(),
        })
    }

    /// From trained parameters in their fixed order.
    pub fn from_flat(
        config: &Config,
        spec: &AdapterSpec,
        flat: &[f32],
    ) -> Result<Adapter, ModelError> {
        let mut adapter = Adapter::initial(config, spec)?;
        let expected = spec.parameter_count(config);
        if flat.len() != expected {
            return Err(ModelError::ParameterCount { found: flat.len(), expected });
        }
        if let Some(index) = flat.iter().position(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite { index });
        }
        let mut rest = flat;
        for part in adapter.trained_mut() {
            let (own, after) = rest.split_at(part.len());
            part.copy_from_slice(own);
            rest = after;
        }
        Ok(adapter)
    }

    /// Trained parameters in their fixed order.
    pub fn to_flat(&self) -> Vec<f32> {
        let mut flat = Vec::new();
        for pair in &self.pairs {
            if self.spec.kind == AdapterKind::Lora {
                flat.extend_from_slice(&pair.a);
            }
            flat.extend_from_slice(&pair.b);
        }
        flat
    }

    /// What the adapter was made from.
    pub fn spec(&self) -> &AdapterSpec {
        &self.spec
    }

    fn trained_mut(&mut self) -> Vec<&mut [f32]> {
        let with_a = self.spec.kind == AdapterKind::Lora;
        let parts = self.pairs.iter_mut().flat_map(move |pair| {
            let Pair { a, b, .. } = pair;
            let a = with_a.then_some(a.as_mut_slice());
            a.into_iter().chain(std::iter::once(b.as_mut_slice()))
        });
        parts.collect()
    }

    /// As f32 tensors beside a model's weights, block by block.
    pub(crate) fn on(&self, transformer: &Transformer) -> Result<Vec<BlockAdapter>, ModelError> {
        let flat = Tensor::from_slice(&self.to_flat()).to_device(transformer.device());
        self.over(transformer, &flat)
    }

    /// The same, of which the trained parts are views of `flat` [parameters].
    pub(crate) fn over(
        &self,
        transformer: &Transformer,
        flat: &Tensor,
    ) -> Result<Vec<BlockAdapter>, ModelError> {
        let (rank, mut next) = (self.spec.rank as i64, 0);
        let mut view = |rows: i64, columns: i64| {
            next += rows * columns;
            flat.narrow(0, next - rows * columns, rows * columns).view([rows, columns])
        };
        let mut blocks: Vec<BlockAdapter> =
            (0..transformer.depth()).map(|_| BlockAdapter::default()).collect();
        for pair in &self.pairs {
            let shape = transformer.config.projection_shape(pair.projection);
            let fits = shape == (pair.outputs, pair.inputs);
            let block =
                blocks.get_mut(pair.layer).filter(|_| fits).ok_or(ModelError::AdapterModel)?;
            let (outputs, inputs) = (pair.outputs as i64, pair.inputs as i64);
            let a = match self.spec.kind {
                AdapterKind::Lora => view(rank, inputs),
                AdapterKind::FfaLora => {
                    Tensor::from_slice(&pair.a).view([rank, inputs]).to_device(flat.device())
                }
            };
            let low_rank = LowRank { a, b: view(outputs, rank), scale: self.spec.scale() };
            block[pair.projection as usize] = Some(low_rank);
        }
        let complete = self.pairs.len() == self.spec.pairs(&transformer.config).len();
        if complete { Ok(blocks) } else { Err(ModelError::AdapterModel) }
    }
}

/// A, uniform in ±1/√inputs (as PEFT's Kaiming draw with a = √5), from a stream of its own for each pair: the
/// same whatever else is adapted. Only exact operations and one correctly rounded root, so every machine agrees.
fn drawn(spec: &AdapterSpec, shape: &PairShape) -> Vec<f32> {
    let stream = shape.layer * Projection::ALL.len() + shape.projection as usize;
    let mut numbers = generator(spec.seed, stream as u64);
    let bound = (1.0 / (shape.inputs as f64).sqrt()) as f32;
    (0..spec.rank * shape.inputs).map(|_| (2.0 * uniform(&mut numbers) - 1.0) * bound).collect()
}
