//! Causal attention with rotary positions, forth and back.
//!
//! On a processor by libtorch's blockwise kernel (Dao et al. 2022, FlashAttention): scores are never held, and the way
//! back recomputes them from the logarithms of the sums. Elsewhere the shares are held whole. Groups of query heads
//! share a key head (Ainslie et al. 2023): keys are repeated when used, and the gradients of the repetitions added.

use tch::{Kind, Tensor};

use crate::transformer::{Rotation, Transformer};

/// What attention keeps for the way back: [s, heads, t, width] each, after rotation, keys and values not repeated.
pub(crate) struct Attended {
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mixed: Tensor,
    weighing: Weighing,
}

/// How the values were weighed.
enum Weighing {
    /// Logarithms of the sums, [s, heads, t].
    Blockwise(Tensor),
    /// The shares themselves, [s, heads, t, t].
    Whole(Tensor),
}

/// The shapes that turn rows of a projection into heads. `t` positions a row.
pub(crate) struct Heads {
    positions: i64,
    heads: i64,
    key_heads: i64,
    width: i64,
    forth: Rotation,
    back: Rotation,
    blockwise: bool,
}

impl Heads {
    pub(crate) fn new(model: &Transformer, positions: i64) -> Heads {
        let rotation = model.rotation(0, positions);
        Heads {
            positions,
            heads: model.config.heads as i64,
            key_heads: model.config.key_value_heads as i64,
            width: model.config.head_dimension as i64,
            back: rotation.inverse(),
            forth: rotation,
            blockwise: model.device() == tch::Device::Cpu,
        }
    }

    /// As on a device that is not the processor.
    #[cfg(test)]
    pub(crate) fn elsewhere(self) -> Heads {
        Heads { blockwise: false, ..self }
    }

    /// q [n, heads · width], k and v [n, key heads · width] → mixed values [n, heads · width].
    pub(crate) fn forward(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
    ) -> (Tensor, Attended) {
        let (query, key) = (self.turned(query), self.turned(key));
        let value = self.split(value).transpose(1, 2);
        let (mixed, weighing) = match self.blockwise {
            true => self.mix_blockwise(&query, &key, &value),
            false => self.mix_whole(&query, &key, &value),
        };
        let attended = Attended { query, key, value, mixed, weighing };
        (self.mixed(&attended), attended)
    }

    /// What [`Heads::forward`] found: [n, heads · width].
    pub(crate) fn mixed(&self, kept: &Attended) -> Tensor {
        self.joined(&kept.mixed)
    }

    /// Gradients at q, k and v, shaped as in [`Heads::forward`], from the gradient at the mixed values.
    pub(crate) fn backward(&self, kept: Attended, gradient: &Tensor) -> [Tensor; 3] {
        let gradient = self.split(gradient).transpose(1, 2);
        let [query, key, value] = match &kept.weighing {
            Weighing::Blockwise(sums) => self.back_blockwise(&kept, sums, &gradient),
            Weighing::Whole(shares) => self.back_whole(&kept, shares, &gradient),
        };
        let (key, value) = (self.gathered(&key), self.gathered(&value));
        [self.turned_back(&query), self.turned_back(&key), self.joined(&value)]
    }

    fn mix_blockwise(&self, query: &Tensor, key: &Tensor, value: &Tensor) -> (Tensor, Weighing) {
        let (key, value) = (self.repeated(key), self.repeated(value));
        let mask = None::<Tensor>;
        let (mixed, sums) = Tensor::internal_scaled_dot_product_flash_attention_for_cpu(
            query, &key, &value, 0.0, true, mask, None,
        );
        (mixed, Weighing::Blockwise(sums))
    }

    fn back_blockwise(&self, kept: &Attended, sums: &Tensor, gradient: &Tensor) -> [Tensor; 3] {
        let (key, value) = (self.repeated(&kept.key), self.repeated(&kept.value));
        let (query, key, value) =
            Tensor::internal_scaled_dot_product_flash_attention_for_cpu_backward(
                gradient,
                &kept.query,
                &key,
                &value,
                &kept.mixed,
                sums,
                0.0,
                true,
                None::<Tensor>,
                None,
            );
        [query, key, value]
    }

    fn mix_whole(&self, query: &Tensor, key: &Tensor, value: &Tensor) -> (Tensor, Weighing) {
        let options = (Kind::Bool, query.device());
        let later = Tensor::ones([self.positions, self.positions], options).triu(1);
        let scores = query.matmul(&self.repeated(key).transpose(2, 3)) * self.scale();
        let scores = scores.masked_fill(&later, f64::NEG_INFINITY);
        let shares = scores.softmax(-1, Kind::Float).to_kind(query.kind());
        (shares.matmul(&self.repeated(value)), Weighing::Whole(shares))
    }

