//! What the machine reports, in words for the owner.

use protocol::node::Event;

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
        Event::Began { round, rho } => format!("round {round}: training (it will cost ρ = {rho})"),
        Event::Contributed { round, rho } => {
            format!("round {round}: charged ρ = {rho}, contribution sent")
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
