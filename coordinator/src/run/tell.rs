//! What the machine reports, in words for the operator or as JSON, one line each.

use std::{collections::BTreeSet, io::Write as _};

use program::{Output, human};
use protocol::{Rejection, coordinator::Event, evidence::explain};
use serde_json::{Value, json};
use version::Chain;
use wire::{GateResult, NodeId};

use crate::status::{Judgement, Status};

/// At which δ an ε is printed.
const DELTA: f64 = 1e-6;
/// Above this ε, the words "no meaningful guarantee" say more than the number.
const MEANINGLESS: f64 = 20.0;

/// Tells the operator, and remembers for `status`.
pub(super) struct Teller {
    output: Output,
    pub status: Status,
    /// Rounds that ended since the start, with a sum or without.
    pub ended: u64,
    /// Each kind of fault is told once a round for each node, and always counted.
    told: BTreeSet<(NodeId, u16)>,
}

impl Teller {
    pub fn new(output: Output, status: Status) -> Self {
        Self { output, status, ended: 0, told: BTreeSet::new() }
    }

    /// Tells an event; the chain is the one after it.
    pub fn tell(&mut self, event: &Event, chain: &Chain) -> anyhow::Result<()> {
        match *event {
            Event::Began { .. } => self.told.clear(),
            Event::Issued { round, gate, .. } => self.judged(round.0, gate, true),
            Event::Refused { round, gate } => self.judged(round.0, gate, false),
            Event::Aborted { .. } => {
                self.ended += 1;
                self.status.aborted += 1;
            }
            _ => {}
        }
        self.line(&words(event, chain), value(event, chain))
    }

    /// Counts a fault and, the first time, tells it.
    pub fn reject(&mut self, from: NodeId, why: Rejection) -> anyhow::Result<()> {
        let kind = format!("{why:?}");
        let kind = kind.split('(').next().unwrap_or(&kind).to_owned();
        *self.status.rejections.entry(kind.clone()).or_default() += 1;
        if !self.told.insert((from, why.code())) {
            return Ok(());
        }
        let line = format!("node {}: a message was refused: {why}", from.short());
        self.line(&line, json!({ "event": "rejected", "node": from.to_string(), "kind": kind }))
    }

    /// A line that is not the machine's.
    pub fn line(&mut self, words: &str, value: Value) -> anyhow::Result<()> {
        self.status.note(words.to_owned());
        if !self.output.is_json() {
            return Ok(self.output.say(words)?);
        }
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{value}")?;
        Ok(stdout.flush()?)
    }

    fn judged(&mut self, round: u64, gate: GateResult, issued: bool) {
        self.ended += 1;
        let GateResult { loss_micro, limit_micro } = gate;
        self.status.gate = Some(Judgement { round, loss_micro, limit_micro, issued });
    }
}

fn words(event: &Event, chain: &Chain) -> String {
    match event {
        Event::Unplannable(fault) => format!("the configuration makes no round: {fault}"),
        Event::Began { round, rho } => {
            format!("round {round} began; {}", cost(rho.to_f64(), epsilon(*rho)))
        }
        Event::Rostered { round, members } => {
            format!("round {round}: {} on the roster", human::plural(*members as u64, "node"))
        }
        Event::Survived { round, survivors, members } => {
            format!("round {round}: {survivors} of {members} contributions are in the sum")
        }
        Event::Faulty { round, fault, node } => format!(
            "round {round}: member {} ({}) revealed a share of member {} that does not fit",
            fault.revealer,
            node.map_or("unknown".into(), |node| node.short()),
            fault.owner
        ),
        Event::Issued { round, version, state, gate } => {
            let (head, parent) = ends(chain);
            format!(
                "round {round}: version {version} issued: loss {} (limit {}), state {}, header {} after {}",
                nats(gate.loss_micro),
                nats(gate.limit_micro),
                state.short(),
                &head[..8],
                &parent[..8]
            )
        }
        Event::Refused { round, gate } => format!(
            "round {round}: the gate refused the candidate: loss {}, limit {}; the version stays",
            nats(gate.loss_micro),
            nats(gate.limit_micro)
        ),
        Event::Aborted { round, reason, spoilt_by } if spoilt_by.is_empty() => {
            format!("round {round} was aborted: {}", explain(*reason))
        }
        Event::Aborted { round, reason, spoilt_by } => {
            let names: Vec<String> = spoilt_by.iter().map(NodeId::short).collect();
            format!("round {round} was aborted: {}; by {}", explain(*reason), names.join(", "))
        }
        Event::LeftOut { round, node } => {
            format!("round {round}: node {} is left out: it has spoilt the last ones", node.short())
        }
        Event::Disagreed { round, one, other } => format!(
            "round {round}: shares between node {} and node {} do not fit: one of the two is wrong",
            one.short(),
            other.short()
        ),
        Event::Spoilt { round, node } => {
            format!("round {round}: node {} was found out", node.short())
        }
        Event::Resumed { round } => {
            format!("round {round} is finished after a restart: its sum was fixed already")
        }
        Event::CannotRollBack { to } => format!("version {to} cannot be rolled back to now"),
    }
}

