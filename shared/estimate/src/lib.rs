//! The command `estimate`: what a swarm would cost, whether it would learn and how long a round would take, before
//! any data is touched; from options to an answer in words or JSON.
//!
//! It never computes a cost itself (`privacy::estimate` does), touches no file and no network, and measures one thing
//! only: how fast noise is drawn here. Whatever else it takes for granted it says so. Used by `murmur-coordinator`
//! and `murmur-simulate`, each with a help text of its own.

mod question;
mod told;

use std::time::Instant;

use privacy::{Estimate, EstimateError, Pace, Part};
pub use question::Question;
use serde::Serialize;
pub use told::told;

/// What is printed with `--json`.
#[derive(Serialize)]
pub struct Answer {
    #[serde(flatten)]
    estimate: Estimate,
    /// All parts of `time` together.
    seconds_per_round: f64,
    /// What a round waits for.
    time: Vec<Part>,
    /// What was taken for granted.
    assumptions: Vec<String>,
}

/// Answers a question; draws some noise to see how long that takes on this machine.
///
/// # Errors
/// [`EstimateError`]: too much or too little is given, there is no answer, or the system gives no entropy.
pub fn answer(question: &Question) -> Result<Answer, EstimateError> {
    let estimate = privacy::estimate(&question.wish())?;
    let time = estimate.time(&pace(question, &estimate)?);
    Ok(Answer {
        seconds_per_round: time.iter().map(|part| part.seconds).sum(),
        time,
        assumptions: question.assumptions(),
        estimate,
    })
}

/// Noise is measured here and now; the rest is assumed, and said so.
fn pace(question: &Question, estimate: &Estimate) -> Result<Pace, EstimateError> {
    let begun = Instant::now();
    estimate.draw_noise(SAMPLES)?;
    let uplink_bytes = question.uplink_mbit * 125_000.0;
    Ok(Pace {
        noise_s: begun.elapsed().as_secs_f64() / SAMPLES as f64,
        mask_bytes: MASK_BYTES,
        uplink_bytes,
        downlink_bytes: 5.0 * uplink_bytes,
        train_s: question.train_s,
        windows_s: question.windows_s,
    })
}

/// Samples of the measurement.
const SAMPLES: usize = 1 << 20;
/// ChaCha20 on one core, with the addition, in bytes a second.
const MASK_BYTES: f64 = 1e9;

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        question: Question,
    }

    fn answered(words: &str) -> Result<Answer, EstimateError> {
        answer(&Line::parse_from(["x"].into_iter().chain(words.split_whitespace())).question)
    }

    #[test]
    fn the_table_has_every_adversary_and_the_time_adds_up() {
        let answer = answered("--nodes 8 --rounds 10 --epsilon 8 --dimension 2000").expect("one");
        let text = told(&answer);
        for line in &answer.estimate.adversaries {
            // Cells are broken into lines.
            let begins: String = line.who.chars().take(14).collect();
            assert!(text.contains(&format!("\n {}", begins.trim())), "{} in {text}", line.who);
        }
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in answer.estimate.words.iter().chain(&answer.assumptions) {
            assert!(flat.contains(words.as_str()), "{words} in {text}");
        }
        let sum: f64 = answer.time.iter().map(|part| part.seconds).sum();
        assert!((sum - answer.seconds_per_round).abs() < 1e-9 && sum > 80.0, "{sum}");
        assert!(answer.time.iter().filter(|part| part.measured).count() == 1);
    }

    #[test]
    fn the_options_are_what_is_answered() {
        let line = "--nodes 8 --rounds 10 --epsilon 8 --dimension 2000";
        let other = format!("{line} --train-s 7 --windows-s 3 --uplink-mbit 1 --corrupt 1/4");
        let (one, other) = (answered(line).expect("one"), answered(&other).expect("another"));
        assert!(other.seconds_per_round < one.seconds_per_round - 50.0);
        assert!(other.estimate.honest < one.estimate.honest, "more are corrupt");
        assert!(other.assumptions[0].contains("7 s") && other.assumptions[1].contains("3 s"));
        assert!(other.assumptions[2].contains("1 Mbit/s"));
        assert!(matches!(answered("--nodes 8 --dimension 2000"), Err(EstimateError::Given)));
    }

    #[test]
    fn a_part_that_is_no_fraction_is_refused() {
        let line = ["x", "--dimension", "1", "--corrupt", "1"];
        let error = Line::try_parse_from(line).err().expect("refused").to_string();
        assert!(error.contains("\"1\" is not a fraction, written such as 1/10"), "{error}");
    }
}
