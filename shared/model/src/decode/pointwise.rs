//! What is done number by number to one row.

use crate::vector::{Kernel, exponential, run};

/// Root-mean-square normalisation (Zhang & Sennrich 2019): input · weight / √(mean of squares + epsilon).
pub(super) fn normed(input: &[f32], weight: &[f32], epsilon: f64) -> Vec<f32> {
    let squares: f32 = input.iter().map(|value| value * value).sum();
    let scale = 1.0 / (squares / input.len() as f32 + epsilon as f32).sqrt();
    input.iter().zip(weight).map(|(value, weight)| value * scale * weight).collect()
}

/// Cosine and sine of each pair's angle at one position.
pub(super) fn angles(frequencies: &[f32], position: usize) -> Vec<(f32, f32)> {
    let angle = |frequency: &f32| position as f32 * frequency;
    frequencies.iter().map(angle).map(|angle| (angle.cos(), angle.sin())).collect()
}

/// Turns each pair (i, i + width/2) of every head by its angle (Su et al. 2021).
pub(super) fn rotate(heads: &mut [f32], angles: &[(f32, f32)]) {
    for head in heads.chunks_exact_mut(2 * angles.len()) {
        let (first, second) = head.split_at_mut(angles.len());
        for ((first, second), (cosine, sine)) in first.iter_mut().zip(second).zip(angles) {
            (*first, *second) =
                (*first * cosine - *second * sine, *second * cosine + *first * sine);
        }
    }
}

/// gate ← silu(gate) · up (Shazeer 2020).
pub(super) fn open(gate: &mut [f32], up: &[f32]) {
    run(Open { gate, up });
}

struct Open<'a> {
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl Kernel for Open<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (gate, up) in self.gate.iter_mut().zip(self.up) {
            *gate = *gate / (1.0 + exponential::<FUSED>(-*gate)) * up;
        }
    }
}

pub(super) fn add(sum: &mut [f32], addition: &[f32]) {
    sum.iter_mut().zip(addition).for_each(|(sum, addition)| *sum += addition);
}
