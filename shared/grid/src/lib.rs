//! The shared integer grid: how real vectors become integers that can be summed exactly.
//!
//! What it does: fixed-point numbers for signed terms ([`Q32`], [`Q40`], [`Ratio`]), the shared
//! random rotation ([`Rotation`]: seeded signs, then the Walsh–Hadamard transform), the one bound on
//! the norm of a rounded vector ([`squared_norm_bound`]), arithmetic modulo 2^b ([`Modulus`]), packed
//! bit vectors ([`pack`], [`unpack`], [`add_packed`]), the choice of a scale that leaves the sum room
//! ([`suggest_scale`], [`headroom`]), and rounding by random words that the caller draws ([`round_at_random`]).
//!
//! What it never does: it draws no noise, knows no privacy cost, reads no file and no clock, and
//! keeps no secret. Everything here is a pure function of its arguments, and all of it that two
//! machines must agree on is integer arithmetic.
//!
//! Who uses it: `secagg` (ring and packing), `privacy` (rotation, bound, scale), `version` (the exact
//! inverse of the rotation), `protocol` (bounds and headroom when a plan is checked).
//!
//! The way of one vector through the grid, with `d` coordinates and `d' = padded_dimension(d)`:
//!
//! ```text
//! x ∈ R^d  ──pad──►  R^d'  ──H·D/√d'──►  ·scale  ──stochastic rounding (privacy)──►  Z^d'
//! sum of all nodes mod 2^b  ──signed lift──►  Z^d'  ──D·H (exact)──►  /(scale·√d'·nodes)  ──►  R^d
//! ```
//!
//! Source: Kairouz, Liu, Steinke, *The Distributed Discrete Gaussian Mechanism for Federated Learning
//! with Secure Aggregation*, ICML 2021 ("KLS21" below).

mod bound;
mod error;
mod fixed;
mod hadamard;
mod lanes;
mod packing;
mod ring;
mod rotation;
mod rounding;
mod scale;

pub use bound::squared_norm_bound;
pub use error::GridError;
pub use fixed::{Fixed, Q32, Q40, Ratio};
pub use hadamard::{Butterfly, hadamard_transform};
pub use packing::{add_packed, check_packed, pack, packed_length, unpack};
pub use ring::Modulus;
pub use rotation::{
    MAXIMUM_DIMENSION, MAXIMUM_SUM, MINIMUM_DIMENSION, Rotation, RotationSeed, padded_dimension,
};
pub use rounding::{as_floats, round_at_random, squared_norm};
pub use scale::{MINIMUM_HEADROOM, SumShape, headroom, suggest_scale, sum_fits};
