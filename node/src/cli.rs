//! The command line of `murmur-node`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use program::{Exit, LogOptions, Output, OutputOptions, UsageError};

use crate::commands::{
    budget, chat, conversations, evaluate, import, init, join, keys, membership, run, status,
};

/// Lets a local assistant learn from your own chats, and helps a shared model without showing
/// them to anybody.
///
/// A first swarm: `init`, `import` your chats, `join` with an invite, `run`.
#[derive(Parser)]
#[command(name = "murmur-node", version = program::VERSION, propagate_version = true)]
pub struct Arguments {
    /// The node's private folder
    #[arg(long, global = true, value_name = "DIR")]
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
    /// Create the node's folder: keys, encrypted storage, privacy policy
    Init(init::Options),
    /// Join a swarm with an invite from its coordinator
    Join(join::Options),
    /// Import chat exports; they stay on this device, encrypted
    Import(import::Options),
    /// See and choose which conversations may be trained on
    #[command(subcommand)]
    Conversations(conversations::Options),
    /// Save or restore the keys; without them, what the folder holds is lost
    #[command(subcommand)]
    Keys(keys::Options),
    /// Take part in rounds until interrupted
    Run(run::Options),
    /// Take part in no new round until `run` is told to resume
    Pause,
    /// Leave the swarm; the ledger stays
    Leave,
    /// Talk to the assistant; nothing of it is trained on unless you say so
    Chat(chat::Options),
    /// Measure a model on conversations: loss, perplexity, accuracy
    Evaluate(evaluate::Options),
    /// What has been spent of the privacy budget, and what that means
    Budget,
    /// What the node is doing and waiting for
    Status,
}

/// The executable that has the language model: `murmur-node` leaves to it what needs one, so that nothing
/// else loads libtorch.
pub const WITH_MODEL: &str = "murmur-node-model";

/// Runs the command line of `murmur-node`. **It must not name anything of `model`**, not even in a
/// branch that is never taken, or the executable is linked to libtorch.
///
/// # Errors
/// Whatever the command could not do, with the place and the fix.
pub fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    program::start_logging(&arguments.log)?;
    let output = Output::new(&arguments.output);
    let folder = || arguments.folder.clone().map_or_else(default_folder, Ok);
    match arguments.command {
        Command::Import(options) => import::run(&folder()?, options, output),
        Command::Conversations(options) => conversations::run(&folder()?, options, output),
        Command::Keys(options) => keys::run(&folder()?, options, output),
        Command::Pause => membership::pause(&folder()?, output),
        Command::Leave => membership::leave(&folder()?, output),
        Command::Budget => budget::run(&folder()?, output),
        Command::Status => status::run(&folder()?, output),
        Command::Init(_)
        | Command::Join(_)
        | Command::Run(_)
        | Command::Chat(_)
        | Command::Evaluate(_) => Ok(program::become_sibling(WITH_MODEL)?),
    }
}

/// Runs the command line of [`WITH_MODEL`].
///
/// # Errors
/// As [`run`]; and if it was built from other sources than the `murmur-node` that left its place to it.
pub fn run_with_model(arguments: Arguments) -> anyhow::Result<Exit> {
    program::check_predecessor()?;
    if !arguments.command.needs_model() {
        return run(arguments);
    }
    program::start_logging(&arguments.log)?;
    let output = Output::new(&arguments.output);
    let folder = || arguments.folder.clone().map_or_else(default_folder, Ok);
    match arguments.command {
        Command::Init(options) => init::run(&folder()?, options, output),
        Command::Join(options) => join::run(&folder()?, options, output),
        Command::Run(options) => run::run(&folder()?, options, output),
        Command::Chat(options) => chat::run(&folder()?, options, output),
        Command::Evaluate(options) => evaluate::run(&options, output),
        _ => unreachable!("commands without a model were run above"),
    }
}

impl Command {
    fn needs_model(&self) -> bool {
        matches!(
            self,
            Self::Init(_) | Self::Join(_) | Self::Run(_) | Self::Chat(_) | Self::Evaluate(_)
        )
    }
}

fn default_folder() -> anyhow::Result<PathBuf> {
    let home = std::env::home_dir()
        .ok_or_else(|| UsageError("there is no home folder: say where with --folder DIR".into()))?;
    Ok(home.join(".murmuration").join("node"))
}
