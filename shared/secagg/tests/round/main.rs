//! Whole rounds of secure aggregation without a protocol: all members and the coordinator in one
//! place, through the public interface alone.

#![allow(clippy::unwrap_used, reason = "a failed step of a test or bench ends it")]

mod cohort;
mod refusals;
mod seals;
mod sums;
