//! `murmur-node`: what a device runs; the only program that sees private chat logs.
//!
//! It never shows a conversation to anybody else, and never spends more privacy than its owner's policy allows,
//! whatever a coordinator asks. Its user is the person whose device it runs on.
//!
//! It keeps its owner's conversations encrypted on the device, trains an adapter on them when its
//! policy allows a round, and sends one masked contribution. What leaves is decided in one place:
//! [`run`] performs the effects of [`protocol::Node`], and nothing else opens a connection but
//! `join`, once.
//!
//! Reading order: the crate `device` ([`config`], [`home`]: the folder on disk, [`task`]: one joined swarm),
//! [`local_round`] (train → clip, the privacy path's first steps), [`run`] (the event loop), then
//! one file per command in [`commands`].

pub mod cli;
pub mod commands;
pub mod language;
pub mod local_round;
pub mod run;

pub use device::{config, home, status, task};
