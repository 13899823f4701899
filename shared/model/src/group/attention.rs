//! Causal attention with rotary positions, forth and back, by libtorch's blockwise kernel for processors.
//!
//! Dao et al. 2022 (FlashAttention): the scores are never held; the way back recomputes them from the logarithms of
//! the sums. Groups of query heads share a key head (Ainslie et al. 2023): the keys are repeated, and the gradients
//! of the repetitions added.

use tch::Tensor;

use crate::config::Config;
use crate::transformer::Rotation;

/// What attention keeps for the way back. q, k, v: [s, heads, t, width] after rotation, keys repeated.
pub(super) struct Attended {
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mixed: Tensor,
    sums: Tensor,
}

/// The shapes that turn rows of a projection into heads. `t` positions a row.
pub(super) struct Heads {
    positions: i64,
    heads: i64,
    key_heads: i64,
    width: i64,
    forth: Rotation,
    back: Rotation,
}

impl Heads {
    pub(super) fn new(config: &Config, positions: usize, rotation: Rotation) -> Heads {
        Heads {
            positions: positions as i64,
            heads: config.heads as i64,
            key_heads: config.key_value_heads as i64,
            width: config.head_dimension as i64,
            back: rotation.inverse(),
            forth: rotation,
        }
    }

    /// q [n, heads · width], k and v [n, key heads · width] → mixed values [n, heads · width].
    pub(super) fn forward(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
    ) -> (Tensor, Attended) {
        let query = self.turned(query);
        let key = self.repeated(&self.turned(key));
        let value = self.repeated(&self.split(value).transpose(1, 2));
        let mask = None::<Tensor>;
        let (mixed, sums) = Tensor::internal_scaled_dot_product_flash_attention_for_cpu(
            &query, &key, &value, 0.0, true, mask, None,
        );
        let joined = self.joined(&mixed);
        (joined, Attended { query, key, value, mixed, sums })
    }

    /// Gradients at q, k and v, shaped as in [`Heads::forward`], from the gradient at the mixed values.
    pub(super) fn backward(&self, kept: &Attended, gradient: &Tensor) -> [Tensor; 3] {
        let gradient = self.split(gradient).transpose(1, 2);
        let (query, key, value) =
            Tensor::internal_scaled_dot_product_flash_attention_for_cpu_backward(
                &gradient,
                &kept.query,
                &kept.key,
                &kept.value,
                &kept.mixed,
                &kept.sums,
                0.0,
                true,
                None::<Tensor>,
                None,
            );
        let value = self.gathered(&value);
        [self.turned_back(&query), self.turned_back(&self.gathered(&key)), self.joined(&value)]
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
        let (rows, times) = (heads.size()[0], self.heads / self.key_heads);
        let apart = [rows, self.key_heads, times, self.positions, self.width];
        heads.unsqueeze(2).expand(apart, false).reshape([
            rows,
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
