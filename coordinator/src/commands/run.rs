//! `murmur-coordinator run`.

use std::path::{Path, PathBuf};

use program::{Exit, Output};

use crate::{home::Home, run::RunOptions};

/// Runs rounds whenever enough nodes are present, and issues what passes the gate. Ends in order
/// at SIGINT or SIGTERM: a round that was going on is finished or given up at the next start. With
/// --json it prints one JSON object a line for everything that happens.
#[derive(clap::Args)]
pub struct Options {
    /// End after N rounds, issued, refused or aborted
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
    /// End when version N is there
    #[arg(long, value_name = "N")]
    until_version: Option<u64>,
    /// Where the base model is now, if it was moved since `init`
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// As [`crate::run::run`].
pub fn run(folder: &Path, options: Options, output: Output) -> anyhow::Result<Exit> {
    let Options { rounds, until_version, model } = options;
    crate::run::run(Home::open(folder)?, RunOptions { rounds, until_version, model }, output)
}
