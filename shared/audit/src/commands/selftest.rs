//! `murmur-audit selftest`: whether the parts do what they should, here and now.

use audit::{CHECKS, Check, SelfTest, check};
use program::{Exit, Output, Paint, Progress, Unit, paint};
use report::{Cell, Column, Table};

/// Check the parts that everything rests on, on this machine
///
/// The noise against exact probabilities, the norm bound, charges by three paths, accountants against other tools, masks
/// against known answers, and the auditor itself: an honest round that ships with it must hold, and every way of tampering
/// with it must be found. Takes some seconds. Ends with 3 if a check fails.
#[derive(clap::Args)]
pub struct Options {}

/// Runs the command.
///
/// # Errors
/// If nothing can be printed.
pub fn run(_: &Options, output: Output) -> anyhow::Result<Exit> {
    let progress = Progress::new("self-test", CHECKS.len() as u64, Unit::Count("checks"));
    let mut checks: Vec<Check> = Vec::new();
    for name in CHECKS {
        checks.extend(check(name));
        progress.advance(1);
    }
    progress.finish();
    let answer = SelfTest { ok: checks.iter().all(|check| check.ok), checks };
    output.answer(&answer, text)?;
    Ok(if answer.ok { Exit::Success } else { Exit::Faults })
}

fn text(answer: &SelfTest) -> String {
    let columns = ["", "check", "what"].map(Column::text);
    let table = answer.checks.iter().fold(Table::new(columns), |table, check| {
        let word = if check.ok { Cell::good("ok") } else { Cell::bad("FAILED") };
        table.row([word, check.name.into(), check.detail.as_str().into()])
    });
    let verdict = if answer.ok {
        paint(Paint::Green, "Everything does what it should.")
    } else {
        paint(Paint::Red, "A part does not do what it should: believe nothing that it made.")
    };
    format!("{}\n{verdict}", table.for_terminal())
}
