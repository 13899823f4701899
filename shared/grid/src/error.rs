//! Everything that the grid refuses.

use crate::rotation::{MAXIMUM_DIMENSION, MAXIMUM_SUM, MINIMUM_DIMENSION};

/// Why a value does not fit the grid. Each message says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// A number that fixed point cannot hold.
    #[error(
        "{found} does not fit an unsigned number with {fraction_bits} fraction bits: \
         give one from 0 to below 2^{}",
        64 - fraction_bits
    )]
    NotRepresentable {
        /// What was given: `"a negative number"`, `"NaN"` or `"a number too large"`.
        found: &'static str,
        /// Fraction bits of the wanted type.
        fraction_bits: u32,
    },
    /// A ratio with denominator zero.
    #[error("a ratio {numerator}/0 has no value: give a denominator of at least 1")]
    ZeroDenominator {
        /// The numerator that was given.
        numerator: u64,
    },
    /// A modulus outside of 2^8 to 2^32.
    #[error("a modulus of {bits} bits is outside the grid: give 8 to 32 bits")]
    ModulusBits {
        /// The bits that were given.
        bits: u32,
    },
    /// A dimension that is no padded dimension or too large.
    #[error(
        "dimension {dimension} is outside the grid: an update has 1 to {MAXIMUM_DIMENSION} \
         coordinates, a rotated one a power of two from {MINIMUM_DIMENSION} to {MAXIMUM_DIMENSION}"
    )]
    Dimension {
        /// The dimension that was given.
        dimension: usize,
    },
    /// Two vectors, or a vector and its description, differ in length.
    #[error("a vector of {found} coordinates stands where one of {expected} is due")]
    Length {
        /// The length that the terms fix.
        expected: usize,
        /// The length that was given.
        found: usize,
    },
    /// Clip times scale, the norm in grid units, is too large.
    #[error(
        "clip times scale is 2^{exponent} or more grid units, beyond the largest norm of 2^48: \
         lower the scale"
    )]
    NormTooLarge {
        /// The largest power of two that the product reaches.
        exponent: u32,
    },
    /// A value that is not reduced modulo 2^b.
    #[error("coordinate {index} is {value}, not reduced modulo 2^{bits}")]
    NotReduced {
        /// Which coordinate.
        index: usize,
        /// Its value.
        value: u32,
        /// Bits of the modulus.
        bits: u32,
    },
    /// Packed bytes of the wrong length.
    #[error(
        "{count} packed coordinates of {bits} bits take {expected} bytes, but {found} were given"
    )]
    PackedLength {
        /// Coordinates that the terms fix.
        count: usize,
        /// Bits of each.
        bits: u32,
        /// Bytes that they take.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// Bits behind the last packed coordinate that are not zero.
    #[error(
        "the last byte of {count} packed coordinates of {bits} bits is {byte:#04x}: \
         its upper {padding} bits must be zero"
    )]
    TrailingBits {
        /// Coordinates that the terms fix.
        count: usize,
        /// Bits of each.
        bits: u32,
        /// The last byte.
        byte: u8,
        /// How many of its upper bits are padding.
        padding: u32,
    },
    /// An entry of a sum that would break the exactness of the inverse rotation.
    #[error("coordinate {index} of the sum is {value}, beyond ±{MAXIMUM_SUM}")]
    SumTooLarge {
        /// Which coordinate.
        index: usize,
        /// Its value.
        value: i64,
    },
    /// Terms that leave no scale.
    #[error(
        "no scale fits: {bits} bits cannot hold the rounding of {nodes} nodes; take more bits or \
         fewer nodes"
    )]
    NoRoom {
        /// Bits of the modulus.
        bits: u32,
        /// Nodes in the sum.
        nodes: u32,
    },
}
