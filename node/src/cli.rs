//! The whole command line of `murmur-node`; commands that need no language model are `device`'s.

use clap::{Parser, Subcommand};
use device::cli::{Command as DeviceCommand, Common};
use program::Exit;

use crate::commands::{chat, evaluate, init, join, run};

pub use device::cli::WITH_MODEL;

/// Lets a local assistant learn from your own chats, and helps a shared model without showing
/// them to anybody.
///
/// A first swarm: `init`, `import` your chats, `join` with an invite, `run`.
#[derive(Parser)]
#[command(
    name = "murmur-node",
    version = program::VERSION,
    propagate_version = true,
    after_help = program::EXIT_CODES
)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create the node's folder: keys, encrypted storage, privacy policy
    Init(init::Options),
    /// Join a swarm with an invite from its coordinator
    Join(join::Options),
    /// Take part in rounds until interrupted
    Run(run::Options),
    #[command(flatten)]
    Device(DeviceCommand),
    /// Talk to the assistant; nothing of it is trained on unless you say so
    Chat(chat::Options),
    /// Measure a model on conversations: loss, perplexity, accuracy
    Evaluate(evaluate::Options),
}

/// Runs the command line.
///
/// # Errors
/// Whatever the command could not do, with the place and the fix; and if this was built from other sources than the
/// `murmur-node` that left its place to it.
pub fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    program::check_predecessor()?;
    let Arguments { common, command } = arguments;
    let command = match command {
        Command::Device(command) => return command.run(&common),
        command => command,
    };
    let output = common.start()?;
    match command {
        Command::Init(options) => init::run(&common.folder()?, options, output),
        Command::Join(options) => join::run(&common.folder()?, options, output),
        Command::Run(options) => run::run(&common.folder()?, options, output),
        Command::Chat(options) => chat::run(&common.folder()?, options, output),
        Command::Evaluate(options) => evaluate::run(&options, output),
        Command::Device(_) => unreachable!("was run above"),
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
