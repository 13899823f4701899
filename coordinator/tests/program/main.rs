//! The built program, as its operator and its nodes meet it.

#![allow(clippy::unwrap_used, reason = "clippy knows test functions, but not what they call")]

mod enrolling;
mod history;
mod making;
mod support;
