//! One file per command of `murmur-node` that needs the language model.

pub mod chat;
pub mod evaluate;
pub mod init;
pub mod join;
pub mod run;
