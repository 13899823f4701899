//! Whole rounds of secure aggregation without a protocol: all members and the coordinator in one
//! place, through the public interface alone.

mod cohort;
mod refusals;
mod seals;
mod sums;
