//! `murmur-audit budget`: ε against each adversary.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use audit::{
    Curve, Findings, Level, Line, audit_ledger, budget_of_ledger, budget_of_terms, curves,
    curves_of_terms, terms_of_plan,
};
use privacy::words::at_most;
use program::human::wrapped;
use program::{Exit, Output};
use protocol::{Policy, policy::DELTA};
use report::{Axis, Cell, Column, LineChart, Page, Series, Table, Tone};
use serde::Serialize;
use wire::{Checked, NodeId, Plan, RoundRecord, Signed};

use crate::{files, present};

/// What was spent, or would be, against each adversary
///
/// One ε would hide who it holds against. This prints a line for each: whoever downloads the versions; the coordinator and
/// the other nodes while masks hold; the same with noise missing, or with others colluding; a coordinator that invented
/// the other nodes; broken masks; and whoever watches the network. Each with the shares of noise that are left, ρ, μ =
/// √(2ρ) and ε, and in words where there is no meaningful guarantee.
///
/// --ledger sums up what a node has spent, over all tasks. --plan says what contributions to a plan cost before anything is
/// trained; a plan is read from a transcript, from a round record, or from its own signed bytes.
#[derive(clap::Args)]
#[command(
    group = clap::ArgGroup::new("of").required(true).args(["ledger", "plan"]),
    after_help = "Examples:
  murmur-audit budget --ledger ~/.murmuration/node/ledger
  murmur-audit budget --plan coord/transcripts/round-000001 --rounds 10"
)]
pub struct Options {
    /// A node's ledger
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Whose ledger it is: 64 hexadecimal digits [default: as status.json beside it says]
    #[arg(long, value_name = "HEX", value_parser = files::parse_node, requires = "ledger")]
    node: Option<NodeId>,
    /// A transcript, a round record or a signed plan
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// How many rounds like this plan's
    #[arg(long, value_name = "N", default_value_t = 1, requires = "plan")]
    rounds: u64,
    /// The owner's policy, to say what is left: strict, default, research or none, or a node.toml with limits of its own
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
    of: String,
    delta: f64,
    unit: &'static str,
    adjacency: &'static str,
    amplification: &'static str,
    rho: f64,
    policy: Option<String>,
    rho_budget: Option<f64>,
    /// Rounds that the whole budget holds, for a plan.
    rounds_affordable: Option<u64>,
    adversaries: Vec<Line>,
    findings: Findings,
    #[serde(skip)]
    curves: Vec<Curve>,
    /// What the curves count: entries of a ledger, rounds of a plan.
    #[serde(skip)]
    counted: &'static str,
}

const UNIT: &str =
    "one node: all that one device contributes; the same chats on two devices add up";
const ADJACENCY: &str =
    "zero-out: a node's contributions replaced by zeros; who takes part is not hidden";
const AMPLIFICATION: &str = "none: coordinator and peers see who takes part";
const LIMIT: usize = 128 << 20;

/// Runs the command.
///
/// # Errors
/// If a file cannot be read, or is not what it should be.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    let answer = match (&options.ledger, &options.plan) {
        (Some(ledger), _) => of_ledger(ledger, options)?,
        (None, plan) => of_plan(plan.as_deref().context("--ledger or --plan")?, options)?,
    };
    options.html.write(|| page(&answer))?;
    output.answer(&answer, text)?;
    Ok(present::exit(&answer.findings))
}

fn of_ledger(path: &Path, options: &Options) -> anyhow::Result<Answer> {
    let node = files::owner(path, options.node)?;
    let audit = audit_ledger(&files::read(path, LIMIT)?, node, options.policy.as_ref());
    let of = format!(
        "{} charges and {} penalties in the ledger of node {}",
        audit.charges,
        audit.penalties,
        node.short()
    );
    let lines = budget_of_ledger(&audit.sound, options.delta)?;
    let curves = curves(&audit.sound, options.delta);
    Ok(Answer { curves, ..answer(of, audit.rho, lines, audit.findings, options) })
}

fn of_plan(path: &Path, options: &Options) -> anyhow::Result<Answer> {
    let plan = read_plan(path)?;
    let terms = terms_of_plan(&plan)?;
    let mut findings = Findings::default();
    let what = format!(
        "signed by {}; that this is the coordinator of task {} was not looked at",
        plan.signer().short(),
        plan.task.short()
    );
    let file = path.file_name().unwrap_or(path.as_os_str());
    findings.note("plan", file.to_string_lossy(), what);
    let rho = terms.rho()?;
    let of = format!(
        "{} rounds like round {} of task {}",
        options.rounds,
        plan.round,
        plan.task.short()
    );
    let lines = budget_of_terms(&terms, options.rounds, options.delta)?;
    let total = rho.saturating_mul(options.rounds).to_f64_up();
    let limit = options.policy.as_ref().and_then(|policy| policy.lifetime.rho());
    let rounds_affordable = limit.map(|limit| limit.raw() / rho.raw().max(1));
    let curves = curves_of_terms(&terms, options.rounds, options.delta);
    let counted = "round";
    Ok(Answer { rounds_affordable, curves, counted, ..answer(of, total, lines, findings, options) })
}

