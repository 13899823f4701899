//! The executable `murmur-node-model`: `murmur-node` with the language model, which takes its place when a command needs one.
//! Nobody has to type its name.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = node::cli::Arguments::parse();
    program::run(move || node::cli::run(arguments))
}
