//! One node's ledger beside every transcript.

use std::collections::BTreeMap;

use privacy::{ChargeTerms, Entry, EntryKind, PenaltyReason};
use protocol::{Policy, roster::RosterView};
use wire::{ContentHash, LedgerHash, LedgerHead, NodeId, TaskId};

use super::{Round, Row};
use crate::Findings;
use crate::round::Parts;

/// A node's entries of one task.
pub(super) struct Book<'a> {
    node: NodeId,
    task: TaskId,
    charges: BTreeMap<u64, Paid<'a>>,
    /// Entries by their place in the task's sub-chain.
    places: BTreeMap<u64, LedgerHash>,
    /// Up to this place, missing entries are covered by penalties.
    covered: u64,
    /// How many missing entries penalties still cover.
    penalties: u64,
}

struct Paid<'a> {
    terms: &'a ChargeTerms,
    contribution: ContentHash,
    place: u64,
}

/// One transcript, as far as it concerns one node.
struct Seen<'a> {
    parts: &'a Parts,
    roster: Option<&'a RosterView>,
    contribution: Option<ContentHash>,
    in_closed: bool,
    in_sum: bool,
    at: String,
}

impl<'a> Book<'a> {
    pub fn new(node: NodeId, entries: &'a [Entry], task: TaskId) -> Self {
        let mut book = Self {
            node,
            task,
            charges: BTreeMap::new(),
            places: BTreeMap::new(),
            covered: 0,
            penalties: 0,
        };
        for entry in entries {
            book.add(entry);
        }
        book
    }

    fn add(&mut self, entry: &'a Entry) {
        let place = entry.place.filter(|place| place.task == self.task);
        if let Some(place) = place {
            self.places.insert(place.sequence, entry.hash);
        }
        match (&entry.kind, place) {
            (EntryKind::Charged { terms, contribution }, Some(place)) => {
                let paid = Paid { terms, contribution: *contribution, place: place.sequence };
                self.charges.insert(terms.round.0, paid);
            }
            (EntryKind::Penalty(PenaltyReason::RestoredBackup { from, to, .. }), Some(_)) => {
                self.covered = self.covered.max(*to);
                self.penalties = self.penalties.saturating_add((to - from).saturating_add(1));
            }
            // One torn entry of a task that nobody knows may have been of this one.
            (EntryKind::Penalty(PenaltyReason::TornEntry { .. }), place)
                if place.is_some() || entry.place.is_none() =>
            {
                self.penalties = self.penalties.saturating_add(1);
            }
            _ => {}
        }
    }

    /// Compares with every round, in order, and says so where all agrees.
    pub fn compare(
        mut self,
        rounds: &[Round],
        policy: Option<&Policy>,
        findings: &mut Findings,
    ) -> Vec<Row> {
        let mut own = Findings::default();
        let mut rows = Vec::new();
        for round in rounds {
            let seen = self.look(round);
            rows.extend(self.compare_one(&seen, policy, &mut own));
        }
        let known = |round: &u64| rounds.iter().any(|known| known.parts.terms.round().0 == *round);
        let unknown = self.charges.keys().filter(|round| !known(round)).count();
        let at = format!("node {}", self.node.short());
        if unknown > 0 {
            let what = format!("not looked at: {unknown} charged rounds have no transcript here");
            own.note("no-transcript", at.as_str(), what);
        }
        if own.all().iter().all(|finding| finding.check == "no-transcript") {
            let (charged, rounds) = (rows.iter().filter(|row| row.charged).count(), rows.len());
            let what = format!(
                "ledger and transcripts agree: on {rounds} rosters, {charged} contributions, each paid for once under \
                 the round's own terms"
            );
            own.ok("reconciled", at, what);
        }
        findings.append(own);
        rows
    }

