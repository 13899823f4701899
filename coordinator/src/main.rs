//! The program `murmur-coordinator`: its command line, and nothing else.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = coordinator::cli::Arguments::parse();
    program::run(move || coordinator::cli::run(arguments))
}