/// The plan of a transcript, of a record, or by itself; its signature holds.
fn read_plan(path: &Path) -> anyhow::Result<Checked<Plan>> {
    std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bytes = || files::read(path, RoundRecord::LIMIT).ok();
    let transcript = || Some(files::open_transcript(path).ok()?.rest.plan);
    let record = || Some(wire::decode::<RoundRecord>(&bytes()?, RoundRecord::LIMIT).ok()?.plan);
    let plan = || wire::decode::<Signed<Plan>>(&bytes()?, 2 * 4096).ok();
    let signed = plan().or_else(record).or_else(transcript).with_context(|| {
        format!("{} is no signed plan, no round record and no transcript", path.display())
    })?;
    signed
        .check(signed.claimed_signer())
        .with_context(|| format!("the plan in {} is not what was signed", path.display()))
}

fn answer(
    of: String,
    rho: f64,
    adversaries: Vec<Line>,
    findings: Findings,
    options: &Options,
) -> Answer {
    let policy = options.policy.as_ref();
    Answer {
        of,
        delta: options.delta,
        unit: UNIT,
        adjacency: ADJACENCY,
        amplification: AMPLIFICATION,
        rho,
        policy: policy.map(|policy| policy.preset.to_string()),
        rho_budget: policy.and_then(|policy| policy.lifetime.rho()).map(grid::Q40::to_f64),
        rounds_affordable: None,
        adversaries,
        findings,
        curves: Vec::new(),
        counted: "entry",
    }
}

fn text(answer: &Answer) -> String {
    let found = &answer.findings;
    let grave = if found.worst() >= Level::Warning {
        format!("{}\n{}\n", present::table(found).for_terminal(), present::verdict(found))
    } else {
        String::new()
    };
    format!("{}\n{}\n{grave}", table(answer).for_terminal(), wrapped(&sentences(answer)))
}

fn sentences(answer: &Answer) -> String {
    let mut text = format!(
        "{}. Unit: {UNIT}. Adjacency: {ADJACENCY}. Amplification: {AMPLIFICATION}. ε is the zCDP conversion at \
         δ = {:e}; μ = √(2ρ) is what the same cost would mean for continuous Gaussian noise.",
        answer.of, answer.delta
    );
    if let (Some(policy), Some(budget)) = (&answer.policy, answer.rho_budget) {
        text += &format!(" Policy {policy}: ρ = {} of {budget:.6}.", at_most(answer.rho));
    }
    if let Some(rounds) = answer.rounds_affordable {
        text += &format!(" The whole budget holds {rounds} such rounds.");
    }
    text
}

fn table(answer: &Answer) -> Table {
    let columns = [
        Column::text("adversary"),
        Column::text("noise left"),
        Column::number("μ"),
        Column::number("ρ"),
        Column::number("ε"),
        Column::text("in words"),
    ];
    answer.adversaries.iter().fold(Table::new(columns), |table, line| {
        let tone = match (line.meaningful, line.shares) {
            (true, _) => Tone::Plain,
            (false, Some(_)) => Tone::Bad,
            (false, None) => Tone::Warning,
        };
        table.row([
            line.who.as_str().into(),
            line.shares_told().into(),
            line.told(line.mu).into(),
            line.told(line.rho).into(),
            Cell::new(line.told(line.epsilon), tone),
            Cell::new(line.words.as_str(), tone),
        ])
    })
}

/// The line that a node's charge is about.
const COORDINATOR: &str = privacy::Adversary::Coordinator.name();

fn page(answer: &Answer) -> Page {
    let page = Page::new("What was spent, and against whom").lead(&sentences(answer));
    let coordinator = answer.adversaries.iter().find(|line| line.adversary == COORDINATOR);
    let page = match coordinator {
        Some(line) if !line.meaningful => page.warning(present::NO_GUARANTEE),
        _ => page,
    };
    let page = match answer.findings.worst() {
        Level::Ok | Level::Note => page,
        Level::Warning | Level::Fault => present::concluded(page, &answer.findings),
    };
    let page = page.section("Against each adversary").table(table(answer));
    let page = if answer.curves.is_empty() {
        page
    } else {
        let unit = answer.counted;
        // A single line has no legend.
        let whom = match &answer.curves[..] {
            [(name, _)] => format!(", against {name}"),
            _ => String::new(),
        };
        let chart = LineChart::new(format!("ε after each {unit}{whom}"))
            .x(Axis::new(unit))
            .y(Axis::new("ε").unit(format!("at δ = {:e}", answer.delta)).from_zero());
        let series = answer.curves.iter().map(|(name, points)| Series::new(name, points.clone()));
        page.section(if unit == "entry" { "Over the ledger" } else { "Over rounds" })
            .line_chart(series.fold(chart, LineChart::series))
    };
    page.section("What was looked at").table(present::table(&answer.findings))
}
