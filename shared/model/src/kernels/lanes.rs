//! How the same loop runs on sixteen numbers at a time where the processor can, and one by one where it cannot.
//!
//! Every kernel is written once, over arrays of sixteen, and compiled for each kind of processor; which one runs is
//! found at run time. All of them add in the same order and round alike (a multiplication and an addition round once,
//! [`f32::mul_add`]), so that every processor gives the same bits.

use std::sync::OnceLock;

/// Numbers that a kernel works on at once; rows of activations are padded to whole lines.
pub(crate) const LANES: usize = 16;

/// Sixteen numbers that start where a line of the processor's cache starts.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [f32; LANES]);

impl Line {
    pub(crate) const ZERO: Line = Line([0.0; LANES]);
}

/// The least multiple of [`LANES`] that holds so many.
pub(crate) fn padded(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// What the processor offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// No fused multiplication on x86: kernels give the same bits, slowly.
    Plain,
    /// Eight numbers an instruction (x86: AVX2 with FMA), or what the platform always has.
    Eight,
    /// Sixteen (x86: AVX-512).
    Sixteen,
}

/// The processor's level, asked once.
pub(crate) fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(found)
}

#[cfg(target_arch = "x86_64")]
fn found() -> Level {
    let eight = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    match (eight, is_x86_feature_detected!("avx512f")) {
        (true, true) => Level::Sixteen,
        (true, false) => Level::Eight,
        (false, _) => Level::Plain,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn found() -> Level {
    // 64-bit Arm always multiplies and adds at once, four numbers an instruction.
    if cfg!(target_arch = "aarch64") { Level::Eight } else { Level::Plain }
}

/// Defines a kernel: one body, compiled for each [`Level`]. `name::at` runs a chosen level that the processor has.
macro_rules! kernel {
    ($(#[$attribute:meta])* fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $body:block) => {
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments)] // slices with their strides
        pub(crate) fn $name($($argument: $kind),*) {
            $name::at($crate::kernels::lanes::level(), $($argument),*);
        }

        pub(crate) mod $name {
            #[allow(unused_imports)]
            use super::*;

            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn generic($($argument: $kind),*) $body

            #[allow(clippy::too_many_arguments, unsafe_code)]
            pub(crate) fn at(level: $crate::kernels::lanes::Level, $($argument: $kind),*) {
                #[cfg(target_arch = "x86_64")]
                {
                    #[target_feature(enable = "avx512f,avx2,fma")]
                    fn sixteen($($argument: $kind),*) { generic($($argument),*) }
                    #[target_feature(enable = "avx2,fma")]
                    fn eight($($argument: $kind),*) { generic($($argument),*) }
                    match level.min($crate::kernels::lanes::level()) {
                        // SAFETY: the level is at most the one that was found on this processor.
                        $crate::kernels::lanes::Level::Sixteen => return unsafe { sixteen($($argument),*) },
                        // SAFETY: as above.
                        $crate::kernels::lanes::Level::Eight => return unsafe { eight($($argument),*) },
                        $crate::kernels::lanes::Level::Plain => {}
                    }
                }
                let _ = level;
                generic($($argument),*)
            }
        }
    };
}
pub(crate) use kernel;

/// a · b + c in every lane, rounded once.
#[inline(always)]
pub(crate) fn multiply_add(a: [f32; LANES], b: [f32; LANES], c: [f32; LANES]) -> [f32; LANES] {
    let mut sum = c;
    for lane in 0..LANES {
        sum[lane] = a[lane].mul_add(b[lane], c[lane]);
    }
    sum
}

/// The lanes' sum, in pairs.
#[inline(always)]
pub(crate) fn sum(lanes: [f32; LANES]) -> f32 {
    let mut sums = lanes;
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

/// eˣ to about one unit in the last place; x is kept within ±87, where neither it nor its inverse leaves f32.
///
/// e^x = 2^n · e^r with |r| ≤ ln 2 / 2: ln 2 in two parts (Cody & Waite 1980), e^r by its series to r⁷/7!.
#[inline(always)]
pub(crate) fn exponential(x: f32) -> f32 {
    const ROUNDER: f32 = 12_582_912.0; // 1.5 · 2^23: adding it leaves a whole number in the low bits
    #[allow(clippy::excessive_precision)] // exactly this: nine bits, so that its products with whole numbers are exact
    const LN_2_HIGH: f32 = 0.693_359_375;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 87.0 { 87.0 } else { x };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUNDER);
    let whole = shifted - ROUNDER;
    let rest = whole.mul_add(-LN_2_HIGH, x);
    let rest = whole.mul_add(-LN_2_LOW, rest);
    let mut series = 1.0f32 / 5040.0;
    for inverse in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series.mul_add(rest, inverse);
    }
    let exponent = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()).wrapping_add(127);
    series * f32::from_bits(exponent << 23)
}

/// [`exponential`] of every lane.
#[inline(always)]
pub(crate) fn exponentials(lanes: [f32; LANES]) -> [f32; LANES] {
    let mut results = lanes;
    for result in &mut results {
        *result = exponential(*result);
    }
    results
}

/// The lanes at the start of a slice.
#[inline(always)]
pub(crate) fn load(slice: &[f32]) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    lanes.copy_from_slice(&slice[..LANES]);
    lanes
}
