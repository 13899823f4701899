//! The part of the command line of `murmur-node` that needs no language model.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, error::ErrorKind};
use program::{Exit, LogOptions, Output, OutputOptions, UsageError};

use crate::commands::{budget, conversations, import, keys, membership, status};

/// The executable that has the language model and the whole command line.
pub const WITH_MODEL: &str = "murmur-node-model";

/// What every command of `murmur-node` takes.
#[derive(Args)]
pub struct Common {
    /// The node's private folder [default: ~/.murmuration/node]
    #[arg(long, global = true, value_name = "DIR", display_order = 990, help_heading = program::COMMON)]
    folder: Option<PathBuf>,
    #[command(flatten)]
    log: LogOptions,
    #[command(flatten)]
    output: OutputOptions,
}

/// The commands that need no model.
#[derive(Subcommand)]
pub enum Command {
    /// Import chat exports; they stay on this device, encrypted
    Import(import::Options),
    /// See and choose which conversations may be trained on
    #[command(subcommand)]
    Conversations(conversations::Options),
    /// Save or restore the keys; without them, what the folder holds is lost
    #[command(subcommand)]
    Keys(keys::Options),
    /// Take part in no new round until the next `run`, which resumes
    Pause,
    /// Leave the swarm; the ledger stays
    Leave(membership::LeaveOptions),
    /// What has been spent of the privacy budget, and what that means
    Budget,
    /// What the node is doing and waiting for
    Status,
}

/// As much of the command line as is understood here.
#[derive(Parser)]
#[command(name = "murmur-node", version = program::VERSION, propagate_version = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Understood,
}

#[derive(Subcommand)]
enum Understood {
    #[command(flatten)]
    Here(Command),
    #[command(external_subcommand)]
    Elsewhere(
        #[expect(dead_code, reason = "the sibling reads the command line itself")] Vec<OsString>,
    ),
}

/// Runs this process's command line. Whatever is not a command of this crate (one that needs the model, a request for
/// help, a mistake) is left to [`WITH_MODEL`], which takes the place of this process.
///
/// # Errors
/// Whatever the command could not do, with the place and the fix.
pub fn run() -> anyhow::Result<Exit> {
    match Arguments::try_parse() {
        Ok(Arguments { common, command: Understood::Here(command) }) => command.run(&common),
        // Programs ask each other, often.
        Err(answer) if answer.kind() == ErrorKind::DisplayVersion => answer.exit(),
        Ok(Arguments { command: Understood::Elsewhere(_), .. }) | Err(_) => {
            Ok(program::become_sibling(WITH_MODEL)?)
        }
    }
}

impl Common {
    /// Starts logging and says where answers go; once in a process.
    ///
    /// # Errors
    /// If `--log` is no filter.
    pub fn start(&self) -> anyhow::Result<Output> {
        program::start_logging(&self.log)?;
        Ok(Output::new(&self.output))
    }

    /// The node's folder.
    ///
    /// # Errors
    /// If none was named, and there is no home folder.
    pub fn folder(&self) -> anyhow::Result<PathBuf> {
        let otherwise = || -> anyhow::Result<PathBuf> {
            let home = std::env::home_dir().ok_or_else(|| {
                UsageError("there is no home folder: say where with --folder DIR".into())
            })?;
            Ok(home.join(".murmuration").join("node"))
        };
        self.folder.clone().map_or_else(otherwise, Ok)
    }
}

impl Command {
    /// Runs one command.
    ///
    /// # Errors
    /// Whatever the command could not do, with the place and the fix.
    pub fn run(self, common: &Common) -> anyhow::Result<Exit> {
        let output = common.start()?;
        let folder = common.folder()?;
        match self {
            Self::Import(options) => import::run(&folder, options, output),
            Self::Conversations(options) => conversations::run(&folder, options, output),
            Self::Keys(options) => keys::run(&folder, options, output),
            Self::Pause => membership::pause(&folder, output),
            Self::Leave(options) => membership::leave(&folder, &options, output),
            Self::Budget => budget::run(&folder, output),
            Self::Status => status::run(&folder, output),
        }
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

    #[test]
    fn what_needs_the_model_is_left_to_who_has_it() {
        let here = |words: &[&str]| {
            let arguments = Arguments::try_parse_from([&["murmur-node"], words].concat());
            matches!(arguments, Ok(Arguments { command: Understood::Here(_), .. }))
        };
        for words in
            [&["status"][..], &["--folder", "a", "budget", "--json"], &["keys", "export", "x"]]
        {
            assert!(here(words), "{words:?}");
        }
        for words in [
            &["run"][..],
            &["--folder", "a", "chat"],
            &["--folder", "a", "init", "--policy", "none"],
            &["--help"],
            &["status", "--help"],
            &["status", "--nonsense"],
            &[],
        ] {
            assert!(!here(words), "{words:?}");
        }
    }
}
