//! What the coordinator signed in a round, read in order: plan, roster, R2, survivors.

use protocol::{
    evidence::{Evidence, read_closed, read_survivors},
    roster::RosterView,
    terms::Terms,
};
use wire::{
    Checked, Genesis, Plan, Roster, RoundRecord, SharesClosed, Signed, Survivors, Transcript,
};

use crate::Findings;

/// As far as a round went, and as far as its signatures hold.
pub(crate) struct Parts {
    /// The plan, read.
    pub terms: Terms,
    /// Who advertised.
    pub roster: Option<RosterView>,
    /// R2.
    pub closed: Option<Checked<SharesClosed>>,
    /// U.
    pub survivors: Option<Checked<Survivors>>,
}

impl Parts {
    /// Reads a record, which has all parts, and the survivors' agreement on them.
    pub fn of_record(
        record: &RoundRecord,
        genesis: &Genesis,
        findings: &mut Findings,
    ) -> Option<Self> {
        let reader = Reader { at: "record", genesis };
        let terms = reader.plan(&record.plan, findings)?;
        let parts = reader.parts(
            terms,
            Some(&record.roster),
            Some(&record.closed),
            Some(&record.survivors),
            findings,
        );
        let (Some(roster), Some(survivors)) = (&parts.roster, &parts.survivors) else {
            return Some(parts);
        };
        match Evidence::read(record, genesis) {
            Ok(_) => {
                let (agreed, t) = (record.agreements.len(), roster.threshold());
                let what =
                    format!("{agreed} survivors signed this list of survivors; {t} are needed");
                findings.ok("agreements", "record", what);
                let (in_sum, all) = (survivors.members.len(), roster.size());
                let what = format!(
                    "{in_sum} of {all} are in the sum: enough for n_min = {}, and for n_honest = {} when γ of the \
                     roster are corrupt",
                    parts.terms.plan().cohort.survivors_min,
                    parts.terms.plan().noise.honest
                );
                findings.ok("survivors", "record", what);
            }
            Err(why) => findings.fault("agreements", "record", format!("agreements or sum: {why}")),
        }
        Some(parts)
    }

    /// Reads as many parts as a transcript has.
    pub fn of_transcript(
        transcript: &Transcript,
        genesis: &Genesis,
        findings: &mut Findings,
    ) -> Option<Self> {
        let reader = Reader { at: "transcript", genesis };
        let terms = reader.plan(&transcript.plan, findings)?;
        let (roster, closed) = (transcript.roster.as_ref(), transcript.closed.as_ref());
        Some(reader.parts(terms, roster, closed, transcript.survivors.as_ref(), findings))
    }
}

struct Reader<'a> {
    at: &'static str,
    genesis: &'a Genesis,
}

impl Reader<'_> {
    fn plan(&self, plan: &Signed<Plan>, findings: &mut Findings) -> Option<Terms> {
        let checked = plan
            .check(self.genesis.coordinator)
            .map_err(|error| findings.fault("plan", self.at, error.to_string()))
            .ok()?;
        let terms = Terms::read(checked, self.genesis)
            .map_err(|fault| findings.fault("plan", self.at, fault.to_string()))
            .ok()?;
        let what = format!(
            "round {}, signed by the task's coordinator: σ = {} grid units from each of at least {} honest nodes, \
             ρ = {:.9} each",
            terms.round(),
            terms.sigma,
            terms.plan().noise.honest,
            terms.rho
        );
        findings.ok("plan", self.at, what);
        Some(terms)
    }

    fn parts(
        &self,
        terms: Terms,
        roster: Option<&Signed<Roster>>,
        closed: Option<&Signed<SharesClosed>>,
        survivors: Option<&Signed<Survivors>>,
        findings: &mut Findings,
    ) -> Parts {
        let mut parts = Parts { terms, roster: None, closed: None, survivors: None };
        let (terms, coordinator) = (&parts.terms, self.genesis.coordinator);
        let Some(signed) = roster else { return parts };
        match RosterView::read(signed, coordinator, terms) {
            Ok(roster) => {
                let what =
                    format!("{} members, each advertised with its own signature", roster.size());
                findings.ok("roster", self.at, what);
                parts.roster = Some(roster);
            }
            Err(why) => findings.fault("roster", self.at, why.to_string()),
        }
        let (Some(roster), Some(signed)) = (&parts.roster, closed) else { return parts };
        match read_closed(signed, roster, terms, self.genesis) {
            Ok(closed) => parts.closed = Some(closed),
            Err(why) => findings.fault("closed", self.at, why.to_string()),
        }
        let (Some(closed), Some(signed)) = (&parts.closed, survivors) else { return parts };
        match read_survivors(signed, closed, roster, terms, self.genesis) {
            Ok(survivors) => parts.survivors = Some(survivors),
            Err(why) => findings.fault("survivors", self.at, why.to_string()),
        }
        parts
    }
}
