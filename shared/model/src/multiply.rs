//! Products of activations with frozen weights, whatever format the weights are held in.
//!
//! bf16 halves the memory of weights. A processor without bf16 instructions multiplies bf16 far slower than f32, so
//! there weights are widened, a few MiB at a time, just before they are used; activations are f32 on every processor.

use tch::{Kind, Tensor};

/// input [.., inputs] · weightᵀ + bias, in the input's format: [.., outputs].
pub(crate) fn product(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    if input.kind() == weight.kind() {
        return input.linear(weight, bias);
    }
    let product = if multiplies_bf16() { narrow(input, weight) } else { widened(input, weight) };
    match bias {
        None => product,
        Some(bias) => product + bias,
    }
}

/// gradient [n, outputs] · weight, in the gradient's format: [n, inputs]. With `sum`, added to it.
pub(crate) fn product_back(gradient: &Tensor, weight: &Tensor, sum: Option<Tensor>) -> Tensor {
    let kind = gradient.kind();
    if kind == weight.kind() {
        return added(sum, gradient, weight);
    }
    if multiplies_bf16() {
        let product = gradient.to_kind(weight.kind()).mm(weight).to_kind(kind);
        return match sum {
            None => product,
            Some(sum) => sum + product,
        };
    }
    widened_back(gradient, weight, sum)
}

fn added(sum: Option<Tensor>, gradient: &Tensor, weight: &Tensor) -> Tensor {
    match sum {
        None => gradient.mm(weight),
        Some(mut sum) => sum.addmm_(gradient, weight),
    }
}

/// The input rounded to the weight's format, as processors with bf16 instructions like it.
fn narrow(input: &Tensor, weight: &Tensor) -> Tensor {
    input.to_kind(weight.kind()).linear(weight, None::<Tensor>).to_kind(input.kind())
}

/// The weight widened to the input's format, piece by piece.
fn widened(input: &Tensor, weight: &Tensor) -> Tensor {
    let (outputs, inputs) = weight.size2().expect("a weight is a matrix");
    if weight.numel() as i64 <= WIDENED {
        return input.linear(&weight.to_kind(input.kind()), None::<Tensor>);
    }
    let rows = input.reshape([-1, inputs]);
    let product = Tensor::empty([rows.size()[0], outputs], (input.kind(), input.device()));
    for (start, count) in slices(weight) {
        let wide = weight.narrow(0, start, count).to_kind(input.kind());
        let _ = rows.mm_out(&product.narrow(1, start, count), &wide.tr());
    }
    let mut shape = input.size();
    *shape.last_mut().expect("an input has at least one dimension") = outputs;
    product.view(shape.as_slice())
}

/// The way back through [`widened`].
fn widened_back(gradient: &Tensor, weight: &Tensor, sum: Option<Tensor>) -> Tensor {
    let sum = slices(weight).fold(sum, |sum, (start, count)| {
        let wide = weight.narrow(0, start, count).to_kind(gradient.kind());
        Some(added(sum, &gradient.narrow(1, start, count), &wide))
    });
    sum.expect("a weight has at least one row")
}

/// Rows of a weight, (first, count), of at most [`WIDENED`] numbers together.
fn slices(weight: &Tensor) -> impl Iterator<Item = (i64, i64)> {
    let (outputs, inputs) = weight.size2().expect("a weight is a matrix");
    let most = (WIDENED / inputs).max(1);
    (0..outputs).step_by(most as usize).map(move |start| (start, most.min(outputs - start)))
}

/// Whether bf16 products are quick here: every processor with AMX has these instructions, too.
pub(crate) fn multiplies_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// The format of activations beside matrices in `weights` on this device.
pub(crate) fn activations(weights: Kind, device: tch::Device) -> Kind {
    if device == tch::Device::Cpu { Kind::Float } else { weights }
}

/// 8 MiB in f32.
const WIDENED: i64 = 1 << 21;

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::{WIDENED, added, narrow, product, product_back, widened, widened_back};
    use crate::loss::floats;

    fn random(rows: i64, columns: i64) -> Tensor {
        Tensor::randn([rows, columns], (Kind::Float, Device::Cpu))
    }

    fn distance(left: &Tensor, right: &Tensor) -> f64 {
        assert_eq!(left.size(), right.size());
        f64::from(floats(&(left - right)).into_iter().map(f32::abs).fold(0.0, f32::max))
    }

    /// One weight that is widened whole, and one in three pieces of which the last is shorter.
    #[test]
    fn products_with_bf16_weights_are_those_of_the_rounded_weights() {
        let tall = 2 * (WIDENED / 64) + 5;
        for outputs in [40, tall] {
            let weight = random(outputs, 64).to_kind(Kind::BFloat16);
            let rounded = weight.to_kind(Kind::Float);
            let (input, bias) = (random(6, 64).view([2, 3, 64]), random(1, outputs).view([-1]));
            let (expected, plain) =
                (input.linear(&rounded, Some(&bias)), input.linear(&rounded, None::<Tensor>));
            assert!(distance(&widened(&input, &weight), &plain) < 1e-3);
            assert!(distance(&narrow(&input, &weight), &plain) < 1.0);
            assert!(distance(&product(&input, &weight, Some(&bias)), &expected) < 1.0);
            let (gradient, sum) = (random(6, outputs), random(6, 64));
            let back = gradient.mm(&rounded);
            assert!(distance(&widened_back(&gradient, &weight, None), &back) < 1e-2);
            let found = widened_back(&gradient, &weight, Some(sum.copy()));
            assert!(distance(&found, &added(Some(sum), &gradient, &rounded)) < 1e-2);
            let near = 0.02 * back.abs().max().double_value(&[]);
            assert!(distance(&product_back(&gradient, &weight, None), &back) < near);
        }
    }
}
