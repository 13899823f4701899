//! From the published sum to the next state.

use std::hint::black_box;

use grid::{Modulus, Rotation, RotationSeed, unpack};
use wire::{Plan, ServerOptimizer};

use crate::{State, VersionError, rule};

/// The state that follows from `state` when `survivors` nodes contributed the packed `sum` under
/// `plan`: [`mean_update`], then the plan's server rule.
///
/// Bit for bit the same on every machine (the crate's front page says why).
///
/// # Errors
/// Whatever [`mean_update`] refuses; [`VersionError::Dimension`] if the state is of another adapter;
/// [`VersionError::Decay`] and [`VersionError::ZeroTau`] for terms without meaning;
/// [`VersionError::NotFinite`] if a number grows out of range.
pub fn next_state(
    state: &State,
    plan: &Plan,
    survivors: usize,
    sum: &[u8],
) -> Result<State, VersionError> {
    let dimension = plan.dimension as usize;
    if state.parameters().len() != dimension {
        return Err(VersionError::Dimension { state: state.parameters().len(), plan: dimension });
    }
    rule::advance(state, plan.server, &mean_update(plan, survivors, sum)?)
}

/// The same step from a mean that did not come from a published sum: for simulations that compare other mechanisms
/// under the shipped rules. No version of a task may follow from it: nobody could recompute it.
///
/// # Errors
/// [`VersionError::Dimension`] if `mean` and state differ in length; otherwise as [`next_state`].
pub fn next_state_from_mean(
    state: &State,
    server: ServerOptimizer,
    mean: &[f32],
) -> Result<State, VersionError> {
    if flushes_subnormals() {
        return Err(VersionError::FlushesSubnormals);
    }
    if state.parameters().len() != mean.len() {
        let (state, plan) = (state.parameters().len(), mean.len());
        return Err(VersionError::Dimension { state, plan });
    }
    rule::advance(state, server, mean)
}

/// The unweighted mean of the survivors' releases, in parameter units: `plan.dimension` values.
///
/// `sum` holds d′ values of b bits ([`grid::unpack`]). They are lifted to signed integers and rotated
/// back exactly; each is then divided once, in `f64`, by scale·√d′·survivors and rounded to `f32`.
///
/// # Errors
/// [`VersionError::Grid`] if the bytes or the plan's grid do not fit, [`VersionError::NoSurvivors`],
/// [`VersionError::ZeroScale`], [`VersionError::FlushesSubnormals`].
pub fn mean_update(plan: &Plan, survivors: usize, sum: &[u8]) -> Result<Vec<f32>, VersionError> {
    if flushes_subnormals() {
        return Err(VersionError::FlushesSubnormals);
    }
    let rotation = Rotation::new(RotationSeed(plan.grid.rotation_seed), plan.dimension as usize)?;
    let modulus = Modulus::new(plan.grid.modulus_bits.into())?;
    let divisor = divisor(plan.grid.scale_q32, rotation.padded(), survivors)?;
    let packed = unpack(sum, rotation.padded(), modulus)?;
    let mut total: Vec<i64> = packed.into_iter().map(|value| modulus.lift(value)).collect();
    rotation.invert_exact(&mut total)?;
    total.truncate(rotation.dimension());
    Ok(total.into_iter().map(|value| scaled(value, divisor)).collect())
}

/// scale·√d′·survivors, from left to right.
fn divisor(scale_q32: u64, padded: usize, survivors: usize) -> Result<f64, VersionError> {
    if survivors == 0 {
        return Err(VersionError::NoSurvivors);
    }
    if scale_q32 == 0 {
        return Err(VersionError::ZeroScale);
    }
    let scale = scale_q32 as f64 / (1_u64 << 32) as f64;
    Ok(scale * (padded as f64).sqrt() * survivors as f64)
}

/// Two roundings: the quotient to `f64`, then to `f32`. (A product with 1/divisor would take three.)
fn scaled(value: i64, divisor: f64) -> f32 {
    (value as f64 / divisor) as f32
}

/// Whether this thread rounds subnormal results, or takes subnormal arguments, as zero.
fn flushes_subnormals() -> bool {
    let result = black_box(f32::MIN_POSITIVE) * black_box(0.5);
    let argument = black_box(f32::from_bits(1)) * black_box(f32::from_bits(0x7e80_0000));
    result.to_bits() != 0x0040_0000 || argument == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quotients halfway between two floats: the smallest error before the last rounding shows.
    #[test]
    fn the_division_is_a_division() {
        for k in 0..200 {
            let halfway = (1 << 25) - 1 - 4 * k;
            assert_eq!(scaled(49 * halfway, 49.0), (halfway + 1) as f32);
        }
    }
}
