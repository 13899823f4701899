//! The program `murmur-coordinator`: its command line, and nothing else. It does not load libtorch: what needs the
//! language model it leaves to `murmur-coordinator-model` (`with_model.rs`).

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = coordinator::cli::Arguments::parse();
    program::run(move || coordinator::cli::run(arguments))
}
