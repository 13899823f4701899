//! How a program starts, speaks and stops: configuration, logging, exit codes, `--json`, progress, shutdown.
//!
//! It never decides anything about a round, reads no chat log and opens no socket; it names no other crate of ours.
//! Used by `murmur-node`, `murmur-coordinator`, `murmur-simulate` and `murmur-audit`, whose `main` looks like this:
//!
//! ```no_run
//! use clap::Parser;
//! use program::{Exit, LogOptions, Output, OutputOptions};
//!
//! /// What this program is for.
//! #[derive(Parser)]
//! #[command(name = "murmur-example", version = program::VERSION)]
//! struct Arguments {
//!     #[command(flatten)]
//!     log: LogOptions,
//!     #[command(flatten)]
//!     output: OutputOptions,
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     program::run(|| {
//!         let arguments = Arguments::parse();
//!         program::start_logging(&arguments.log)?;
//!         let output = Output::new(&arguments.output);
//!         output.say("hello")?;
//!         Ok(Exit::Success)
//!     })
//! }
//! ```
//!
//! # Where words go
//! What was asked for goes to standard output: text for people, or one JSON value with `--json`. Everything else
//! (progress, waiting, logs, errors) goes to standard error, so that a script may read the first and a person sees both.

mod clock;
mod config;
mod error;
mod exit;
mod files;
pub mod human;
mod logging;
mod output;
mod progress;
mod shutdown;
mod siblings;
mod terminal;
mod waiting;

pub use clock::steady_ms;
pub use config::{ConfigError, Place, load_toml, parse_toml};
pub use error::ProgramError;
pub use exit::{EXIT_CODES, Exit, Interrupted, UsageError, run};
pub use files::{create_secret, write_atomically, write_secret};
pub use logging::{LogOptions, start_logging};
pub use output::{COMMON, Output, OutputOptions, note};
pub use progress::{Progress, Unit};
pub use shutdown::Shutdown;
pub use siblings::{
    BUILD_ID, VERSION, become_sibling, build_id, check_build, check_predecessor, sibling,
};
pub use terminal::{Paint, paint};
pub use waiting::{Waiting, waiting};
