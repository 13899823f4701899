//! What is done number by number: rounding, normalisation, the gate of the feed-forward part, the loss; forth and back.
//!
//! Rows are padded to whole lines with zeros, and stay so.

use super::lanes::{LANES, exponentials, kernel, load, multiply_add, sum};

/// The nearest number with bf16's eight significant bits, ties to even; no number stays none.
#[inline(always)]
fn bf16(value: f32) -> f32 {
    let bits = value.to_bits();
    let up = 0x7FFF + (bits >> 16 & 1);
    let rounded = f32::from_bits(bits.wrapping_add(up) & 0xFFFF_0000);
    if value.is_nan() { value } else { rounded }
}

kernel! {
    /// `out` = `input`, each number rounded to bf16.
    fn rounded_to_bf16(input: &[f32], out: &mut [f32]) {
        out.iter_mut().zip(input).for_each(|(out, &value)| *out = bf16(value));
    }
}

kernel! {
    /// Rounds each number to bf16.
    fn round_to_bf16(values: &mut [f32]) {
        values.iter_mut().for_each(|value| *value = bf16(*value));
    }
}

kernel! {
    /// Root-mean-square normalisation (Zhang & Sennrich 2019): `out` = input · scale · weight, with one scale a row,
    /// 1 / √(mean of squares + epsilon), kept in `scales`.
    ///
    /// `weight` is one row; `width` of its numbers are no padding.
    fn normalise(
        input: &[f32],
        weight: &[f32],
        width: usize,
        epsilon: f32,
        out: &mut [f32],
        scales: &mut [f32],
    ) {
        let stride = weight.len();
        let rows = input.chunks_exact(stride).zip(out.chunks_exact_mut(stride)).zip(scales);
        for ((input, out), scale) in rows {
            let mut squares = [0.0; LANES];
            for lanes in input.chunks_exact(LANES) {
                let lanes = load(lanes);
                squares = multiply_add(lanes, lanes, squares);
            }
            *scale = 1.0 / (sum(squares) / width as f32 + epsilon).sqrt();
            for ((out, &value), &weight) in out.iter_mut().zip(input).zip(weight) {
                *out = value * *scale * weight;
            }
        }
    }
}

kernel! {
    /// Adds to `total` the gradient at the input of [`normalise`], from the gradient at its output.
    ///
    /// With s the scale, h the width and g = weight · gradient: s·g − x · s³/h · (g·x).
    fn normalise_back(
        input: &[f32],
        weight: &[f32],
        width: usize,
        scales: &[f32],
        gradient: &[f32],
        total: &mut [f32],
    ) {
        let stride = weight.len();
        let rows = input.chunks_exact(stride).zip(gradient.chunks_exact(stride));
        let rows = rows.zip(total.chunks_exact_mut(stride)).zip(scales);
        for (((input, gradient), total), &scale) in rows {
            let mut along = [0.0; LANES];
            let lines = input.chunks_exact(LANES).zip(gradient.chunks_exact(LANES));
            for ((input, gradient), weight) in lines.zip(weight.chunks_exact(LANES)) {
                let (input, gradient, weight) = (load(input), load(gradient), load(weight));
                let zero = [0.0; LANES];
                along = multiply_add(multiply_add(gradient, weight, zero), input, along);
            }
            let along = -sum(along) * scale * scale * scale / width as f32;
            let numbers = input.iter().zip(gradient).zip(weight).zip(total);
            for (((&input, &gradient), &weight), total) in numbers {
                *total = (gradient * weight).mul_add(scale, input.mul_add(along, *total));
            }
        }
    }
}

kernel! {
    /// silu(gate) · up (Shazeer 2020); a row of `both` is the gate's `width` numbers, then as many of up.
    fn open_gate(both: &[f32], width: usize, out: &mut [f32]) {
        for (both, out) in both.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
            let (gate, up) = both.split_at(width);
            let lines = gate.chunks_exact(LANES).zip(up.chunks_exact(LANES));
            for ((gate, up), out) in lines.zip(out.chunks_exact_mut(LANES)) {
                let (gate, up) = (load(gate), load(up));
                let shut = exponentials(gate.map(|value| -value));
                for lane in 0..LANES {
                    out[lane] = gate[lane] / (1.0 + shut[lane]) * up[lane];
                }
            }
        }
    }
}

kernel! {
    /// Replaces gate and up in `both` by the gradients at them, from the gradient at [`open_gate`]'s output.
    ///
    /// With σ = 1 / (1 + e^−gate): silu' = σ · (1 + gate · (1 − σ)).
    fn open_gate_back(both: &mut [f32], width: usize, gradient: &[f32]) {
        for (both, gradient) in both.chunks_exact_mut(2 * width).zip(gradient.chunks_exact(width)) {
            let (gate, up) = both.split_at_mut(width);
            let lines = gate.chunks_exact_mut(LANES).zip(up.chunks_exact_mut(LANES));
            for ((gate, up), gradient) in lines.zip(gradient.chunks_exact(LANES)) {
                let gradient = load(gradient);
                let (opened, wanted) = (load(gate), load(up));
                let shut = exponentials(opened.map(|value| -value));
                for lane in 0..LANES {
                    let opening = 1.0 / (1.0 + shut[lane]);
                    let passed = opened[lane] * opening;
                    let slope = passed.mul_add(1.0 - opening, opening);
                    gate[lane] = gradient[lane] * wanted[lane] * slope;
                    up[lane] = gradient[lane] * passed;
                }
            }
        }
    }
}

kernel! {
    /// Turns rows of scores [rows, stride], `vocabulary` of them no padding, into the slope of the weighted
    /// cross-entropy, weight · (softmax − one-hot), and writes each row's weighted loss.
    fn cross_entropy(
        scores: &mut [f32],
        stride: usize,
        vocabulary: usize,
        targets: &[i64],
        weights: &[f32],
        losses: &mut [f32],
    ) {
        let rows = scores.chunks_exact_mut(stride).zip(targets).zip(weights).zip(losses);
        for (((row, &target), &weight), loss) in rows {
            // Padding becomes so low that its share is nothing; the weights that it meets are zero.
            row[vocabulary..].fill(-1e30);
            let mut highest = [f32::NEG_INFINITY; LANES];
            for lanes in row.chunks_exact(LANES) {
                for lane in 0..LANES {
                    highest[lane] = if lanes[lane] > highest[lane] { lanes[lane] } else { highest[lane] };
                }
            }
            let highest = highest.iter().fold(f32::NEG_INFINITY, |most, &value| most.max(value));
            let chosen = row[target as usize] - highest;
            let mut total = [0.0; LANES];
            for lanes in row.chunks_exact_mut(LANES) {
                let shares = exponentials(load(lanes).map(|value| value - highest));
                lanes.copy_from_slice(&shares);
                for lane in 0..LANES {
                    total[lane] += shares[lane];
                }
            }
            let total = sum(total);
            *loss = weight * (total.ln() - chosen);
            let factor = weight / total;
            row.iter_mut().for_each(|share| *share *= factor);
            row[target as usize] -= weight;
        }
    }
}
