//! `murmur-audit reconcile`: ledgers beside transcripts.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use audit::{History, LedgerFile, Reconciliation, reconcile};
use program::{Exit, Output, UsageError};
use protocol::Policy;
use report::{Column, Page, Table};
use wire::Transcript;

use crate::{files, present};

/// Hold nodes' ledgers against the coordinator's transcripts
///
/// Every contribution in a transcript must have been paid for, once, under the terms of the very plan that the coordinator
/// signed; every head that a node showed must be in its ledger; every round has one plan and one end. Ledgers and
/// transcripts are audited by themselves first.
///
/// Give as many ledgers and transcripts as there are, of one task. Whose a ledger is follows from the rosters.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  murmur-audit reconcile ada/ledger bo/ledger --transcript coord/transcripts --policy default"
)]
pub struct Options {
    /// The nodes' ledgers
    #[arg(required = true, value_name = "LEDGER")]
    ledgers: Vec<PathBuf>,
    /// A transcript of the coordinator, or the folder of all of them; may be repeated
    #[arg(long, required = true, value_name = "FILE")]
    transcript: Vec<PathBuf>,
    /// The nodes' policy: strict, default, research or none, or a node.toml with limits of its own
    #[arg(long, value_name = "NAME|FILE", value_parser = files::parse_policy)]
    policy: Option<Policy>,
    #[command(flatten)]
    task: files::TaskFiles,
    #[command(flatten)]
    html: present::Html,
}

/// A ledger of a hundred thousand rounds.
const LEDGER_LIMIT: usize = 128 << 20;

/// Runs the command.
///
/// # Errors
/// If a file cannot be read, or is not what it should be.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    let paths = transcripts(&options.transcript)?;
    let first = paths.first().ok_or_else(|| UsageError("there is no transcript there".into()))?;
    let task = options.task.open(first)?;
    let transcripts = paths
        .iter()
        .map(|path| {
            let transcript: Transcript =
                files::read_message(path, Transcript::LIMIT, "a transcript")?;
            Ok((name(path), transcript))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let ledgers = options
        .ledgers
        .iter()
        .map(|path| {
            let bytes = files::read(path, LEDGER_LIMIT)?;
            let node = files::owner(path, None).ok();
            Ok(LedgerFile { name: path.display().to_string(), bytes, node })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (chain, states) = (task.chain.as_ref(), &task.states);
    let history = History { genesis: &task.genesis, chain, states };
    let answer = reconcile(&ledgers, &transcripts, &history, options.policy.as_ref());
    options.html.write(|| page(&answer))?;
    output.answer(&answer, text)?;
    Ok(present::exit(&answer.findings))
}

/// Files as they are, folders as the transcripts in them.
fn transcripts(given: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for path in given {
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let entries =
            std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut inside = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .with_context(|| format!("cannot read {}", path.display()))?;
        inside.retain(|path| name(path).starts_with("round-"));
        inside.sort();
        paths.append(&mut inside);
    }
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn text(answer: &Reconciliation) -> String {
    format!(
        "{}\n{}\n{}",
        rows(answer).for_terminal(),
        present::table(&answer.findings).for_terminal(),
        present::verdict(&answer.findings)
    )
}

fn rows(answer: &Reconciliation) -> Table {
    let columns = [
        Column::number("round"),
        Column::text("node"),
        Column::text("ledger"),
        Column::text("transcript"),
    ];
    answer.rows.iter().fold(Table::new(columns), |table, row| {
        let ledger = if row.charged { "charged" } else { "" };
        let transcript = match (row.contributed, row.in_sum) {
            (_, true) => "in the sum",
            (true, false) => "contributed",
            (false, false) => "on the roster",
        };
        table.row([
            row.round.to_string(),
            row.node[..8].to_owned(),
            ledger.into(),
            transcript.into(),
        ])
    })
}

fn page(answer: &Reconciliation) -> Page {
    Page::new("Ledgers beside transcripts")
        .lead(&present::plain_verdict(&answer.findings))
        .section("What was looked at")
        .table(present::table(&answer.findings))
        .section("Every node in every round")
        .table(rows(answer))
}
