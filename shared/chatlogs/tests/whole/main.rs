//! The crate from outside: whole exports in, conversations, reports and errors out.

mod archives;
mod dataset;
mod foreign_bytes;
mod formats;
mod malformed;
mod scrub_corpus;
mod support;
