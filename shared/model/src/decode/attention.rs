//! Attention of one new position over all before it.

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::config::Config;
use crate::loss::floats;
use crate::vector::{Kernel, dot, exponential, multiply_add, run};

/// Keys (rotated) and values of one block, f32: [key_value_heads][capacity][width] each.
pub(super) struct Memory {
    keys: Vec<f32>,
    values: Vec<f32>,
    capacity: usize,
    width: usize,
}

impl Memory {
    pub(super) fn new(config: &Config, capacity: usize) -> Memory {
        let count = config.key_value_heads * capacity * config.head_dimension;
        Memory {
            keys: vec![0.0; count],
            values: vec![0.0; count],
            capacity,
            width: config.head_dimension,
        }
    }

    /// Takes over what libtorch computed of a first text: keys and values [1, key_value_heads, positions, width].
    pub(super) fn fill(&mut self, keys: &tch::Tensor, values: &tch::Tensor) {
        let room = self.capacity * self.width;
        for (place, found) in [(&mut self.keys, floats(keys)), (&mut self.values, floats(values))] {
            let heads = place.len() / room;
            let filled = found.len() / heads;
            for (head, found) in place.chunks_mut(room).zip(found.chunks(filled)) {
                head[..filled].copy_from_slice(found);
            }
        }
    }

    /// Writes the key and the value of one position, [key_value_heads][width] each.
    pub(super) fn put(&mut self, position: usize, key: &[f32], value: &[f32]) {
        let (room, start) = (self.capacity * self.width, position * self.width);
        for (place, new) in [(&mut self.keys, key), (&mut self.values, value)] {
            for (head, new) in place.chunks_mut(room).zip(new.chunks(self.width)) {
                head[start..start + self.width].copy_from_slice(new);
            }
        }
    }

    /// Mixed values [heads · width] of the queries [heads][width] over the first `positions` positions. Groups of
    /// queries share a key (Ainslie et al. 2023). By all threads of the pool that this runs in.
    pub(super) fn attend(&self, queries: &[f32], positions: usize) -> Vec<f32> {
        let (room, filled) = (self.capacity * self.width, positions * self.width);
        let sharing = (queries.len() / self.width) / (self.keys.len() / room);
        let mut mixed = vec![0.0; queries.len()];
        mixed.par_chunks_mut(self.width).enumerate().for_each(|(head, mixed)| {
            let start = head / sharing * room;
            run(OneHead {
                query: &queries[head * self.width..][..self.width],
                keys: &self.keys[start..start + filled],
                values: &self.values[start..start + filled],
                mixed,
            });
        });
        mixed
    }
}

/// softmax(q Kᵀ / √width) V of one head; keys and values [positions][width].
struct OneHead<'a> {
    query: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    mixed: &'a mut [f32],
}

impl Kernel for OneHead<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let width = self.query.len();
        let scale = 1.0 / (width as f32).sqrt();
        // Plain loops, no closures: a closure is not always inlined, and then not compiled for these instructions.
        let mut shares = vec![0.0; self.keys.len() / width];
        let mut highest = f32::NEG_INFINITY;
        for (share, key) in shares.iter_mut().zip(self.keys.chunks_exact(width)) {
            *share = dot::<FUSED, f32>(key, self.query) * scale;
            highest = highest.max(*share);
        }
        let mut sum = 0.0;
        for share in &mut shares {
            *share = exponential::<FUSED>(*share - highest);
        }
        for share in &shares {
            sum += share;
        }
        for (value, share) in self.values.chunks_exact(width).zip(&shares) {
            let share = share / sum;
            for (mixed, value) in self.mixed.iter_mut().zip(value) {
                *mixed = multiply_add::<FUSED>(share, *value, *mixed);
            }
        }
    }
}
