//! Whether the version that a step names follows from the published sum.

use version::{State, next_state};
use wire::{Header, Outcome, RoundRecord, StateHash};

use super::{History, Parts};
use crate::Findings;

/// Computes the next state from the one before and the record's sum, and compares it with the header's.
pub(super) fn check(
    record: &RoundRecord,
    parts: &Parts,
    header: Option<&Header>,
    history: &History<'_>,
    findings: &mut Findings,
) {
    let (Some(survivors), Some(header)) = (&parts.survivors, header) else { return };
    let (claimed, word) = match header.outcome {
        Outcome::Issued { state, .. } => (state, "issued"),
        Outcome::Refused { candidate, .. } => (candidate, "refused by the gate"),
        Outcome::Aborted { .. } | Outcome::RolledBack { .. } => return,
    };
    if header.parent != parts.terms.plan().head {
        let what = "the plan was made for another head of the chain than the step follows";
        findings.fault("version", "header", what);
    }
    let before = match state_before(parts, history) {
        Ok(state) => state,
        Err(why) => return findings.note("version", "state", format!("not looked at: {why}")),
    };
    let at = format!("version {}", header.version);
    match next_state(before, parts.terms.plan(), survivors.members.len(), &record.sum) {
        Ok(state) if state.hash() == claimed => {
            let what = format!(
                "computed again from version {} and the sum: the {word} state {claimed}, bit for bit",
                parts.terms.plan().version
            );
            findings.ok("version", at, what);
        }
        Ok(state) => {
            let what = format!("the sum gives {}, and the header names {claimed}", state.hash());
            findings.fault("version", at, what);
        }
        Err(error) => findings.fault("version", at, error.to_string()),
    }
}

/// The state that the plan's training started from.
fn state_before<'a>(parts: &Parts, history: &History<'a>) -> Result<&'a State, String> {
    let version = parts.terms.plan().version;
    let hash = hash_of(parts, history)
        .ok_or_else(|| format!("which state version {version} has, only the chain says"))?;
    let states = history.states;
    states.get(&hash).ok_or_else(|| {
        format!("the state of version {version} ({}) is not among those at hand", hash.short())
    })
}

fn hash_of(parts: &Parts, history: &History<'_>) -> Option<StateHash> {
    let version = parts.terms.plan().version;
    match history.chain {
        Some(chain) => chain.state_of(version),
        None => (version.0 == 0).then_some(history.genesis.initial),
    }
}
