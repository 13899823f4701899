//! The rules of versions, from outside, in one binary.
#![cfg(test)]

mod chain;
mod golden;
mod step;
mod terms;
