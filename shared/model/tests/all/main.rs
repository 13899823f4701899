//! One test binary: libtorch is linked once.

mod parity;
mod pretraining;
mod support;
mod tokenization;
