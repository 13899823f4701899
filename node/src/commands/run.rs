//! `murmur-node run`: takes part in rounds until interrupted.

use std::path::Path;

use device::commands::membership;
use program::{Exit, Output};
use store::{Folder, StoreError};

use crate::{home::Home, run::RunOptions};

/// Takes part in rounds until interrupted (Ctrl-C stops within a second; the next run goes on).
/// Where the node runs already and is paused, it resumes that one and returns. With --json it prints
/// one JSON object a line for everything that happens.
#[derive(clap::Args)]
pub struct Options {
    /// Go on although too many charged rounds in a row ended without a sum
    #[arg(long)]
    forgive: bool,
}

/// Runs the command.
///
/// # Errors
/// If the node cannot start, or cannot keep what it must.
pub fn run(folder: &Path, options: Options, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    if home.is_paused() && matches!(Folder::open(folder), Err(StoreError::Locked { .. })) {
        return membership::resume(&home, output);
    }
    crate::run::run(home, RunOptions { forgive: options.forgive }, output)
}
