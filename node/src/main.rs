//! The program `murmur-node`: its command line, and nothing else.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = node::cli::Arguments::parse();
    program::run(move || node::cli::run(arguments))
}
