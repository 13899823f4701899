//! What a node keeps on its device, and what its owner does with it without the language model.
//!
//! It never opens a connection, trains, or names the crate `model`: so `murmur-node` answers `status` without
//! loading libtorch. Its users are the two executables of the package `node`.
//!
//! Reading order: [`home`] (the folder on disk), [`config`], [`task`] (one joined swarm), [`status`], [`cli`], then
//! one file per command in [`commands`].

pub mod cli;
pub mod commands;
pub mod config;
pub mod home;
pub mod status;
pub mod task;
