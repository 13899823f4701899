//! One round, checked: its record, and what its transcript adds.
//!
//! A record proves who agreed to what, and that enough did; it cannot prove that its sum is the sum of what they
//! sent. The transcript can: it holds the masked contributions and the revealed shares, and the sum is unmasked from
//! them once more.

mod contributions;
mod messages;
mod parts;
mod reveals;
mod step;

use std::collections::BTreeMap;

use serde::Serialize;
use version::{Chain, State};
use wire::{Genesis, Header, Outcome, RoundRecord, Signed, StateHash, Transcript};

use crate::{Findings, Level, WholeTranscript};
pub(crate) use contributions::Contributed;
pub(crate) use parts::Parts;

/// What is known of a task besides the round under audit.
pub struct History<'a> {
    /// What the task is.
    pub genesis: &'a Genesis,
    /// Its signed chain, if it is at hand.
    pub chain: Option<&'a Chain>,
    /// States of its versions, those that are at hand.
    pub states: &'a BTreeMap<StateHash, State>,
}

/// What an audit of a round found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RoundAudit {
    /// Which task.
    pub task: String,
    /// Which round.
    pub round: Option<u64>,
    /// How many advertised.
    pub roster: usize,
    /// How many dealt shares (R2).
    pub closed: usize,
    /// How many are in the sum (U).
    pub survivors: usize,
    /// What it cost each survivor, ρ.
    pub rho: Option<f64>,
    /// What was found.
    pub findings: Findings,
}

/// Audits a record, with the round's transcript where it is at hand.
pub fn audit_round(
    record: &RoundRecord,
    transcript: Option<&WholeTranscript>,
    history: &History<'_>,
) -> RoundAudit {
    look_at_record(record, transcript, history).0
}

/// Audits a transcript by itself: also one of a round that ended without a sum.
pub fn audit_transcript(transcript: &WholeTranscript, history: &History<'_>) -> RoundAudit {
    look_at_transcript(transcript, history).0
}

/// The same, and what was sent: contributions are read once.
pub(crate) fn look_at_transcript(
    transcript: &WholeTranscript,
    history: &History<'_>,
) -> (RoundAudit, Contributed) {
    match &transcript.rest.record {
        Some(record) => look_at_record(record, Some(transcript), history),
        None => look_without_sum(transcript, history),
    }
}

fn look_at_record(
    record: &RoundRecord,
    whole: Option<&WholeTranscript>,
    history: &History<'_>,
) -> (RoundAudit, Contributed) {
    let mut findings = Findings::default();
    let parts = Parts::of_record(record, history.genesis, &mut findings);
    if let Some((parts, whole)) = parts.as_ref().zip(whole)
        && findings.worst() < Level::Fault
        && let Some(what) = of_another_round(&whole.rest, parts, history.genesis)
    {
        findings.fault("one-round", "transcript", what);
        return (audit_of(history.genesis, Some(parts), findings), Contributed::default());
    }
    let transcript = whole.map(|whole| &whole.rest);
    let header = find_header(record, transcript, history, &mut findings);
    let read = |whole: &WholeTranscript| Contributed::read(&whole.contributions, parts.as_ref());
    let mut contributed = whole.map(read).unwrap_or_default();
    if let Some(parts) = &parts {
        step::check(record, parts, header.as_ref(), history, &mut findings);
        match transcript {
            Some(transcript) => {
                same_round(record, transcript, &mut findings);
                messages::check(transcript, parts, &contributed, &mut findings);
                let sum = contributed.sum.take();
                reveals::check_sum(transcript, parts, sum, &record.sum, &mut findings);
            }
            None => findings.note(
                "sum",
                "record",
                "not looked at: only the transcript of the round can show that the sum is that of the contributions",
            ),
        }
    }
    (audit_of(history.genesis, parts.as_ref(), findings), contributed)
}

fn look_without_sum(whole: &WholeTranscript, history: &History<'_>) -> (RoundAudit, Contributed) {
    let mut findings = Findings::default();
    let transcript = &whole.rest;
    let parts = Parts::of_transcript(transcript, history.genesis, &mut findings);
    let contributed = Contributed::read(&whole.contributions, parts.as_ref());
    if let Some(parts) = &parts {
        messages::check(transcript, parts, &contributed, &mut findings);
        reveals::check_without_sum(transcript, parts, &mut findings);
    }
    match transcript.header.as_ref().map(|header| header.check(history.genesis.coordinator)) {
        Some(Ok(header)) => match header.outcome {
            Outcome::Aborted { reason } => {
                let what = format!("ended without a sum: {}", protocol::evidence::explain(reason));
                findings.note("header", "transcript", what);
            }
            _ => findings.fault(
                "header",
                "transcript",
                "a step that is no abort, without its record",
            ),
        },
        Some(Err(error)) => findings.fault("header", "transcript", error.to_string()),
        None => {
            findings.warn("header", "transcript", "the round has no end here: it was cut short")
        }
    }
    (audit_of(history.genesis, parts.as_ref(), findings), contributed)
}

