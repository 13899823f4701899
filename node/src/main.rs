//! The program `murmur-node`: its command line, and nothing else. **It names nothing but `device` and
//! `program`**, so that it is not linked to libtorch; what needs the language model it leaves to `murmur-node-model`
//! (`with_model.rs`).

use std::process::ExitCode;

fn main() -> ExitCode {
    program::run(device::cli::run)
}
