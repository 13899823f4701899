//! `murmur-coordinator`: runs the rounds of one task and issues its global versions.
//!
//! It signs plans, relays what nodes seal for each other, adds up masked contributions, and judges
//! every candidate on public conversations before it signs the next header of the chain. It never
//! sees a conversation of a node, an update, or a single contribution without its mask; it never
//! dials a node; and it keeps every step on disk before it says it.
//!
//! Who uses it: the person who runs a swarm, through the commands in [`commands`]; tests and
//! simulations that start it as a process.
//!
//! Reading order: [`config`] and [`terms`] (what the operator chose, and what follows from it),
//! [`home`] (the folder on disk), [`records`] (what survives a restart), [`members`] and
//! [`invites`], [`gate`], [`run`] (the event loop), then one file per command.

pub mod check;
pub mod cli;
pub mod commands;
pub mod config;
pub mod gate;
pub mod home;
pub mod invites;
pub mod language;
pub mod members;
pub mod records;
pub mod run;
pub mod status;
pub mod terms;
pub mod value;
