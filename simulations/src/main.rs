//! `murmur-simulate`: swarms on one machine, and the making of the base model.

mod estimate;
mod learning;
mod pretrain;
mod processes;
mod protocol;
mod report;
mod sweep;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use program::{Exit, Output};

/// Simulates swarms on this machine, and makes the small base model that the project ships.
#[derive(Parser)]
#[command(
    name = "murmur-simulate",
    version = program::VERSION,
    propagate_version = true,
    after_help = program::EXIT_CODES
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: program::LogOptions,
    #[command(flatten)]
    output: program::OutputOptions,
}

#[derive(Subcommand)]
enum Command {
    /// Play the rules that ship in a made world where everything goes wrong, over many seeds
    Protocol(protocol::Options),
    /// Train many virtual nodes on this machine, as a scenario says, and report what was learned at what cost
    Learning(learning::Options),
    Estimate(estimate::Options),
    /// Lay several runs of `learning` over each other on one page
    Report(report::Options),
    /// Run a scenario of `learning` with every combination of some values
    Sweep(sweep::Options),
    /// Run a real swarm of programs on this machine, over real chat exports, and report what it learned
    Processes(processes::Options),
    /// Pre-train the base model `seedling` on free texts
    Pretrain(pretrain::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(move || run(arguments))
}

fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    program::start_logging(&arguments.log)?;
    let output = Output::new(&arguments.output);
    match arguments.command {
        Command::Protocol(options) => protocol::run(&options, output),
        Command::Learning(options) => learning::run(options, output),
        Command::Estimate(options) => estimate::run(&options, output),
        Command::Report(options) => report::run(&options, output),
        Command::Sweep(options) => sweep::run(&options, output),
        Command::Processes(options) => processes::run(options, output),
        Command::Pretrain(options) => pretrain::run(options, output),
    }
}
