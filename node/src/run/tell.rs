//! What the machine reports, in words for the owner.

use protocol::node::Event;
use serde_json::{Value, json};

use crate::status::{Refused, Status};

/// One line for the owner; `status` remembers it.
pub(super) fn tell(event: &Event, status: &mut Status) -> String {
    let line = line(event);
    match event {
        Event::Refused { round, why, would_do } => {
            let (why, would_do) = (why.to_string(), would_do.clone());
            status.refused = Some(Refused { round: round.0, why, would_do });
        }
        Event::Contributed { .. } => status.contributions += 1,
        _ => {}
    }
    status.note(line.clone());
    line
}

fn line(event: &Event) -> String {
    match event {
        Event::Refused { round, why, would_do } => {
            format!("round {round}: refused: {why}{}", crate::status::hint(would_do.as_deref()))
        }
        Event::Began { round, rho } => {
            format!("round {round}: training (it will cost ρ = {:.6})", rho.to_f64())
        }
        Event::Contributed { round, rho } => {
            format!("round {round}: charged ρ = {:.6}, contribution sent", rho.to_f64())
        }
        Event::StayedOut { round, why } => {
            format!("round {round}: stays out, nothing charged: {why}")
        }
        Event::BadDealer { member } => format!("member {member} dealt shares that do not open"),
        Event::Adopted { version } => {
            format!("version {version}: recomputed from its sum, and adopted")
        }
        Event::AdoptedByHash { version } => format!(
            "version {version}: fetched by its hash; its signed history was verified, its sum was not recomputed here"
        ),
        Event::Restored { version } => {
            format!("version {version}: an earlier version's state, restored by the coordinator")
        }
        Event::DoesNotFollow { version } => format!(
            "version {version} REFUSED: it does not follow from its own published sum; this node takes part in nothing that builds on it"
        ),
        Event::NoVersion { round, why } => format!("round {round}: no new version: {why}"),
        Event::LedgerForked { node } => format!(
            "node {} has shown two ledgers of one length: one of them was restored from a backup; it was told",
            node.short()
        ),
        Event::Forked { index } => format!(
            "FORK: the coordinator has signed another history, different from step {index} on; the evidence is kept (`status` names the file): show it to the others"
        ),
        Event::LedgerWasRolledBack { later } => format!(
            "others have seen {later} entries of this node's ledger: it was restored from a backup; the missing rounds were charged at the largest cost"
        ),
    }
}

/// The event for scripts; `words` are those for the owner.
pub(super) fn value(event: &Event, words: &str) -> Value {
    let mut value = json!({ "event": name(event), "words": words });
    let mut set = |key: &str, number: Value| value[key] = number;
    match event {
        Event::Began { round, rho } | Event::Contributed { round, rho } => {
            set("round", round.0.into());
            set("rho", rho.to_f64().into());
        }
        Event::Refused { round, .. }
        | Event::StayedOut { round, .. }
        | Event::NoVersion { round, .. } => set("round", round.0.into()),
        Event::Adopted { version }
        | Event::AdoptedByHash { version }
        | Event::Restored { version }
        | Event::DoesNotFollow { version } => set("version", version.0.into()),
        Event::LedgerForked { node } => set("node", node.to_string().into()),
        Event::LedgerWasRolledBack { later } => set("later", (*later).into()),
        Event::BadDealer { .. } | Event::Forked { .. } => {}
    }
    value
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Refused { .. } => "refused",
        Event::Began { .. } => "began",
        Event::Contributed { .. } => "contributed",
        Event::StayedOut { .. } => "stayed out",
        Event::BadDealer { .. } => "bad dealer",
        Event::Adopted { .. } => "adopted",
        Event::AdoptedByHash { .. } => "adopted by hash",
        Event::Restored { .. } => "restored",
        Event::DoesNotFollow { .. } => "does not follow",
        Event::NoVersion { .. } => "no version",
        Event::LedgerForked { .. } => "ledger forked",
        Event::Forked { .. } => "forked",
        Event::LedgerWasRolledBack { .. } => "ledger was rolled back",
    }
}

#[cfg(test)]
mod tests {
    use grid::Q40;
    use wire::Round;

    use super::*;

    #[test]
    fn a_script_and_an_owner_hear_the_same() {
        let event = Event::Contributed { round: Round(7), rho: Q40::from_f64_up(0.25).unwrap() };
        let mut status = Status::default();
        let words = tell(&event, &mut status);
        assert_eq!(words, "round 7: charged ρ = 0.250000, contribution sent");
        let value = value(&event, &words);
        assert_eq!(value["event"], "contributed");
        assert_eq!((value["round"].as_u64(), value["rho"].as_f64()), (Some(7), Some(0.25)));
        assert_eq!(value["words"].as_str(), Some(words.as_str()));
        assert_eq!(status.contributions, 1);
    }
}
