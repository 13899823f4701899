//! `report.json`: the figures for scripts.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{figures::Figures, place::Place};

/// The report.
pub fn value(figures: &Figures) -> Value {
    let steps = figures.versions.iter().filter(|version| version.outcome != "genesis");
    json!({
        "nodes": figures.nodes.len(),
        "rounds": figures.issued(),
        "killed": figures.killed.iter().map(|(name, _, _)| name).collect::<Vec<_>>(),
        "loss_before": figures.losses.before,
        "loss_after": figures.losses.after,
        "loss_pooled": figures.losses.pooled,
        "loss_zeroed": figures.losses.zeroed,
        "versions": steps.map(|version| json!({
            "round": version.round, "hash": version.hash, "parent": version.parent,
            "loss": version.loss, "issued": version.outcome == "issued",
        })).collect::<Vec<_>>(),
        "node_reports": figures.nodes.iter().map(|node| json!({
            "name": node.name, "rounds": node.rounds, "rho": node.rho, "epsilon": node.epsilon,
            "bytes_sent": node.bytes_sent, "bytes_received": node.bytes_received,
        })).collect::<Vec<_>>(),
        "verdict": figures.verdict(),
    })
}

/// Writes it.
///
/// # Errors
/// If it cannot be written.
pub fn write(place: &Place, figures: &Figures) -> anyhow::Result<()> {
    let file = place.root.join("report.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&value(figures))?)
        .with_context(|| format!("cannot write {}", file.display()))
}
