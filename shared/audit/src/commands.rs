//! One file for each command: its options, and what it prints.

pub mod ledger;
pub mod reconcile;
pub mod round;
