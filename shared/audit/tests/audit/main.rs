//! What the audit finds in the evidence of real rounds, and in evidence that was tampered with.

mod budget;
mod ledger;
mod program;
mod reconcile;
mod round;
mod world;