    fn look<'p>(&self, round: &'p Round) -> Seen<'p> {
        let Round { parts, sent } = round;
        let roster = parts.roster.as_ref();
        let place = roster.and_then(|roster| roster.place(self.node));
        let within = |members: Option<wire::MemberSet>| {
            place.zip(members).is_some_and(|(place, members)| members.contains(place))
        };
        Seen {
            parts,
            roster,
            contribution: sent.get(&self.node).copied(),
            in_closed: within(parts.closed.as_ref().map(|closed| closed.members)),
            in_sum: within(parts.survivors.as_ref().map(|survivors| survivors.members)),
            at: format!("node {}, round {}", self.node.short(), parts.terms.round()),
        }
    }

    fn compare_one(
        &mut self,
        seen: &Seen<'_>,
        policy: Option<&Policy>,
        findings: &mut Findings,
    ) -> Option<Row> {
        let round = seen.parts.terms.round().0;
        self.check_head(seen, findings);
        let paid = self.charges.get(&round);
        match (paid, seen.contribution) {
            (Some(paid), contribution) => {
                check_terms(paid, contribution, seen, findings);
                check_place(seen, findings);
                if let Some(Err(refusal)) = policy.map(|policy| policy.judge(&seen.parts.terms)) {
                    let what =
                        format!("the node paid for a plan that its policy refuses: {refusal}");
                    findings.fault("policy", seen.at.as_str(), what);
                }
            }
            (None, Some(_)) => self.miss(seen, findings),
            (None, None) => {}
        }
        let on_roster = seen.roster.is_some_and(|roster| roster.place(self.node).is_some());
        let charged = self.charges.contains_key(&round);
        (on_roster || charged).then(|| Row {
            round,
            node: self.node.to_string(),
            charged,
            contributed: seen.contribution.is_some(),
            in_sum: seen.in_sum && seen.contribution.is_some(),
        })
    }

    /// A contribution that the ledger does not know.
    fn miss(&mut self, seen: &Seen<'_>, findings: &mut Findings) {
        if self.penalties > 0 {
            self.penalties -= 1;
            let what = "contributed; its entry is lost, and a penalty of the ledger covers it";
            return findings.warn("unpaid", seen.at.as_str(), what);
        }
        let what = "contributed, with its signature, and its ledger has no charge: a forged or a lost ledger";
        findings.fault("unpaid", seen.at.as_str(), what);
    }

    /// The head that the node showed on advertising is one that its ledger has, and the last before this round.
    fn check_head(&self, seen: &Seen<'_>, findings: &mut Findings) {
        let place = seen.roster.and_then(|roster| roster.place(self.node));
        let Some((roster, place)) = seen.roster.zip(place) else { return };
        let Some(member) = roster.member(place) else { return };
        let shown: &LedgerHead = &member.ledger;
        let beginning = shown.sequence == 0 && shown.head == LedgerHash(self.task.0);
        if !beginning && self.places.get(&shown.sequence) != Some(&shown.head) {
            let what = format!(
                "showed entry {} of this task, which its ledger does not hold",
                shown.sequence
            );
            if shown.sequence <= self.covered {
                let what = format!("{what}: restored from a backup, noticed, and charged");
                findings.warn("rollback", seen.at.as_str(), what);
            } else {
                findings.fault("rollback", seen.at.as_str(), format!("{what}: it was rolled back"));
            }
            return;
        }
        let round = seen.parts.terms.round().0;
        let before = self.charges.range(..round).map(|(_, paid)| paid.place).max().unwrap_or(0);
        if before > shown.sequence {
            let what = format!(
                "showed entry {} of this task when it had {before} already: another copy of the ledger was in use",
                shown.sequence
            );
            findings.fault("rollback", seen.at.as_str(), what);
        }
    }
}

/// The charge is for this plan, at its cost, for these bytes.
fn check_terms(
    paid: &Paid<'_>,
    contribution: Option<ContentHash>,
    seen: &Seen<'_>,
    findings: &mut Findings,
) {
    let plan = &seen.parts.terms.charge;
    if paid.terms.plan != plan.plan {
        let what =
            "paid for another plan than the transcript's: the coordinator signed two for one round";
        findings.fault("equivocation", seen.at.as_str(), what);
    } else if paid.terms != plan {
        let what = "the charge's noise, norm or dimension are not those of the plan that it names";
        findings.fault("terms", seen.at.as_str(), what);
    }
    if contribution.is_some_and(|sent| paid.contribution != sent) {
        let what = "the transcript's contribution is not the one that was paid for";
        findings.fault("contribution", seen.at.as_str(), what);
    }
}

/// What became of a contribution that was paid for.
fn check_place(seen: &Seen<'_>, findings: &mut Findings) {
    let at = seen.at.as_str();
    if !seen.in_closed {
        let what = "paid, but is not in the transcript's R2: the node was shown another one, or this is not the whole \
                    transcript";
        findings.fault("equivocation", at, what);
    } else if seen.contribution.is_none() {
        let what = "paid, and nothing arrived: it stopped or was cut off before sending; the cost stays spent";
        findings.note("spent", at, what);
    } else if !seen.in_sum {
        let what = "paid and sent, and not in the sum: the cost stays spent";
        findings.note("spent", at, what);
    }
}
