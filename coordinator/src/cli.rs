//! The command line of `murmur-coordinator`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use program::{Exit, LogOptions, Output, OutputOptions, UsageError};

use crate::commands::{estimate, init, invite, remove, rollback, run, status, versions};

/// Runs a swarm: recruits nodes, runs rounds, issues global versions through a gate.
///
/// A first swarm: write a `coordinator.toml` (the repository's `configs/coordinator.toml` explains
/// every key), then `init`, `run`, and while it runs `invite` for each node.
#[derive(Parser)]
#[command(
    name = "murmur-coordinator",
    version = program::VERSION,
    propagate_version = true,
    after_help = program::EXIT_CODES
)]
pub struct Arguments {
    /// The coordinator's private folder [default: ~/.murmuration/coordinator]
    #[arg(long, global = true, value_name = "DIR", display_order = 990, help_heading = program::COMMON)]
    folder: Option<PathBuf>,
    #[command(flatten)]
    log: LogOptions,
    #[command(flatten)]
    output: OutputOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a task: key, base model, gate, version 0
    Init(init::Options),
    /// Make invites; each enrols one node, once
    Invite(invite::Options),
    /// Take a node off the list of members
    Remove(remove::Options),
    Estimate(estimate::Options),
    /// Run rounds until interrupted
    Run(run::Options),
    /// What the coordinator is doing and waiting for
    Status,
    /// The history: every version and every other step of the chain
    Versions(versions::Options),
    /// Make an earlier version the newest one again
    Rollback(rollback::Options),
}

/// Runs the command line.
///
/// # Errors
/// Whatever the command could not do, with the place and the fix.
pub fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    program::start_logging(&arguments.log)?;
    let output = Output::new(&arguments.output);
    let folder = arguments.folder.map_or_else(default_folder, Ok)?;
    match arguments.command {
        Command::Init(options) => init::run(&folder, &options, output),
        Command::Invite(options) => invite::run(&folder, &options, output),
        Command::Remove(options) => remove::run(&folder, &options, output),
        Command::Estimate(options) => estimate::run(&options, output),
        Command::Run(options) => run::run(&folder, options, output),
        Command::Status => status::run(&folder, output),
        Command::Versions(options) => versions::run(&folder, &options, output),
        Command::Rollback(options) => rollback::run(&folder, &options, output),
    }
}

fn default_folder() -> anyhow::Result<PathBuf> {
    match std::env::var_os("HOME") {
        Some(home) if !home.is_empty() => Ok(PathBuf::from(home).join(".murmuration/coordinator")),
        _ => Err(UsageError("HOME is not set: name the coordinator's folder with --folder".into())
            .into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
