//! One file for each command: its options, and what it prints.

pub mod budget;
pub mod empirical;
pub mod epsilon;
pub mod ledger;
pub mod reconcile;
pub mod round;
pub mod selftest;
