//! `murmur-audit ledger`: one node's ledger.

use std::path::PathBuf;

use audit::{LedgerAudit, audit_ledger};
use grid::Q40;
use privacy::words::at_most;
use privacy::{MEANINGFUL_EPSILON, gaussian_mu, zcdp_epsilon};
use program::human::{count, plural, wrapped};
use program::{Exit, Output};
use protocol::{Policy, policy::DELTA};
use report::{Axis, Column, Fact, LineChart, Page, Series, Table, Tone};
use serde::Serialize;
use wire::NodeId;

use crate::{files, present};

/// Check a node's ledger: every byte, link, signature, charge and budget
///
/// Verifies the file bit by bit (a flipped one is found, with entry and byte), computes every charge again from its raw
/// terms by two paths that share nothing with the node's own (integer arithmetic of KLS21 Theorem 1, and opendp's map),
/// checks that no round was paid for twice and that penalties are large enough, and adds up.
///
/// The node's name is taken from the status.json beside the ledger where --node does not tell it. The budget is judged
/// only if --policy names the owner's policy.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  murmur-audit ledger ~/.murmuration/node/ledger --policy default"
)]
pub struct Options {
    /// The ledger's file
    file: PathBuf,
    /// Whose it is: 64 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = files::parse_node)]
    node: Option<NodeId>,
    /// The owner's policy: strict, default, research or none, or a node.toml with limits of its own
    #[arg(long, value_name = "NAME|FILE", value_parser = files::parse_policy)]
    policy: Option<Policy>,
    /// δ, at which ε is stated
    #[arg(long, default_value_t = DELTA, value_parser = files::parse_delta)]
    delta: f64,
    #[command(flatten)]
    html: present::Html,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Answer {
    file: PathBuf,
    delta: f64,
    epsilon: f64,
    mu: f64,
    unit: &'static str,
    amplification: &'static str,
    #[serde(flatten)]
    audit: LedgerAudit,
}

const UNIT: &str = "one node's whole contribution to each round, replaced by zeros";
/// A ledger of a hundred thousand rounds.
const LIMIT: usize = 128 << 20;

/// Runs the command.
///
/// # Errors
/// If the file cannot be read, or nobody says whose it is.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    let node = files::owner(&options.file, options.node)?;
    let bytes = files::read(&options.file, LIMIT)?;
    let audit = audit_ledger(&bytes, node, options.policy.as_ref());
    let spent = audit.spending.last().map_or(Q40::ZERO, |spending| spending.rho);
    let answer = Answer {
        file: options.file.clone(),
        delta: options.delta,
        epsilon: zcdp_epsilon(spent, options.delta)?,
        mu: gaussian_mu(spent),
        unit: UNIT,
        amplification: "none",
        audit,
    };
    options.html.write(|| page(&answer, options.policy.as_ref()))?;
    output.answer(&answer, text)?;
    Ok(present::exit(&answer.audit.findings))
}

fn text(answer: &Answer) -> String {
    format!(
        "{}\n{}\n{}\n{}",
        present::table(&answer.audit.findings).for_terminal(),
        tasks(&answer.audit).for_terminal(),
        wrapped(&sentence(answer)),
        present::verdict(&answer.audit.findings)
    )
}

fn sentence(answer: &Answer) -> String {
    let audit = &answer.audit;
    format!(
        "{} and {}: ρ = {}, which is ε = {} at δ = {:e} against a coordinator and other nodes \
         while the masks hold and as many honest nodes add their noise as each plan counted on. {}Unit: {UNIT}. No \
         amplification is claimed. The other adversaries: murmur-audit budget.",
        plural(audit.charges as u64, "charge"),
        match audit.penalties {
            1 => "1 penalty".to_owned(),
            penalties => format!("{} penalties", count(penalties as u64)),
        },
        at_most(audit.rho),
        at_most(answer.epsilon),
        answer.delta,
        if answer.epsilon > MEANINGFUL_EPSILON { "This is NO MEANINGFUL GUARANTEE. " } else { "" }
    )
}

fn tasks(audit: &LedgerAudit) -> Table {
    let columns = [
        Column::text("task"),
        Column::number("charges"),
        Column::number("penalties"),
        Column::text("rounds"),
        Column::number("ρ"),
    ];
    audit.tasks.iter().fold(Table::new(columns), |table, task| {
        let rounds = match (task.first_round, task.last_round) {
            (Some(first), Some(last)) => format!("{first} to {last}"),
            _ => String::new(),
        };
        let (charges, penalties) = (task.charges.to_string(), task.penalties.to_string());
        let rho = at_most(task.rho);
        table.row([task.task[..12].to_owned(), charges, penalties, rounds, rho])
    })
}

fn page(answer: &Answer, policy: Option<&Policy>) -> Page {
    let audit = &answer.audit;
    let worst = present::exit(&audit.findings);
    let meaningful = answer.epsilon <= MEANINGFUL_EPSILON;
    let meaning = if meaningful { Tone::Plain } else { Tone::Bad };
    let tone = if worst == Exit::Success { Tone::Good } else { Tone::Bad };
    let page = Page::new("Audit of a ledger").lead(&sentence(answer));
    let page = if meaningful { page } else { page.warning(present::NO_GUARANTEE) };
    page.facts([
        Fact::new("ε", at_most(answer.epsilon))
            .note(format!("at δ = {:e}", answer.delta))
            .tone(meaning),
        Fact::new("ρ", at_most(audit.rho)).note("zero-concentrated DP"),
        Fact::new("μ", at_most(answer.mu)).note("Gaussian equivalent"),
        Fact::new("findings", audit.findings.all().len().to_string())
            .note(present::plain_verdict(&audit.findings))
            .tone(tone),
    ])
    .section("What was spent")
    .line_chart(curve(answer, policy))
    .table(tasks(audit))
    .section("What was looked at")
    .table(present::table(&audit.findings))
}

/// ε after each entry.
fn curve(answer: &Answer, policy: Option<&Policy>) -> LineChart {
    let epsilon = |rho| zcdp_epsilon(rho, answer.delta).unwrap_or(f64::INFINITY);
    let spending = &answer.audit.spending;
    // A page needs no more points than it has pixels.
    let step = (spending.len() / 500).max(1);
    let points: Vec<(f64, f64)> = spending
        .iter()
        .enumerate()
        .filter(|(index, _)| index % step == 0 || index + 1 == spending.len())
        .map(|(_, spent)| (spent.entry as f64, epsilon(spent.rho)))
        .collect();
    let chart = LineChart::new("ε over the entries of the ledger")
        .x(Axis::new("entry"))
        .y(Axis::new("ε").unit(format!("at δ = {:e}", answer.delta)).from_zero())
        .series(Series::new("spent", points));
    match policy.and_then(|policy| policy.lifetime.rho()) {
        Some(limit) => {
            let (limit, last) = (epsilon(limit), spending.len().max(1) as f64);
            chart.series(Series::new("budget", [(1.0, limit), (last, limit)]).dashed().muted())
        }
        None => chart,
    }
}
