//! A small program that starts, speaks and stops as all of ours do. The tests of this crate drive it as a process.

use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use program::{Exit, Interrupted, LogOptions, Output, OutputOptions, Progress, Shutdown, Unit};

/// Shows what the `program` crate does
#[derive(Parser)]
#[command(name = "program-sample", version = program::VERSION)]
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
    /// Answer with a number
    Answer,
    /// Fail with two causes
    Fail,
    /// Draw a bar for a few seconds
    Work,
    /// Wait for a signal; --deaf does not stop then
    Wait {
        /// Do not stop at the first signal
        #[arg(long)]
        deaf: bool,
    },
}

fn main() -> std::process::ExitCode {
    program::run(|| {
        let arguments = Arguments::parse();
        program::start_logging(&arguments.log)?;
        tracing::debug!("logging has started");
        let output = Output::new(&arguments.output);
        match arguments.command {
            Command::Answer => {
                output.say("The answer:")?;
                output.answer(&42, |number| format!("It is {number}."))?;
            }
            Command::Fail => {
                std::fs::read("/nonexistent/file").map(drop).context("cannot do it")?
            }
            Command::Work => work(),
            Command::Wait { deaf } => return wait(output, deaf),
        }
        Ok(Exit::Success)
    })
}

fn work() {
    let progress = Progress::new("working", 60, Unit::Count("steps"));
    for step in 0..60 {
        std::thread::sleep(Duration::from_millis(100));
        progress.advance(1);
        progress.detail(format!("loss {:.2}", 3.0 - f64::from(step) / 60.0));
    }
    progress.finish();
}

/// Computes on the main thread, as training does, and looks at the token between two steps.
fn wait(output: Output, deaf: bool) -> anyhow::Result<Exit> {
    let shutdown = Shutdown::on_signals()?;
    output.say("ready")?;
    while deaf || !shutdown.is_requested() {
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(Interrupted.into())
}