fn value(event: &Event, chain: &Chain) -> Value {
    match event {
        Event::Unplannable(fault) => json!({ "event": "unplannable", "why": fault.to_string() }),
        Event::Began { round, rho } => json!({
            "event": "began", "round": round.0, "rho": rho.to_f64(), "epsilon": epsilon(*rho), "delta": DELTA
        }),
        Event::Rostered { round, members } => {
            json!({ "event": "rostered", "round": round.0, "members": members })
        }
        Event::Survived { round, survivors, members } => json!({
            "event": "survived", "round": round.0, "survivors": survivors, "members": members
        }),
        Event::Faulty { round, fault, node } => json!({
            "event": "faulty", "round": round.0, "revealer": fault.revealer.0, "owner": fault.owner.0,
            "node": node.map(|node| node.to_string())
        }),
        Event::Issued { round, version, state, gate } => {
            let (head, parent) = ends(chain);
            json!({
                "event": "issued", "round": round.0, "version": version.0, "state": state.to_string(),
                "header": head, "parent": parent,
                "loss": micro(gate.loss_micro), "limit": micro(gate.limit_micro)
            })
        }
        Event::Refused { round, gate } => {
            let (head, parent) = ends(chain);
            json!({
                "event": "refused", "round": round.0, "header": head, "parent": parent,
                "loss": micro(gate.loss_micro), "limit": micro(gate.limit_micro)
            })
        }
        Event::Aborted { round, reason, spoilt_by } => json!({
            "event": "aborted", "round": round.0, "reason": format!("{reason:?}"), "why": explain(*reason),
            "spoilt_by": spoilt_by.iter().map(NodeId::to_string).collect::<Vec<_>>()
        }),
        Event::LeftOut { round, node } => {
            json!({ "event": "left_out", "round": round.0, "node": node.to_string() })
        }
        Event::Disagreed { round, one, other } => json!({
            "event": "disagreed", "round": round.0, "nodes": [one.to_string(), other.to_string()]
        }),
        Event::Spoilt { round, node } => {
            json!({ "event": "spoilt", "round": round.0, "node": node.to_string() })
        }
        Event::Resumed { round } => json!({ "event": "resumed", "round": round.0 }),
        Event::CannotRollBack { to } => json!({ "event": "cannot_roll_back", "to": to.0 }),
    }
}

/// The hashes of the head and of its parent.
fn ends(chain: &Chain) -> (String, String) {
    let parent = chain.headers().last().and_then(|header| {
        let header = header.check(chain.genesis().coordinator).ok()?;
        Some(header.parent)
    });
    (chain.head().to_string(), parent.unwrap_or(chain.head()).to_string())
}

fn epsilon(rho: grid::Q40) -> Option<f64> {
    privacy::zcdp_epsilon(rho, DELTA).ok()
}

fn cost(rho: f64, epsilon: Option<f64>) -> String {
    let cost = format!("a contribution costs ρ = {rho:.6}");
    match epsilon {
        Some(epsilon) if epsilon <= MEANINGLESS => {
            format!("{cost} (alone: ε = {epsilon:.2} at δ = 1e-6)")
        }
        _ => format!("{cost}: no meaningful privacy guarantee"),
    }
}

/// Millionths of a nat as nats per token.
pub(crate) fn micro(loss_micro: u64) -> f64 {
    loss_micro as f64 / 1e6
}

fn nats(loss_micro: u64) -> String {
    format!("{:.4}", micro(loss_micro))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_without_meaning_is_said_in_words() {
        assert!(cost(0.1, Some(2.0)).contains("ε = 2.00"));
        assert!(cost(1250.0, Some(1500.0)).ends_with("no meaningful privacy guarantee"));
        assert!(cost(1250.0, None).ends_with("no meaningful privacy guarantee"));
    }
}
