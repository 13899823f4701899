//! `murmur-node budget`: what has been spent, of what, what it means in words, what this node accepts,
//! and what it has refused.

use std::path::Path;

use grid::Q40;
use privacy::{Budget, Entry, EntryKind, MEANINGFUL_EPSILON, read_ledger, zcdp_epsilon};
use program::{Exit, Output, Paint, human, paint};
use protocol::{Policy, node::memory::Refused};
use report::{Column, Table};
use serde::{Serialize, Serializer};
use wire::TaskId;

use crate::{home::Home, status::hint};

/// What is printed with `--json`.
#[derive(Serialize)]
struct Answer {
    policy: String,
    budget_epsilon: Option<f64>,
    delta: f64,
    rho: f64,
    rho_budget: Option<f64>,
    epsilon: f64,
    charges: usize,
    penalties: usize,
    unit: &'static str,
    amplification: &'static str,
    verdict: String,
    swarms: Vec<Swarm>,
    /// What this node accepts, by the names of `node.toml`.
    #[serde(serialize_with = "as_object")]
    limits: Vec<(&'static str, String)>,
    /// The last refused rounds, the newest last.
    refused: Vec<RefusedRound>,
}

/// What one swarm has cost.
#[derive(Serialize)]
struct Swarm {
    task: String,
    /// Its name; none if it was left.
    name: Option<String>,
    participations: usize,
    rho: f64,
    epsilon: f64,
    budget_epsilon: Option<f64>,
}

#[derive(Serialize)]
struct RefusedRound {
    swarm: String,
    round: u64,
    why: String,
    would_do: Option<String>,
}

fn as_object<S: Serializer>(
    limits: &[(&'static str, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(limits.iter().map(|(name, value)| (name, value)))
}

const UNIT: &str = "one node's whole contribution, replaced by zeros";

/// Runs the command.
///
/// # Errors
/// If the ledger or the configuration is damaged.
pub fn run(folder: &Path, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let answer = answer(&home)?;
    output.answer(&answer, told)?;
    Ok(Exit::Success)
}

fn answer(home: &Home) -> anyhow::Result<Answer> {
    let file = home.join("ledger");
    let bytes = if file.exists() { std::fs::read(&file)? } else { Vec::new() };
    let entries = read_ledger(&bytes, home.id()?)?.entries;
    let tasks = home.tasks()?;
    let policy = home.policy(tasks.first().map(|task| task.id()))?;
    let spent = entries.iter().fold(Q40::ZERO, |sum, entry| sum.saturating_add(entry.rho));
    let epsilon = zcdp_epsilon(spent, policy.delta)?;
    let charges = entries.iter().filter(|e| matches!(e.kind, EntryKind::Charged { .. })).count();
    let mut refused = Vec::new();
    for task in &tasks {
        let memory = task.memory()?.unwrap_or_default();
        refused.extend(memory.refused().map(|one| refused_round(&task.joined.genesis.name, one)));
    }
    Ok(Answer {
        policy: policy.preset.to_string(),
        budget_epsilon: epsilon_of(&policy.lifetime)?,
        delta: policy.delta,
        rho: spent.to_f64(),
        rho_budget: policy.lifetime.rho().map(Q40::to_f64),
        epsilon,
        charges,
        penalties: entries.len() - charges,
        unit: UNIT,
        amplification: "none",
        verdict: verdict(epsilon, entries.len()),
        swarms: swarms(home, &entries)?,
        limits: limits(&policy),
        refused,
    })
}

/// The ε that a budget holds, at its δ.
fn epsilon_of(budget: &Budget) -> anyhow::Result<Option<f64>> {
    match *budget {
        Budget::Limited { rho, delta } => Ok(Some(zcdp_epsilon(rho, delta)?)),
        Budget::Unlimited => Ok(None),
    }
}

fn swarms(home: &Home, entries: &[Entry]) -> anyhow::Result<Vec<Swarm>> {
    let joined = home.tasks()?;
    let mut tasks: Vec<TaskId> = joined.iter().map(|task| task.id()).collect();
    tasks.extend(entries.iter().filter_map(|entry| Some(entry.place?.task)));
    tasks.sort();
    tasks.dedup();
    let swarm = |task: TaskId| {
        let own = entries.iter().filter(|e| e.place.is_none_or(|place| place.task == task));
        let spent = own.clone().fold(Q40::ZERO, |sum, entry| sum.saturating_add(entry.rho));
        let policy = home.policy(Some(task))?;
        let known = joined.iter().find(|joined| joined.id() == task);
        Ok(Swarm {
            task: task.to_string(),
            name: known.map(|joined| joined.joined.genesis.name.clone()),
            participations: own.count(),
            rho: spent.to_f64(),
            epsilon: zcdp_epsilon(spent, policy.delta)?,
            budget_epsilon: epsilon_of(&policy.task)?,
        })
    };
    tasks.into_iter().map(swarm).collect()
}

fn refused_round(swarm: &str, refused: &Refused) -> RefusedRound {
    let (why, would_do) = (refused.why.clone(), refused.would_do.clone());
    RefusedRound { swarm: swarm.to_owned(), round: refused.round.0, why, would_do }
}

/// Every limit with the name that it has in `node.toml`.
fn limits(policy: &Policy) -> Vec<(&'static str, String)> {
    let (corrupt, of) = policy.corrupt_min;
    let rho = match policy.rho_per_round_max {
        Q40::MAXIMUM => "no limit".to_owned(),
        rho => format!("{:.6}", rho.to_f64()),
    };
    let participations = policy.participations_max;
    vec![
        ("rho_per_round_max", rho),
        ("corrupt_min", format!("{corrupt}/{of}")),
        ("cohort_min", policy.cohort_min.to_string()),
        ("survivors_min", policy.survivors_min.to_string()),
        ("own_noise_min", policy.own_noise_min.to_string()),
        ("familiar_min", policy.familiar_min.to_string()),
        ("participations_max", participations.map_or("no limit".into(), |most| most.to_string())),
        ("separation_min", policy.separation_min.to_string()),
        ("unfinished_max", policy.unfinished_max.to_string()),
        ("attempts_per_day_max", policy.attempts_per_day_max.to_string()),
        ("clip_max", policy.clip_max.to_f64().to_string()),
        ("dimension_max", policy.dimension_max.to_string()),
        ("steps_max", policy.steps_max.to_string()),
        ("batch_tokens_max", policy.batch_tokens_max.to_string()),
        ("random_window_ms_min", policy.random_window_ms_min.to_string()),
        ("window_ms_max", policy.window_ms_max.to_string()),
    ]
}

fn told(answer: &Answer) -> String {
    let Answer { delta, epsilon, .. } = answer;
    let limit = match (answer.rho_budget, answer.budget_epsilon) {
        (Some(rho), Some(epsilon)) => {
            format!("{}: ε = {epsilon:.3} at δ = {delta:e}, ρ = {rho:.6}", answer.policy)
        }
        _ => paint(Paint::Red, "no budget (policy none)"),
    };
    let mut table = Table::new([Column::text("privacy"), Column::number("value")])
        .row(["policy".to_owned(), limit])
        .row(["spent, ρ".to_owned(), format!("{:.6}", answer.rho)])
        .row([format!("spent, ε at δ = {delta:e}"), format!("{epsilon:.3}")])
        .row(["charged rounds".to_owned(), answer.charges.to_string()])
        .row(["penalties".to_owned(), answer.penalties.to_string()]);
    for swarm in &answer.swarms {
        let name = swarm.name.as_deref().unwrap_or("a swarm that was left");
        let of = swarm.budget_epsilon.map_or(String::new(), |most| format!(" of {most:.3}"));
        let rounds = human::plural(swarm.participations as u64, "round");
        let spent = format!("{rounds}, ε = {:.3}{of}", swarm.epsilon);
        let short = swarm.task.get(..8).unwrap_or(&swarm.task);
        table = table.row([format!("{name} ({short})"), spent]);
    }
    let accepts = Table::new([
        Column::text("what this node accepts"),
        Column::number("[privacy.limits] in node.toml"),
    ]);
    let accepts = answer
        .limits
        .iter()
        .fold(accepts, |table, (name, value)| table.row([(*name).to_owned(), value.clone()]));
    let tasks: String = answer
        .swarms
        .iter()
        .map(|swarm| format!("\nTask, for [privacy.swarms]: {}", swarm.task))
        .collect();
    let refused: String = answer.refused.iter().rev().take(5).rev().map(told_refused).collect();
    format!(
        "{}\n\n{}\n\nUnit: this node's whole contribution (all its conversations, on this device) replaced by zeros; no\namplification is claimed. It holds against a coordinator and other nodes as long as the masks hold\nand the planned number of honest nodes add their noise; the same chats on two devices add up.\nA ledger restored from a backup cannot be noticed here: it is charged for what it lacks as soon as\nsomebody present shows a later head of it, and never if nobody does.\n\n{}{tasks}{refused}",
        table.for_terminal(),
        answer.verdict,
        accepts.for_terminal(),
    )
}

fn told_refused(refused: &RefusedRound) -> String {
    let RefusedRound { swarm, round, why, would_do } = refused;
    format!("\nRefused, {swarm}, round {round}: {why}{}", hint(would_do.as_deref()))
}

/// What an ε means, honestly.
fn verdict(epsilon: f64, entries: usize) -> String {
    if entries == 0 {
        return "Nothing has been spent.".into();
    }
    if epsilon > MEANINGFUL_EPSILON {
        return format!(
            "There is NO MEANINGFUL GUARANTEE at ε = {epsilon:.0}: what protects these conversations is that only sums are seen, not the noise."
        );
    }
    format!(
        "An observer's odds about this node can have changed by at most a factor e^{epsilon:.2} (but for δ)."
    )
}
