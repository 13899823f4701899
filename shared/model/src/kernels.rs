//! Arithmetic on slices for the processor: what libtorch's operators do one by one over memory, done together.
//!
//! Each kernel is one body, compiled for what processors offer (`lanes`), with the same bits from every one of them.

pub(crate) mod attention;
pub(crate) mod elementwise;
pub(crate) mod lanes;
pub(crate) mod product;
pub(crate) mod rows;
#[cfg(test)]
mod tests;
