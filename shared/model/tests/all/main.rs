//! One test binary: libtorch is linked once.

#![allow(clippy::unwrap_used)] // helpers of tests are outside #[test] functions

mod adapters;
mod folders;
mod grouping;
mod parity;
mod pretraining;
mod speaking;
mod support;
mod tokenization;
mod training;
