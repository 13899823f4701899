//! How a round ended and what machines reported, in words for people: the names under which an
//! [`Outcome`](crate::Outcome) counts them.

use protocol::{coordinator, evidence::explain, node};
use wire::AbortReason;

/// A round that ended without a sum.
pub fn abort(reason: AbortReason) -> String {
    format!("an abort: {}", explain(reason))
}

/// What the owner of a node was told.
pub fn owner(event: &node::Event) -> &'static str {
    use node::Event;
    match event {
        Event::Refused { .. } => "a plan or a cohort was refused",
        Event::Began { .. } => "training for a round began",
        Event::Contributed { .. } => "a contribution was charged and sent",
        Event::StayedOut { .. } => "stayed out of the rest of a round",
        Event::BadDealer { .. } => "a share that was dealt to it does not open",
        Event::Adopted { .. } => "a version was recomputed and adopted",
        Event::AdoptedByHash { .. } => "a version was taken by its hash alone",
        Event::Restored { .. } => "an earlier version was restored by the coordinator",
        Event::DoesNotFollow { .. } => "a version does not follow from its own sum",
        Event::NoVersion { .. } => "a round ended without a new version",
        Event::LedgerWasRolledBack { .. } => "its ledger was restored from a backup",
        Event::LedgerForked { .. } => "somebody has shown two ledgers of one length",
        Event::Forked { .. } => "the coordinator has signed two histories",
    }
}

/// What the operator was told.
pub fn operator(event: &coordinator::Event) -> &'static str {
    use coordinator::Event;
    match event {
        Event::Unplannable(_) => "operator: the configuration makes no round",
        Event::Began { .. } => "operator: a round began",
        Event::Rostered { .. } => "operator: a roster was closed",
        Event::Survived { .. } => "operator: survivors were fixed",
        Event::Faulty { .. } => "operator: a revealed share does not fit",
        Event::Issued { .. } => "operator: a version was issued",
        Event::Refused { .. } => "operator: the gate refused a candidate",
        Event::Aborted { .. } => "operator: a round was aborted",
        Event::LeftOut { .. } => "operator: a node that spoils rounds was left out",
        Event::Disagreed { .. } => "operator: shares between two nodes do not fit",
        Event::Spoilt { .. } => "operator: a node was found out",
        Event::Resumed { .. } => "operator: a round was finished after a restart",
        Event::CannotRollBack { .. } => "operator: a rollback was not possible",
    }
}

#[cfg(test)]
mod tests {
    use crate::{Outcome, Scenario, run};

    /// Names of variants (`TooFewShares`) say nothing to whoever reads the summary.
    #[test]
    fn what_is_counted_is_said_in_words() {
        let scenario = Scenario::named("rough").expect("a mix").sized(&[5]);
        let mut all = Outcome::default();
        (0..30).for_each(|seed| all.add(run(&scenario, seed)));
        let endings = all.endings.keys().map(String::as_str);
        assert!(endings.clone().any(|ending| ending.starts_with("an abort: too few")), "{all}");
        for words in endings.chain(all.reports.keys().copied()) {
            let is_words = words.contains(' ') && !words.contains(char::is_uppercase);
            assert!(is_words, "{words}");
        }
        assert!(all.reports.len() > 8, "{all}");
    }
}
