//! `murmur-coordinator estimate`: what a swarm would cost and whether it would learn, before any data is
//! touched.

use estimate::Question;
use program::{Exit, Output};

/// What a swarm would cost and whether it would learn, before any data is touched
///
/// Give nodes, rounds and one of --epsilon and --noise, or leave one out: it is solved. Without --nodes, the fewest that
/// leave the wanted signal; without --rounds (and with both --epsilon and --noise), as many as ε pays; without ε and noise,
/// the most noise that leaves the wanted signal.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  murmur-coordinator estimate --nodes 60 --rounds 10 --epsilon 8 --dimension 21000
  murmur-coordinator estimate --rounds 10 --epsilon 8 --dimension 21000 --signal-to-noise 1")]
pub struct Options {
    #[command(flatten)]
    question: Question,
}

/// Runs the command.
///
/// # Errors
/// If too much or too little is given, or there is no answer.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    output.answer(&estimate::answer(&options.question)?, estimate::told)?;
    Ok(Exit::Success)
}
