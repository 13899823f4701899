//! One file per command of `murmur-node` that needs no language model.

pub mod budget;
pub mod conversations;
pub mod import;
pub mod keys;
pub mod membership;
pub mod status;
