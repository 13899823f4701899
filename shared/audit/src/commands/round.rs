//! `murmur-audit round`: one round's record, with its transcript where it is at hand.

use std::path::PathBuf;

use audit::{History, RoundAudit, audit_round};
use grid::Q40;
use privacy::{MEANINGFUL_EPSILON, words::at_most, zcdp_epsilon};
use program::human::wrapped;
use program::{Exit, Output};
use protocol::policy::DELTA;
use report::Page;
use serde::Serialize;
use wire::RoundRecord;

use crate::{files, present};

/// Check one round: its record, and with --transcript its sum
///
/// From the record alone: every signature from the plan to the survivors' agreement, that enough survived for the charge
/// to hold, and that the version follows from the sum, bit for bit. With the coordinator's transcript: every message of
/// every node, the signed root of the sealed shares, that nobody revealed two kinds of share of one member, and the sum
/// itself, unmasked once more from the contributions and the revealed shares.
///
/// Genesis, chain and states are taken from the coordinator's folder around the record where the options do not name
/// them. What is not there is said not to have been looked at.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  murmur-audit round coord/records/<hash> --transcript coord/transcripts/round-000001"
)]
pub struct Options {
    /// The record's file
    record: PathBuf,
    /// The coordinator's transcript of the same round
    #[arg(long, value_name = "FILE")]
    transcript: Option<PathBuf>,
    #[command(flatten)]
    task: files::TaskFiles,
    #[command(flatten)]
    html: present::Html,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Answer {
    record: PathBuf,
    transcript: Option<PathBuf>,
    #[serde(flatten)]
    audit: RoundAudit,
}

/// Runs the command.
///
/// # Errors
/// If a file cannot be read, or is no record, transcript, genesis or chain at all.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    let task = options.task.open(&options.record)?;
    let record: RoundRecord =
        files::read_message(&options.record, RoundRecord::LIMIT, "a round record")?;
    let transcript = options.transcript.as_deref().map(files::open_transcript).transpose()?;
    let (chain, states) = (task.chain.as_ref(), &task.states);
    let history = History { genesis: &task.genesis, chain, states };
    let audit = audit_round(&record, transcript.as_ref(), &history);
    let (record, transcript) = (options.record.clone(), options.transcript.clone());
    let answer = Answer { record, transcript, audit };
    options.html.write(|| page(&answer))?;
    output.answer(&answer, text)?;
    Ok(present::exit(&answer.audit.findings))
}

fn text(answer: &Answer) -> String {
    let findings = &answer.audit.findings;
    format!(
        "{}\n{}\n{}",
        present::table(findings).for_terminal(),
        wrapped(&sentence(&answer.audit)),
        present::verdict(findings)
    )
}

fn sentence(audit: &RoundAudit) -> String {
    let RoundAudit { task, round, roster, closed, survivors, rho, .. } = audit;
    match (round, rho) {
        (Some(round), Some(rho)) => format!(
            "Round {round} of task {}: {roster} advertised, {closed} dealt shares, {survivors} are in the sum; \
             ρ = {} for each of them{}.",
            &task[..12],
            at_most(*rho),
            alone(*rho)
        ),
        _ => format!("Not a round of task {}.", &task[..12]),
    }
}

/// What one round costs whoever was in no other: a round that holds may still protect nobody.
fn alone(rho: f64) -> String {
    match Q40::from_f64_up(rho).map(|rho| zcdp_epsilon(rho, DELTA)) {
        Ok(Ok(epsilon)) if epsilon <= MEANINGFUL_EPSILON => {
            format!(" (this round alone: ε = {} at δ = {DELTA:e})", at_most(epsilon))
        }
        Ok(Ok(epsilon)) => format!(
            " (this round alone: ε = {} at δ = {DELTA:e}, NO MEANINGFUL GUARANTEE)",
            at_most(epsilon)
        ),
        _ => " (NO MEANINGFUL GUARANTEE)".to_owned(),
    }
}

fn page(answer: &Answer) -> Page {
    let page = Page::new("Audit of a round").lead(&sentence(&answer.audit));
    present::concluded(page, &answer.audit.findings)
        .section("What was looked at")
        .table(present::table(&answer.audit.findings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_without_a_guarantee_says_so() {
        let weak = alone(555.544189878);
        assert!(weak.contains("ε = ") && weak.contains("NO MEANINGFUL GUARANTEE"), "{weak}");
        // ρ = 0.1 at δ = 1e-6: between μ's exact ε and ρ + 2√(ρ ln(1/δ)) = 2.45.
        let sound = alone(0.1);
        assert!(sound.contains("ε = 2.") && !sound.contains("NO MEANINGFUL"), "{sound}");
        assert!(alone(f64::INFINITY).contains("NO MEANINGFUL GUARANTEE"));
    }
}
