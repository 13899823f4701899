//! `murmur-coordinator estimate`: what a swarm would cost and whether it would learn, before any data is
//! touched.

use std::time::Instant;

use privacy::{Estimate, Pace, Part, Wish, estimate};
use program::human::wrapped;
use program::{Exit, Output};
use report::{Column, Table};
use serde::Serialize;

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
    /// Contributions in a round
    #[arg(long)]
    nodes: Option<u32>,
    /// Rounds that one node takes part in
    #[arg(long)]
    rounds: Option<u32>,
    /// ε over all of them, against the coordinator
    #[arg(long)]
    epsilon: Option<f64>,
    /// Noise multiplier z: the noise of the honest nodes together, over the clip
    #[arg(long)]
    noise: Option<f64>,
    /// Signal-to-noise of the final delta, where it decides
    #[arg(long, default_value_t = 1.0)]
    signal_to_noise: f64,
    /// Trained parameters (`init` prints those of an adapter)
    #[arg(long)]
    dimension: u32,
    /// L2 clip of an update, in parameter units
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// δ
    #[arg(long, default_value_t = 1e-6)]
    delta: f64,
    /// Part of a roster whose noise is not counted on
    #[arg(long, default_value = "1/10", value_parser = parse_fraction)]
    corrupt: (u32, u32),
    /// Sums are taken modulo 2 to this power
    #[arg(long, default_value_t = 20)]
    modulus_bits: u32,
    /// Assumed: seconds that the slowest node trains
    #[arg(long, default_value_t = 60.0)]
    train_s: f64,
    /// Assumed: seconds of the windows to advertise and to contribute together
    #[arg(long, default_value_t = 20.0)]
    windows_s: f64,
    /// Assumed: megabits that a node's line sends in a second (it receives five times as many)
    #[arg(long, default_value_t = 10.0)]
    uplink_mbit: f64,
}

fn parse_fraction(text: &str) -> Result<(u32, u32), String> {
    text.split_once('/')
        .and_then(|(above, below)| Some((above.trim().parse().ok()?, below.trim().parse().ok()?)))
        .ok_or_else(|| format!("\"{text}\" is not a fraction, written such as 1/10"))
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    estimate: Estimate,
    seconds_per_round: f64,
    time: Vec<Part>,
    assumptions: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// If too much or too little is given, or there is no answer.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    let estimate = estimate(&Wish {
        nodes: options.nodes,
        rounds: options.rounds,
        epsilon: options.epsilon,
        noise_multiplier: options.noise,
        signal_to_noise: options.signal_to_noise,
        dimension: options.dimension,
        clip: options.clip,
        delta: options.delta,
        corrupt: options.corrupt,
        modulus_bits: options.modulus_bits,
    })?;
    let time = estimate.time(&pace(options, &estimate)?);
    let answer = Answer {
        seconds_per_round: time.iter().map(|part| part.seconds).sum(),
        time,
        assumptions: assumptions(options),
        estimate,
    };
    output.answer(&answer, told)?;
    Ok(Exit::Success)
}

/// Noise is measured here and now; the rest is assumed, and said so.
fn pace(options: &Options, estimate: &Estimate) -> anyhow::Result<Pace> {
    let begun = Instant::now();
    estimate.draw_noise(SAMPLES)?;
    let uplink_bytes = options.uplink_mbit * 125_000.0;
    Ok(Pace {
        noise_s: begun.elapsed().as_secs_f64() / SAMPLES as f64,
        mask_bytes: MASK_BYTES,
        uplink_bytes,
        downlink_bytes: 5.0 * uplink_bytes,
        train_s: options.train_s,
        windows_s: options.windows_s,
    })
}

/// Samples of the measurement.
const SAMPLES: usize = 1 << 20;
/// ChaCha20 on one core, with the addition.
const MASK_BYTES: f64 = 1e9;

fn assumptions(options: &Options) -> Vec<String> {
    vec![
        format!("training takes {} s on the slowest node", options.train_s),
        format!("windows of random instants take {} s", options.windows_s),
        format!("a line sends {} Mbit/s and receives five times as many", options.uplink_mbit),
        "masks are made at 1 GB/s, one core".to_owned(),
        "every node takes part in every round; no amplification by sampling is claimed".to_owned(),
        "updates at the clip and all in one direction: the true signal is smaller".to_owned(),
    ]
}

fn told(answer: &Answer) -> String {
    let estimate = &answer.estimate;
    let mut facts = Table::new([Column::text("a swarm"), Column::number("estimate")]);
    for (name, value) in estimate.facts() {
        facts = facts.row([name.to_owned(), value]);
    }
    for part in &answer.time {
        let how = if part.measured { "measured here" } else { "assumed" };
        facts = facts.row([format!("{} ({how})", part.what), format!("{:.3} s", part.seconds)]);
    }
    let seconds = format!("{:.1} s", answer.seconds_per_round);
    facts = facts.row(["one round, about".to_owned(), seconds]);
    let columns = [
        Column::text("adversary"),
        Column::number("shares"),
        Column::number("ε, 1 round"),
        Column::number("ε, all"),
        Column::text("in words"),
    ];
    let lines = estimate.after_one_round.iter().zip(&estimate.adversaries);
    let adversaries = lines.fold(Table::new(columns), |table, (first, line)| {
        let shares = line.shares.map_or("–".to_owned(), |(least, _)| least.to_string());
        let (one, all) = (first.told(first.epsilon), line.told(line.epsilon));
        table.row([line.who.clone(), shares, one, all, line.words.clone()])
    });
    let mut text = format!("{}\n{}", facts.for_terminal(), adversaries.for_terminal());
    for word in &estimate.words {
        text += &format!("\n{}", wrapped(word));
    }
    text + &wrapped(&format!("\nAssumed: {}.", answer.assumptions.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn answers_in_text_and_json() {
        let line = ["x", "--nodes", "8", "--rounds", "10", "--epsilon", "8", "--dimension", "2000"];
        let Line { options } = <Line as clap::Parser>::parse_from(line);
        assert_eq!(options.corrupt, (1, 10));
        assert!(matches!(run(&options, Output::new(&Default::default())), Ok(Exit::Success)));
        assert!(parse_fraction("1").is_err());
    }
}
