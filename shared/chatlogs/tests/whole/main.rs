//! The crate from outside: whole exports in, conversations, reports and errors out.

// Helpers of tests are tests too; clippy's own exception knows only functions marked so.
#![allow(clippy::unwrap_used)]

mod archives;
mod dataset;
mod foreign_bytes;
mod formats;
mod malformed;
mod scrub_corpus;
mod support;
