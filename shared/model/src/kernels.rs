//! Arithmetic on slices for the processor: what libtorch's operators do one by one over memory, done together.
//!
//! Each kernel is one body, compiled for what processors offer (`lanes`), with the same bits from every one of them.

// Counted loops over lanes are what the compiler makes vector code of.
#![allow(clippy::needless_range_loop)]

pub(crate) mod attention;
pub(crate) mod elementwise;
pub(crate) mod lanes;
pub(crate) mod product;
pub(crate) mod rows;
#[cfg(test)]
mod tests;