    /// With P the shares and dP = dO Vᵀ, the gradient at the scores is P ∘ (dP − the rows' sums of dP ∘ P).
    fn back_whole(&self, kept: &Attended, shares: &Tensor, gradient: &Tensor) -> [Tensor; 3] {
        let at_shares = gradient.matmul(&self.repeated(&kept.value).transpose(2, 3));
        let along = (&at_shares * shares).sum_dim_intlist([-1i64].as_slice(), true, None);
        let at_scores = (at_shares - along) * shares * self.scale();
        [
            at_scores.matmul(&self.repeated(&kept.key)),
            at_scores.transpose(2, 3).matmul(&kept.query),
            shares.transpose(2, 3).matmul(gradient),
        ]
    }

    fn scale(&self) -> f64 {
        1.0 / (self.width as f64).sqrt()
    }

    /// [n, heads · width] → [s, heads, t, width], rotated.
    fn turned(&self, rows: &Tensor) -> Tensor {
        let heads = self.split(rows);
        let (shape, options) = (heads.size(), (heads.kind(), heads.device()));
        let place = Tensor::empty([shape[0], shape[2], shape[1], shape[3]], options);
        self.forth.apply_to(&heads, &place.transpose(1, 2));
        place
    }

    /// [s, heads, t, width] → [n, heads · width], rotated back.
    fn turned_back(&self, heads: &Tensor) -> Tensor {
        let heads = heads.transpose(1, 2);
        let place = Tensor::empty(heads.size(), (heads.kind(), heads.device()));
        self.back.apply_to(&heads, &place);
        place.view([-1, heads.size()[2] * self.width])
    }

    /// [n, heads · width] → [s, t, heads, width].
    fn split(&self, rows: &Tensor) -> Tensor {
        rows.view([-1, self.positions, rows.size()[1] / self.width, self.width])
    }

    /// [s, heads, t, width] → [n, heads · width].
    fn joined(&self, heads: &Tensor) -> Tensor {
        heads.transpose(1, 2).reshape([-1, heads.size()[1] * self.width])
    }

    /// Each key head once for every query head that reads it.
    fn repeated(&self, heads: &Tensor) -> Tensor {
        if self.heads == self.key_heads {
            return heads.shallow_clone();
        }
        let times = self.heads / self.key_heads;
        let apart = [heads.size()[0], self.key_heads, times, self.positions, self.width];
        heads.unsqueeze(2).expand(apart, false).reshape([
            -1,
            self.heads,
            self.positions,
            self.width,
        ])
    }

    /// The way back through [`Heads::repeated`]: a sum.
    fn gathered(&self, heads: &Tensor) -> Tensor {
        if self.heads == self.key_heads {
            return heads.shallow_clone();
        }
        let times = self.heads / self.key_heads;
        let apart = [heads.size()[0], self.key_heads, times, self.positions, self.width];
        heads.reshape(apart).sum_dim_intlist([2i64].as_slice(), false, None)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::Heads;
    use crate::transformer::Rotation;

    fn heads(angles: &Tensor, blockwise: bool) -> Heads {
        let forth = Rotation::of(angles.cos(), angles.sin());
        let back = forth.inverse();
        Heads { positions: 7, heads: 6, key_heads: 2, width: 8, forth, back, blockwise }
    }

    #[test]
    fn whole_shares_give_what_the_blockwise_kernel_gives() {
        let random = |columns: i64| Tensor::randn([3 * 7, columns], (Kind::Float, Device::Cpu));
        let angles = Tensor::rand([7, 1, 4], (Kind::Float, Device::Cpu));
        let (query, key, value, gradient) = (random(48), random(16), random(16), random(48));
        let mut found = Vec::new();
        for blockwise in [true, false] {
            let heads = heads(&angles, blockwise);
            let (mixed, kept) = heads.forward(&query, &key, &value);
            let [query, key, value] = heads.backward(kept, &gradient);
            found.push([mixed, query, key, value]);
        }
        for (left, right) in found[0].iter().zip(&found[1]) {
            assert_eq!(left.size(), right.size());
            let distance = (left - right).abs().max().double_value(&[]);
            assert!(distance < 1e-4, "{distance}");
        }
    }
}
