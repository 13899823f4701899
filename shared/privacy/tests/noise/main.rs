//! The noise: what the samplers draw and what the shipped path adds, against the exact discrete Gaussian.
//!
//! Seconds of samples in the test run. Ten million for each σ, and a million of opendp's:
//! `cargo test --release -p privacy --test noise -- --ignored --nocapture`

#![allow(clippy::unwrap_used, reason = "clippy's allowance for tests does not reach their helpers")]

mod distribution;
mod release;
mod samplers;
