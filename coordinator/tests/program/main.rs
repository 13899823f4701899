//! The built program, as its operator and its nodes meet it.

mod enrolling;
mod history;
mod making;
mod support;
