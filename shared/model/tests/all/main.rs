//! One test binary: libtorch is linked once.

mod adapters;
mod folders;
mod parity;
mod pretraining;
mod speaking;
mod support;
mod tokenization;
mod training;
