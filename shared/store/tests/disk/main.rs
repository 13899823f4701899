//! The store from outside, on a real disk, in one binary.
#![cfg(test)]

mod chain;
mod conversations;
mod encryption;
mod kill;
mod slices;
