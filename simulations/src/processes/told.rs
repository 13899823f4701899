//! The summary, as a person would want to read it.

use program::{Paint, human, paint};
use report::{Cell, Column, Table};

use super::{figures::Figures, place::Place};

/// The summary for a terminal.
pub fn summary(place: &Place, figures: &Figures) -> String {
    let mut parts = vec![
        paint(Paint::Bold, "What was learned"),
        learned(figures).for_terminal(),
        drop_line(figures),
        paint(Paint::Bold, "What was said, raw"),
        replies(figures),
        paint(Paint::Bold, "Versions"),
        versions(figures).for_terminal(),
        killed(figures),
        paint(Paint::Bold, "What it cost each node"),
        costs(figures).for_terminal(),
        method(figures),
        paint(Paint::Red, &figures.verdict()),
    ];
    parts.push(format!(
        "{} in all, {} of them rounds.\nReport: {}\nVersions, as PEFT folders: {}\nCheck a loss yourself: murmur-node evaluate --model {} --adapter {} --data {}\nCheck every charge and every sum: murmur-audit reconcile {nodes}/*/ledger --transcript {coordinator}/transcripts\nWhat it cost against whom: murmur-audit budget --ledger {first}/ledger --html budget.html",
        human::duration(figures.took.all),
        human::duration(figures.took.rounds),
        place.root.join("report.html").display(),
        place.versions().display(),
        place.model.display(),
        place.version(figures.losses.by_version.len() as u64 - 1).display(),
        place.held_out(&figures.nodes[0].name).display(),
        nodes = place.root.join("nodes").display(),
        coordinator = place.coordinator().display(),
        first = place.node(&figures.nodes[0].name).display(),
    ));
    parts.join("\n\n")
}

/// Losses beside the yardsticks.
pub fn learned(figures: &Figures) -> Table {
    let losses = &figures.losses;
    let row = |what: &str, loss: f64| {
        [what.to_owned(), format!("{loss:.4}"), format!("{:+.4}", loss - losses.before)]
    };
    Table::new([
        Column::text("held-out loss, nats per token (demo only, not private)"),
        Column::number("loss"),
        Column::number("change"),
    ])
    .row(row("before: version 0", losses.before))
    .row(row("after: the swarm's last version", losses.after))
    .row(row("yardstick: the same steps on pooled chats, no privacy", losses.pooled))
    .row(row("yardstick: updates of zero, the same noise", losses.zeroed))
}

/// The drop with its interval.
pub fn drop_line(figures: &Figures) -> String {
    let interval =
        figures.drop().map_or("too few conversations for an interval".to_owned(), |drop| {
            format!(
                "{:.4} nats per token, 95 % interval {:.4} to {:.4}",
                drop.mean, drop.low, drop.high
            )
        });
    format!(
        "Mean drop over {} held-out conversations: {interval}. That is {:.0} % of what pooling all chats gains in the same steps.",
        figures.drops.len(),
        figures.share_of_pooled()
    )
}

fn replies(figures: &Figures) -> String {
    let told = figures.replies.iter().map(|reply| {
        let (before, after) = (quoted(&reply.before), quoted(&reply.after));
        format!("  “{}”\n    before: {before}\n    after:  {after}", reply.said)
    });
    told.collect::<Vec<_>>().join("\n")
}

/// A reply on one line: its own lines would look like the next thing told.
fn quoted(reply: &str) -> String {
    reply.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every step of the chain.
pub fn versions(figures: &Figures) -> Table {
    let mut table = Table::new([
        Column::number("version"),
        Column::number("round"),
        Column::text("outcome"),
        Column::number("gate loss"),
        Column::number("limit"),
        Column::text("hash"),
        Column::text("parent"),
    ]);
    let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.4}"));
    for version in &figures.versions {
        let short = |hash: &str| hash.get(..12).unwrap_or_default().to_owned();
        let outcome = match version.outcome.as_str() {
            "issued" => Cell::good("issued"),
            "refused" | "aborted" => Cell::bad(version.outcome.clone()),
            other => other.into(),
        };
        let row: [Cell; 7] = [
            version.version.to_string().into(),
            version.round.to_string().into(),
            outcome,
            number(version.loss).into(),
            number(version.limit).into(),
            short(&version.hash).into(),
            version.parent.as_deref().map(short).unwrap_or_default().into(),
        ];
        table.push(row);
    }
    table
}

/// Who was killed, and that it came back.
pub fn killed(figures: &Figures) -> String {
    let told = figures.killed.iter().map(|(name, round, after)| {
        format!(
            "{name} was killed (SIGKILL) in round {round}, after its shares and before its contribution; the round issued its version without it, and {name} contributed to {} later.",
            human::plural(*after, "round")
        )
    });
    let told = told.collect::<Vec<_>>().join("\n");
    if told.is_empty() {
        "Nobody was caught between shares and contribution, so nobody was killed.".into()
    } else {
        told
    }
}

/// Rounds, bytes and privacy of each node.
pub fn costs(figures: &Figures) -> Table {
    let mut table = Table::new([
        Column::text("node"),
        Column::number("rounds"),
        Column::number("sent"),
        Column::number("received"),
        Column::number("loss before"),
        Column::number("after"),
        Column::number("ρ"),
        Column::number("ε (δ = 1e-6)"),
    ]);
    for node in &figures.nodes {
        let row: [Cell; 8] = [
            node.name.clone().into(),
            node.rounds.to_string().into(),
            human::bytes(node.bytes_sent).into(),
            human::bytes(node.bytes_received).into(),
            format!("{:.4}", node.loss.0).into(),
            format!("{:.4}", node.loss.1).into(),
            format!("{:.1}", node.rho).into(),
            Cell::bad(format!("{:.0}", node.epsilon)),
        ];
        table.push(row);
    }
    table
}

/// What a round was.
pub fn method(figures: &Figures) -> String {
    let method = &figures.method;
    format!(
        "The pooled yardstick takes as many optimiser steps as one node, on batches of the same size, with everybody's chats in one place; the swarm's mean holds {} nodes' batches.\nA round: {} optimiser steps on each node, {} parameters (FFA-LoRA on q, v and o), L2 clip {}, noise multiplier z = {}. Policy \"none\": no budget, because so few nodes cannot have a meaningful one. In each node's own words: {}",
        figures.nodes.len(),
        method.steps,
        human::count(method.dimension as u64),
        method.clip,
        method.noise_multiplier,
        figures.nodes.first().map_or("", |node| &node.verdict)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_stays_on_its_line() {
        assert_eq!(quoted("Aybic!\"\nIt was\n\n very strong.\n"), "Aybic!\" It was very strong.");
    }
}
