//! `murmur-audit reconcile`: ledgers beside transcripts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use audit::{History, LedgerFile, Reconciliation, reconcile};
use program::{Exit, Output, UsageError};
use protocol::Policy;
use report::{Column, Page, Table};

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
        .map(|path| Ok((name(path), files::open_transcript(path)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let ledgers = options
        .ledgers
        .iter()
        .map(|path| {
            let bytes = files::read(path, LEDGER_LIMIT)?;
            let node = files::owner(path, None).ok();
            Ok(LedgerFile { name: short(path, &options.ledgers), bytes, node })
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

/// A ledger's file with its folder, as in `ada/ledger`; the whole path where two would read alike.
fn short(path: &Path, all: &[PathBuf]) -> String {
    let tail = |path: &Path| {
        let folder = path.parent().map(name).unwrap_or_default();
        if folder.is_empty() { name(path) } else { format!("{folder}/{}", name(path)) }
    };
    let alike = all.iter().filter(|other| tail(other) == tail(path)).count();
    if alike > 1 { path.display().to_string() } else { tail(path) }
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn text(answer: &Reconciliation) -> String {
    format!(
        "{}\n\n{}\n{}",
        nodes(answer).for_terminal(),
        present::table(&answer.findings).for_terminal(),
        present::verdict(&answer.findings)
    )
}

/// A line for each node; a page and `--json` have one for each of its rounds.
fn nodes(answer: &Reconciliation) -> Table {
    let columns = ["on rosters", "contributed", "in sums", "charged"].map(Column::number);
    let columns = std::iter::once(Column::text("node")).chain(columns);
    let mut counts: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for row in &answer.rows {
        let counted = [true, row.contributed, row.in_sum, row.charged];
        let counts = counts.entry(&row.node).or_default();
        counts.iter_mut().zip(counted).for_each(|(count, is)| *count += usize::from(is));
    }
    counts.into_iter().fold(Table::new(columns), |table, (node, counts)| {
        let counts = counts.map(|count| count.to_string());
        table.row(std::iter::once(node[..8].to_owned()).chain(counts))
    })
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
    present::concluded(Page::new("Ledgers beside transcripts"), &answer.findings)
        .section("What was looked at")
        .table(present::table(&answer.findings))
        .section("Every node")
        .table(nodes(answer))
        .section("Every node in every round")
        .table(rows(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ledgers_are_named_by_their_folder_unless_two_are_alike() {
        let all = ["x/ada/ledger", "x/bo/ledger", "y/bo/ledger", "ledger"].map(PathBuf::from);
        let names = all.each_ref().map(|path| short(path, &all));
        assert_eq!(names, ["ada/ledger", "x/bo/ledger", "y/bo/ledger", "ledger"]);
    }
}
