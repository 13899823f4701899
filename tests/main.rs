//! End to end: the programs as people run them, the files that people edit, and the arrows between the crates.
//!
//! The programs are those of this build: `make test` builds them before it tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod configs;
mod dropout;
mod equivocation;
mod full_round;
mod hostile_coordinator;
mod hostile_peer;
mod killed;
mod layout;
mod restart;
mod starting;
mod support;
