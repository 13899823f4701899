//! `murmur-coordinator status`: what the coordinator does and waits for, from the file that it
//! writes.

use std::{path::Path, time::Duration};

use program::{Exit, Output, human};
use serde_json::json;

use crate::{
    home::Home,
    status::{Status, now_ms},
};

/// Runs the command.
///
/// # Errors
/// If the folder is no coordinator's.
pub fn run(folder: &Path, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let status = Status::read(&home.join("status.json"));
    let running = status.as_ref().is_some_and(|status| status.is_alive(now_ms()));
    let answer = json!({
        "running": running, "task": home.task().to_string(), "name": home.genesis.name, "status": status
    });
    output.answer(&answer, |_| told(&home, running, status.as_ref()))?;
    Ok(Exit::Success)
}

fn told(home: &Home, running: bool, status: Option<&Status>) -> String {
    let name = &home.genesis.name;
    let Some(status) = status else {
        return format!(
            "\"{name}\" has not run yet: `murmur-coordinator run`, and while it runs `murmur-coordinator invite`."
        );
    };
    let mut lines = vec![format!("swarm      \"{name}\" (task {})", home.task().short())];
    lines.push(match running {
        true => format!(
            "state      running (process {}), listening on {}",
            status.process,
            status.listening.join(", ")
        ),
        false => {
            let ago = Duration::from_millis(now_ms().saturating_sub(status.written_ms));
            format!("state      not running; this is how it was {} ago", human::duration(ago))
        }
    });
    lines.push(format!("waits for  {}", status.waits_for));
    lines.push(format!(
        "nodes      {} present, {} on the list",
        status.present.len(),
        human::plural(status.members as u64, "member")
    ));
    lines.push(format!("round      {}; {} aborted since the start", status.round, status.aborted));
    lines.push(format!(
        "version    {} (head {})",
        status.version,
        status.head.get(..8).unwrap_or_default()
    ));
    if let Some(gate) = &status.gate {
        lines.push(format!(
            "gate       round {}: loss {:.4}, limit {:.4}: {}",
            gate.round,
            gate.loss_micro as f64 / 1e6,
            gate.limit_micro as f64 / 1e6,
            if gate.issued { "issued" } else { "refused" }
        ));
    }
    lines.push(format!(
        "traffic    {} sent, {} received",
        human::bytes(status.bytes_sent),
        human::bytes(status.bytes_received)
    ));
    for (kind, count) in &status.rejections {
        lines.push(format!("rejected   {count} × {kind}"));
    }
    lines.extend(status.events.iter().rev().take(5).rev().map(|event| format!("  · {event}")));
    lines.join("\n")
}
