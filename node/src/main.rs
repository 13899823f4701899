//! The program `murmur-node`: its command line, and nothing else. It does not load libtorch: what needs the
//! language model it leaves to `murmur-node-model` (`with_model.rs`).

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = node::cli::Arguments::parse();
    program::run(move || node::cli::run(arguments))
}
