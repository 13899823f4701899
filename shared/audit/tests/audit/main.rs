//! What the audit finds in the evidence of real rounds, and in evidence that was tampered with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod budget;
mod empirical;
mod ledger;
mod program;
mod reconcile;
mod round;
mod transcript;
mod world;
