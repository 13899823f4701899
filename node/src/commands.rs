//! One file per command of `murmur-node`.

pub mod budget;
pub mod chat;
pub mod conversations;
pub mod evaluate;
pub mod import;
pub mod init;
pub mod join;
pub mod keys;
pub mod membership;
pub mod run;
pub mod status;
