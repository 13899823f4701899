//! The executable `murmur-coordinator-model`: `murmur-coordinator` with the language model, which takes its place when a command
//! needs one. Nobody has to type its name.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = coordinator::cli::Arguments::parse();
    program::run(move || coordinator::cli::run_with_model(arguments))
}
