//! `murmur-node budget`: what has been spent, of what, and what it means in words.

use std::path::Path;

use grid::Q40;
use privacy::{Budget, EntryKind, read_ledger, zcdp_epsilon};
use program::{Exit, Output, Paint, paint};
use protocol::policy::DELTA;
use report::{Column, Table};
use serde_json::json;

use crate::home::Home;

/// The most ε that still means something to the person behind a node.
const MEANINGFUL: f64 = 20.0;

/// Runs the command.
///
/// # Errors
/// If the ledger is damaged.
pub fn run(folder: &Path, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let file = home.join("ledger");
    let bytes = if file.exists() { std::fs::read(&file)? } else { Vec::new() };
    let reading = read_ledger(&bytes, home.id()?)?;
    let policy = home.policy()?;
    let spent = reading.entries.iter().fold(Q40::ZERO, |sum, entry| sum.saturating_add(entry.rho));
    let epsilon = zcdp_epsilon(spent, DELTA)?;
    let verdict = verdict(epsilon, reading.entries.len());
    let charges =
        reading.entries.iter().filter(|e| matches!(e.kind, EntryKind::Charged { .. })).count();
    let answer = json!({
        "policy": policy.preset.to_string(),
        "budget_epsilon": policy.preset.epsilon(),
        "delta": DELTA,
        "rho": spent.to_f64(),
        "rho_budget": policy.lifetime.rho().map(Q40::to_f64),
        "epsilon": epsilon,
        "charges": charges,
        "penalties": reading.entries.len() - charges,
        "unit": "one node's whole contribution, replaced by zeros",
        "amplification": "none",
        "verdict": verdict,
    });
    output.answer(&answer, |_| {
        let limit = match policy.lifetime {
            Budget::Unlimited => paint(Paint::Red, "no budget (policy none)"),
            Budget::Limited { .. } => format!(
                "{} of ρ = {:.6} (ε = {} at δ = {DELTA:e})",
                policy.preset,
                policy.lifetime.rho().map_or(0.0, Q40::to_f64),
                policy.preset.epsilon().unwrap_or(f64::INFINITY),
            ),
        };
        let table = Table::new([Column::text("privacy"), Column::number("value")])
            .row(["policy".to_owned(), limit])
            .row(["spent, ρ".to_owned(), format!("{:.6}", spent.to_f64())])
            .row([format!("spent, ε at δ = {DELTA:e}"), format!("{epsilon:.3}")])
            .row(["charged rounds".to_owned(), charges.to_string()])
            .row(["penalties".to_owned(), (reading.entries.len() - charges).to_string()]);
        format!(
            "{}\nUnit: this node's whole contribution (all its conversations, on this device) replaced by zeros; no amplification is claimed. Holds against a coordinator and other nodes as long as the masks hold and the planned number of honest nodes add their noise; the same chats on two devices add up.\n{verdict}",
            table.for_terminal()
        )
    })?;
    Ok(Exit::Success)
}

/// What an ε means, honestly.
fn verdict(epsilon: f64, entries: usize) -> String {
    if entries == 0 {
        return "Nothing has been spent.".into();
    }
    if epsilon > MEANINGFUL {
        return format!(
            "There is NO MEANINGFUL GUARANTEE at ε = {epsilon:.0}: what protects these conversations is that only sums are seen, not the noise."
        );
    }
    format!(
        "An observer's odds about this node can have changed by at most a factor e^{epsilon:.2} (but for δ)."
    )
}
