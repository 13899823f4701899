//! The program `murmur-audit`: checks what a swarm claims, offline.

mod commands;
mod files;
mod present;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use program::{Exit, LogOptions, Output, OutputOptions};

use commands::{budget, empirical, epsilon, ledger, reconcile, round, selftest};

/// Checks what a swarm of murmur-nodes and its coordinator claim, offline: no network, no key, no model.
///
/// Give it the files that they keep. It verifies every signature and link, computes every cost and sum once more, and
/// says what holds, what does not, and what it did not look at.
#[derive(Parser)]
#[command(name = "murmur-audit", version = program::VERSION, propagate_version = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(flatten)]
    log: LogOptions,
    #[command(flatten)]
    output: OutputOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a node's ledger: every byte, link, signature, charge and budget
    Ledger(ledger::Options),
    /// Check one round: its record, and with --transcript its sum
    Round(round::Options),
    /// Hold nodes' ledgers against the coordinator's transcripts
    Reconcile(reconcile::Options),
    /// What was spent, or would be, against each adversary
    Budget(budget::Options),
    /// The ε of Gaussian noise over many rounds, or the noise for an ε
    Epsilon(epsilon::Options),
    /// A lower bound of ε from planted canaries, beside the claim
    Empirical(empirical::Options),
    /// Check the parts that everything rests on, on this machine
    Selftest(selftest::Options),
}

const EXIT_CODES: &str = "Exit codes:
  0    what was looked at holds
  1    the audit could not be done; standard error says why
  2    warnings: somebody should look at something (also: a wrong command line)
  3    faults: a claim does not hold";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(move || run(arguments))
}

fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    program::start_logging(&arguments.log)?;
    let output = Output::new(&arguments.output);
    match arguments.command {
        Command::Ledger(options) => ledger::run(&options, output),
        Command::Round(options) => round::run(&options, output),
        Command::Reconcile(options) => reconcile::run(&options, output),
        Command::Budget(options) => budget::run(&options, output),
        Command::Epsilon(options) => epsilon::run(&options, output),
        Command::Empirical(options) => empirical::run(&options, output),
        Command::Selftest(options) => selftest::run(&options, output),
    }
}
