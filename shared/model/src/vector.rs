//! Loops compiled for the widest vector instructions of this processor, chosen when the program runs.
//!
//! A [`Kernel`] is written once as a plain loop over slices. The compiler makes one machine code of it for each
//! instruction set below, and [`run`] takes the best that is here. Every one of them that has fused multiply-add gives the same
//! bits, since the loops fix the order of additions themselves.

/// A loop over slices. Implementations mark `run` with `#[inline(always)]`: only inlined code is compiled anew for
/// each instruction set.
pub(crate) trait Kernel {
    /// What the loop finds.
    type Output;

    /// The loop. `FUSED` says whether [`multiply_add`] rounds once.
    fn run<const FUSED: bool>(self) -> Self::Output;
}

/// Runs a kernel with the best instructions that this processor has.
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "the only way to call code for instructions that not every processor has"
)]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
        // SAFETY: the processor has these instructions, as was just found.
        return unsafe { with_avx512(kernel) };
    }
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has these instructions, as was just found.
        return unsafe { with_avx2(kernel) };
    }
    kernel.run::<false>()
}

/// Runs a kernel with the instructions that every processor of this kind has.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<{ cfg!(target_arch = "aarch64") }>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<true>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx2,fma")]
fn with_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<true>()
}

/// left · right + sum, rounded once where `FUSED`, else after each operation.
#[inline(always)]
pub(crate) fn multiply_add<const FUSED: bool>(left: f32, right: f32, sum: f32) -> f32 {
    if FUSED { left.mul_add(right, sum) } else { left * right + sum }
}

/// e^x to two units in the last place; below −87 and above 88 as at these. Branch-free, so that loops of it become vector
/// code.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; e^r by a polynomial (Moshier 1989, Cephes, expf), 2^n by its exponent bits.
#[inline(always)]
pub(crate) fn exponential<const FUSED: bool>(x: f32) -> f32 {
    /// Added to a small number, it leaves the nearest whole number in the lowest bits.
    const SHIFT: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with few bits, so that n times it is exact.
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    let x = x.clamp(-87.0, 88.0);
    let shifted = multiply_add::<FUSED>(x, std::f32::consts::LOG2_E, SHIFT);
    let whole = shifted - SHIFT;
    let rest = multiply_add::<FUSED>(whole, -LN_2.0, x);
    let rest = multiply_add::<FUSED>(whole, -LN_2.1, rest);
    let mut sum = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        sum = multiply_add::<FUSED>(sum, rest, coefficient);
    }
    let sum = multiply_add::<FUSED>(sum, rest * rest, rest) + 1.0;
    let power = shifted.to_bits().wrapping_sub(SHIFT.to_bits()).wrapping_add(127) << 23;
    sum * f32::from_bits(power)
}

/// A number as it is stored.
pub(crate) trait Stored: Copy + Send + Sync {
    /// The number in f32, exactly.
    fn wide(self) -> f32;
}

impl Stored for f32 {
    #[inline(always)]
    fn wide(self) -> f32 {
        self
    }
}

impl Stored for half::bf16 {
    /// bfloat16 is the upper half of f32.
    #[inline(always)]
    fn wide(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
}

/// Sum of products, in [`LANES`] sums side by side that are added up in pairs.
#[inline(always)]
pub(crate) fn dot<const FUSED: bool, W: Stored>(left: &[W], right: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (left_blocks, left_rest) = left.as_chunks::<LANES>();
    let (right_blocks, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in left_blocks.iter().zip(right_blocks) {
        for lane in 0..LANES {
            sums[lane] = multiply_add::<FUSED>(left[lane].wide(), right[lane], sums[lane]);
        }
    }
    for (lane, (left, right)) in left_rest.iter().zip(right_rest).enumerate() {
        sums[lane] = multiply_add::<FUSED>(left.wide(), *right, sums[lane]);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Four registers of eight: enough sums under way for two multiply-adds a cycle.
const LANES: usize = 32;

#[cfg(test)]
mod tests {
    use super::{Kernel, Stored, dot, exponential, run};
    use crate::random::{normal, short_generator};

    struct Dot<'a, W>(&'a [W], &'a [f32]);

    impl<W: Stored> Kernel for Dot<'_, W> {
        type Output = f32;

        #[inline(always)]
        fn run<const FUSED: bool>(self) -> f32 {
            dot::<FUSED, W>(self.0, self.1)
        }
    }

    fn numbers(count: usize, stream: u64) -> Vec<f32> {
        let mut generator = short_generator(7, stream);
        (0..count).map(|_| normal(&mut generator)).collect()
    }

    /// The same loop without vector instructions (a fused multiply-add is then a function of the C library), and one
    /// in f64.
    #[test]
    fn vector_code_equals_its_scalar_twin() {
        for count in [0, 1, 7, 31, 32, 33, 64, 100, 576, 1536] {
            let (left, right) = (numbers(count, 1), numbers(count, 2));
            let halves: Vec<half::bf16> = left.iter().map(|&x| half::bf16::from_f32(x)).collect();
            let exact = |left: &mut dyn Iterator<Item = f32>| -> f64 {
                left.zip(&right).map(|(left, &right)| f64::from(left) * f64::from(right)).sum()
            };
            for (found, fused, plain, exact) in [
                (
                    run(Dot(&left, &right)),
                    Dot(&left, &right).run::<true>(),
                    Dot(&left, &right).run::<false>(),
                    exact(&mut left.iter().copied()),
                ),
                (
                    run(Dot(&halves, &right)),
                    Dot(&halves, &right).run::<true>(),
                    Dot(&halves, &right).run::<false>(),
                    exact(&mut halves.iter().map(|half| half.to_f32())),
                ),
            ] {
                assert!(found == fused || found == plain, "{count}: {found} {fused} {plain}");
                assert!((f64::from(plain) - exact).abs() < 1e-3, "{count}: {plain} {exact}");
                assert!((f64::from(found) - exact).abs() < 1e-3, "{count}: {found} {exact}");
            }
        }
    }

    struct Exponentials<'a>(&'a mut [f32]);

    impl Kernel for Exponentials<'_> {
        type Output = ();

        #[inline(always)]
        fn run<const FUSED: bool>(self) {
            for value in self.0 {
                *value = exponential::<FUSED>(*value);
            }
        }
    }

    #[test]
    fn exponentials_are_those_of_the_library() {
        let arguments: Vec<f32> = (-8_700..=8_800).map(|step| step as f32 / 100.0).collect();
        let mut found = arguments.clone();
        run(Exponentials(&mut found));
        let mut plain = arguments.clone();
        Exponentials(&mut plain).run::<false>();
        for ((argument, found), plain) in arguments.iter().zip(found).zip(plain) {
            let expected = f64::from(*argument).exp();
            for found in [found, plain] {
                let error = (f64::from(found) / expected - 1.0).abs();
                assert!(error < 2.4e-7, "e^{argument}: {found}, off by {error}");
            }
        }
        let mut far = [-1e30, 1e30, f32::NEG_INFINITY, 0.0];
        run(Exponentials(&mut far));
        assert!(far[0] < 1e-37 && far[1] > 1e38 && far[2] < 1e-37 && far[3] == 1.0, "{far:?}");
    }
}
