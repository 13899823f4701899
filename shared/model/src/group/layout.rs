//! Where each low-rank pair stands in a node's flat vector of trained parameters.

use tch::{Device, Tensor};

use crate::ModelError;
use crate::adapter::{Adapter, AdapterKind, AdapterSpec};
use crate::config::Config;

/// The pairs of one adapter specification on one shape of model, with the frozen parts.
pub(super) struct Layout {
    /// By block, then by projection.
    blocks: Vec<[Option<Slot>; 7]>,
    /// Trained parameters of one node.
    pub(super) dimension: usize,
}

/// One pair. Offsets count from the start of a node's flat vector.
pub(super) struct Slot {
    pub(super) rank: i64,
    pub(super) inputs: i64,
    pub(super) outputs: i64,
    /// The addition is scale · B A.
    pub(super) scale: f64,
    a: A,
    b: i64,
}

/// Where A comes from.
pub(super) enum A {
    /// One for everybody: [rank, inputs].
    Frozen(Tensor),
    /// Each node's own, at this offset.
    Trained(i64),
}

impl Layout {
    pub(super) fn new(
        config: &Config,
        spec: &AdapterSpec,
        device: Device,
    ) -> Result<Layout, ModelError> {
        let drawn = Adapter::initial(config, spec)?;
        let rank = spec.rank as i64;
        let mut blocks: Vec<[Option<Slot>; 7]> =
            (0..config.layers).map(|_| Default::default()).collect();
        let mut next = 0;
        for pair in &drawn.pairs {
            let (inputs, outputs) = (pair.inputs as i64, pair.outputs as i64);
            let a = match spec.kind {
                AdapterKind::FfaLora => {
                    A::Frozen(Tensor::from_slice(&pair.a).view([rank, inputs]).to_device(device))
                }
                AdapterKind::Lora => {
                    next += rank * inputs;
                    A::Trained(next - rank * inputs)
                }
            };
            let slot = Slot { rank, inputs, outputs, scale: spec.scale(), a, b: next };
            next += outputs * rank;
            blocks[pair.layer][pair.projection as usize] = Some(slot);
        }
        Ok(Layout { blocks, dimension: next as usize })
    }

    pub(super) fn slots(&self, layer: usize) -> &[Option<Slot>; 7] {
        &self.blocks[layer]
    }

    /// The same for another thread; shares the frozen parts.
    pub(super) fn share(&self) -> Layout {
        let blocks = self
            .blocks
            .iter()
            .map(|block| block.each_ref().map(|slot| slot.as_ref().map(Slot::share)));
        Layout { blocks: blocks.collect(), dimension: self.dimension }
    }
}

impl Slot {
    /// A of every node, [nodes, rank, inputs]: a view of `flat` [nodes, dimension], or the frozen one repeated.
    pub(super) fn a(&self, flat: &Tensor) -> Tensor {
        let shape = [flat.size()[0], self.rank, self.inputs];
        match &self.a {
            A::Frozen(a) => a.unsqueeze(0).expand(shape, false),
            A::Trained(offset) => flat.narrow(1, *offset, self.rank * self.inputs).view(shape),
        }
    }

    /// B of every node, [nodes, outputs, rank]: a view of `flat` [nodes, dimension].
    pub(super) fn b(&self, flat: &Tensor) -> Tensor {
        let nodes = flat.size()[0];
        flat.narrow(1, self.b, self.outputs * self.rank).view([nodes, self.outputs, self.rank])
    }

    /// Whether each node has an A of its own.
    pub(super) fn trains_a(&self) -> bool {
        matches!(self.a, A::Trained(_))
    }

    /// Where A comes from.
    pub(super) fn origin(&self) -> &A {
        &self.a
    }

    /// Where a node's B begins in its flat vector.
    pub(super) fn b_offset(&self) -> usize {
        self.b as usize
    }

    fn share(&self) -> Slot {
        let a = match &self.a {
            A::Frozen(a) => A::Frozen(a.shallow_clone()),
            A::Trained(offset) => A::Trained(*offset),
        };
        Slot { a, ..*self }
    }
}
