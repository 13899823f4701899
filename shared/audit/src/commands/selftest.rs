//! `murmur-audit selftest`: whether the parts do what they should, here and now.

use audit::{CHECKS, Check, SelfTest, check};
use program::{Exit, Output, Paint, Progress, Unit, paint};
use report::{Cell, Column, Page, Table};

use crate::present;

/// Check the parts that everything rests on, on this machine
///
/// The noise against exact probabilities, the norm bound, charges by three paths, accountants against other tools, masks
/// against known answers, and the auditor itself: an honest round that ships with it must hold, and every way of tampering
/// with it must be found. Takes some seconds. Ends with 3 if a check fails.
#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    html: present::Html,
}

/// Runs the command.
///
/// # Errors
/// If nothing can be printed, or the page cannot be written.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    let progress = Progress::new("self-test", CHECKS.len() as u64, Unit::Count("checks"));
    let mut checks: Vec<Check> = Vec::new();
    for name in CHECKS {
        checks.extend(check(name));
        progress.advance(1);
    }
    progress.finish();
    let answer = SelfTest { ok: checks.iter().all(|check| check.ok), checks };
    options.html.write(|| page(&answer))?;
    output.answer(&answer, text)?;
    Ok(if answer.ok { Exit::Success } else { Exit::Faults })
}

fn text(answer: &SelfTest) -> String {
    let colour = if answer.ok { Paint::Green } else { Paint::Red };
    format!("{}\n{}", table(answer).for_terminal(), paint(colour, verdict(answer)))
}

fn verdict(answer: &SelfTest) -> &'static str {
    if answer.ok {
        "Everything does what it should."
    } else {
        "A part does not do what it should: believe nothing that it made."
    }
}

fn table(answer: &SelfTest) -> Table {
    let columns = ["", "check", "what"].map(Column::text);
    answer.checks.iter().fold(Table::new(columns), |table, check| {
        let word = if check.ok { Cell::good("ok") } else { Cell::bad("FAILED") };
        table.row([word, check.name.into(), check.detail.as_str().into()])
    })
}

fn page(answer: &SelfTest) -> Page {
    let page = Page::new("Self-test of this installation");
    let page = if answer.ok { page.lead(verdict(answer)) } else { page.warning(verdict(answer)) };
    page.table(table(answer))
}
