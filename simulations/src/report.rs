//! `murmur-simulate report`: runs that were kept, laid over each other on one page.

use std::path::PathBuf;

use program::{Exit, Output};

use crate::learning::{self, Run};

/// Lays several runs of `learning --out` over each other on one page.
#[derive(clap::Args)]
pub struct Options {
    /// Folders of runs
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// The page to write
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    to: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// If a folder holds no run, or the page cannot be written.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    let runs = options.runs.iter().map(|folder| learning::read_run(folder));
    let runs = runs.collect::<anyhow::Result<Vec<Run>>>()?;
    let html = learning::page(&runs).to_html();
    program::write_atomically(&options.to, html.as_bytes())?;
    let answer = serde_json::json!({ "runs": runs.len(), "report": options.to });
    output.answer(&answer, |_| format!("{} runs in {}", runs.len(), options.to.display()))?;
    Ok(Exit::Success)
}