fn audit_of(genesis: &Genesis, parts: Option<&Parts>, findings: Findings) -> RoundAudit {
    let task = genesis.task().to_string();
    let Some(parts) = parts else { return RoundAudit { task, findings, ..RoundAudit::default() } };
    RoundAudit {
        task,
        round: Some(parts.terms.round().0),
        roster: parts.roster.as_ref().map_or(0, |roster| roster.size()),
        closed: parts.closed.as_ref().map_or(0, |closed| closed.members.len()),
        survivors: parts.survivors.as_ref().map_or(0, |survivors| survivors.members.len()),
        rho: Some(parts.terms.rho.to_f64_up()),
        findings,
    }
}

/// The signed step that names a record: in the chain, or at least in the transcript.
fn find_header(
    record: &RoundRecord,
    transcript: Option<&Transcript>,
    history: &History<'_>,
    findings: &mut Findings,
) -> Option<Header> {
    let hash = record.hash();
    let names = |header: &Header| match header.outcome {
        Outcome::Issued { record, .. } | Outcome::Refused { record, .. } => record == hash,
        Outcome::Aborted { .. } | Outcome::RolledBack { .. } => false,
    };
    let read = |signed: &Signed<Header>| signed.check(history.genesis.coordinator).ok();
    if let Some(chain) = history.chain {
        let found = chain.headers().iter().filter_map(read).find(|header| names(header));
        match &found {
            Some(header) => {
                let what = format!("step {} of the signed chain names this record", header.index);
                findings.ok("header", "chain", what);
            }
            None => {
                findings.fault("header", "chain", "no step of the signed chain names this record")
            }
        }
        return found.map(|header| header.into_value());
    }
    let header = transcript.and_then(|transcript| transcript.header.as_ref()).and_then(read);
    match header.filter(|header| names(header)) {
        Some(header) => {
            let what = format!(
                "step {}, signed, names this record; that it is in the chain was not looked at: there is no chain here",
                header.index
            );
            findings.ok("header", "transcript", what);
            Some(header.into_value())
        }
        None if transcript.is_some() => {
            findings.fault("header", "transcript", "no signed step here names this record");
            None
        }
        None => {
            let what = "not looked at: neither chain nor transcript is here to show that this record became history";
            findings.note("header", "record", what);
            None
        }
    }
}

/// Whether record and transcript are of one round, byte for byte.
/// What to say of a transcript that was given with a whole record of another round: nothing of it would fit.
fn of_another_round(transcript: &Transcript, parts: &Parts, genesis: &Genesis) -> Option<String> {
    let plan = transcript.plan.check(genesis.coordinator).ok()?;
    let round = parts.terms.plan().round;
    (plan.round != round).then(|| {
        format!(
            "it is of round {}, the record of round {round}: nothing of it was looked at; give the transcript of \
             round {round} (transcripts/round-{:06} in the coordinator's folder)",
            plan.round, round.0
        )
    })
}

fn same_round(record: &RoundRecord, transcript: &Transcript, findings: &mut Findings) {
    let same = [
        ("plan", record.plan == transcript.plan),
        ("roster", transcript.roster.as_ref() == Some(&record.roster)),
        ("closed", transcript.closed.as_ref() == Some(&record.closed)),
        ("survivors", transcript.survivors.as_ref() == Some(&record.survivors)),
        ("agreements", record.agreements == transcript.agreements),
        ("sum", transcript.record.as_ref().is_none_or(|kept| kept.sum == record.sum)),
    ];
    let different: Vec<&str> =
        same.iter().filter(|(_, equal)| !equal).map(|(name, _)| *name).collect();
    if different.is_empty() {
        findings.ok("one-round", "transcript", "the same signed bytes as in the record");
    } else {
        let what = format!("differs from the record in: {}", different.join(", "));
        findings.fault("one-round", "transcript", what);
    }
}
