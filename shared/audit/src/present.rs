//! How findings are shown: a table for people, a page, an exit code.

use std::path::{Path, PathBuf};

use audit::{Finding, Findings, Level};
use program::{Exit, Paint, human::plural, paint};
use report::{Cell, Column, Page, Table, Tone};

/// The option of commands that can write a page.
#[derive(clap::Args)]
pub struct Html {
    /// Also write a self-contained HTML report to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Html {
    /// Writes the page, if one is asked for, and says where.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, page: impl FnOnce() -> Page) -> anyhow::Result<()> {
        let Some(path) = &self.html else { return Ok(()) };
        write_page(path, &page())
    }
}

fn write_page(path: &Path, page: &Page) -> anyhow::Result<()> {
    program::write_atomically(path, page.to_html().as_bytes())?;
    program::note(format!("report: {}", path.display()));
    Ok(())
}

/// The program's exit code for these findings.
pub fn exit(findings: &Findings) -> Exit {
    match findings.worst() {
        Level::Ok | Level::Note => Exit::Success,
        Level::Warning => Exit::Warnings,
        Level::Fault => Exit::Faults,
    }
}

/// One line each.
pub fn table(findings: &Findings) -> Table {
    let columns = ["", "check", "where", "what"].map(Column::text);
    let row = |finding: &Finding| {
        let (word, tone) = word(finding.level);
        [
            Cell::new(word, tone),
            finding.check.into(),
            finding.at.as_str().into(),
            Cell::new(finding.what.as_str(), tone_of_text(finding.level)),
        ]
    };
    findings.all().iter().fold(Table::new(columns), |table, finding| table.row(row(finding)))
}

fn word(level: Level) -> (&'static str, Tone) {
    match level {
        Level::Ok => ("ok", Tone::Good),
        Level::Note => ("note", Tone::Muted),
        Level::Warning => ("warning", Tone::Warning),
        Level::Fault => ("FAULT", Tone::Bad),
    }
}

fn tone_of_text(level: Level) -> Tone {
    match level {
        Level::Ok | Level::Note => Tone::Plain,
        Level::Warning => Tone::Warning,
        Level::Fault => Tone::Bad,
    }
}

/// The red box of a page whose ε is beyond what a person could use.
pub const NO_GUARANTEE: &str = "No meaningful guarantee: at this ε, what is published may tell whether, and what, this \
    node contributed. What protects it is that nobody looks, not mathematics.";

/// What it comes to, on a page: in the red box where the evidence does not hold.
pub fn concluded(page: Page, findings: &Findings) -> Page {
    match findings.worst() {
        Level::Fault => page.warning(&plain_verdict(findings)),
        Level::Ok | Level::Note | Level::Warning => page.text(&plain_verdict(findings)),
    }
}

/// The last line: what it comes to.
pub fn verdict(findings: &Findings) -> String {
    let colour = match findings.worst() {
        Level::Fault => Paint::Red,
        Level::Warning => Paint::Yellow,
        Level::Ok | Level::Note => Paint::Green,
    };
    paint(colour, &plain_verdict(findings))
}

/// The same without colour, for a page.
pub fn plain_verdict(findings: &Findings) -> String {
    let of = |level, noun: &str| plural(findings.count(level) as u64, noun);
    let warnings = of(Level::Warning, "warning");
    match findings.worst() {
        Level::Fault => {
            format!("{}, {warnings}: this evidence does not hold.", of(Level::Fault, "fault"))
        }
        Level::Warning => format!("No fault, {warnings}: somebody should look at it."),
        Level::Ok | Level::Note => "Everything that was looked at holds.".to_owned(),
    }
}
