//! What the mechanism refuses.

use grid::{GridError, Q32, Ratio};

/// Why an update is not released, or a cost not computed. Each message says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivacyError {
    /// An update with a NaN or an infinity: training has diverged.
    #[error("coordinate {index} of the update is not a finite number: train with a lower rate")]
    NotFinite {
        /// The first such coordinate.
        index: usize,
    },
    /// A clip of zero lets nothing through.
    #[error("the clip is zero: a plan needs a clip of at least 2^-32")]
    ZeroClip,
    /// An update was clipped to one norm and is to be quantised for another.
    #[error("an update clipped to {applied} cannot go on a grid made for a clip of {expected}")]
    ClipMismatch {
        /// The clip that was applied.
        applied: Q32,
        /// The clip of the grid.
        expected: Q32,
    },
    /// A value does not fit the grid.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// Too little noise for the accounting to hold.
    #[error(
        "σ = {sigma} grid units is below 2: raise the noise or the scale of the plan (below 2 a sum \
         of discrete Gaussians is not close enough to one)"
    )]
    SigmaTooSmall {
        /// The σ of the terms.
        sigma: Ratio,
    },
    /// More noise than any modulus can hold.
    #[error("σ = {sigma} grid units is beyond 2^40: lower the scale of the plan")]
    SigmaTooLarge {
        /// The σ of the terms.
        sigma: Ratio,
    },
    /// Nobody's noise would protect the sum.
    #[error("terms that count on no honest noise share have no finite cost: ask for at least 1")]
    NoHonestNoise,
    /// The charge was admitted for another norm bound or dimension than the update was checked against.
    #[error(
        "the charge pays for a squared norm of {paid} in {paid_dimension} coordinates, but the update \
         was checked against {checked} in {checked_dimension}: charge and grid must come from one plan"
    )]
    ChargeMismatch {
        /// D2² of the charge.
        paid: u128,
        /// Coordinates of the charge.
        paid_dimension: u32,
        /// D2² of the quantised update.
        checked: u128,
        /// Coordinates of the quantised update.
        checked_dimension: u32,
    },
    /// opendp's sampler reported a failure; its only cause is a system without entropy.
    #[error("the noise sampler got no entropy from the operating system: nothing was released")]
    NoEntropy,
    /// ε, δ, ρ or μ outside of what the conversions accept.
    #[error("{quantity} is out of range: give {expected}")]
    OutOfRange {
        /// Which quantity: `"epsilon"`, say.
        quantity: &'static str,
        /// What is accepted.
        expected: &'static str,
    },
}
