//! Every entry of a ledger, held against what it should have cost and against those before it.

use std::collections::{BTreeMap, BTreeSet};

use grid::Q40;
use privacy::{ChargeTerms, Entry, EntryKind, PenaltyReason};
use wire::{ContentHash, Round, TaskId};

use super::explain;
use crate::{ExactRho, Findings};

/// What the entries so far oblige the next one to.
#[derive(Default)]
pub(super) struct Judge {
    costs: BTreeMap<CostKey, Cost>,
    rounds: BTreeMap<TaskId, Round>,
    contributions: BTreeMap<ContentHash, u64>,
    largest: Q40,
    last_ms: u64,
    charges: usize,
    right: usize,
    penalties: BTreeSet<u64>,
}

/// What a cost follows from: rounds of one plan's kind share it.
type CostKey = (u128, u64, u64, u32, u32);

/// What terms cost by the two independent judges.
struct Cost {
    exact: Option<ExactRho>,
    opendp: Option<f64>,
}

impl Judge {
    pub fn entry(&mut self, entry: &Entry, findings: &mut Findings) {
        let at = format!("entry {}", entry.sequence);
        if entry.at_ms < self.last_ms {
            let what = "made earlier than the entry before it, by this device's clock";
            findings.warn("time", at.as_str(), what);
        }
        self.last_ms = self.last_ms.max(entry.at_ms);
        match &entry.kind {
            EntryKind::Charged { terms, contribution } => {
                self.charges += 1;
                self.right += usize::from(self.cost(entry.rho, terms, &at, findings));
                self.round(terms, &at, findings);
                self.contribution(entry.sequence, *contribution, &at, findings);
                self.largest = self.largest.max(entry.rho);
            }
            EntryKind::Penalty(reason) => {
                self.penalties.insert(entry.sequence);
                self.penalty(entry.rho, *reason, &at, findings);
            }
        }
    }

    /// Whether a charge is what its terms cost, by integer arithmetic and by opendp.
    fn cost(&mut self, rho: Q40, terms: &ChargeTerms, at: &str, findings: &mut Findings) -> bool {
        let round = terms.round;
        let Cost { exact, opendp } = self.costs.entry(key(terms)).or_insert_with(|| cost(terms));
        let (Some(exact), Some(opendp)) = (exact, opendp) else {
            let what = format!(
                "round {round} was charged under terms that protect nobody: σ = {} grid units, {} honest shares",
                terms.sigma, terms.honest
            );
            findings.fault("charge", at, what);
            return false;
        };
        let recorded = format!("round {round} was charged ρ = {rho:.12}");
        if exact.is_above(rho) {
            let what = format!("{recorded}, but its terms cost {:.12}", exact.to_f64());
            findings.fault("charge", at, what);
            return false;
        }
        if rho != Q40::MAXIMUM && *opendp > rho.to_f64_up() {
            findings.fault("charge", at, format!("{recorded}, but opendp's map says {opendp:.12}"));
            return false;
        }
        if exact.is_below(rho) {
            let what = format!("{recorded}, more than its terms cost: {:.12}", exact.to_f64());
            findings.warn("charge", at, what);
            return false;
        }
        true
    }

    /// Noise is never drawn twice for one round: rounds of a task only rise.
    fn round(&mut self, terms: &ChargeTerms, at: &str, findings: &mut Findings) {
        let before = self.rounds.insert(terms.task, terms.round);
        if let Some(before) = before.filter(|&before| terms.round <= before) {
            let what = format!("round {} was charged after round {before}", terms.round);
            findings.fault("rounds", at, what);
        }
    }

    fn contribution(
        &mut self,
        sequence: u64,
        contribution: ContentHash,
        at: &str,
        findings: &mut Findings,
    ) {
        if let Some(before) = self.contributions.insert(contribution, sequence) {
            let what = format!("names the contribution that entry {before} has paid for");
            findings.fault("contributions", at, what);
        }
    }

    /// A penalty is never smaller than what may have been lost: the largest charge so far, for each entry.
    fn penalty(&self, rho: Q40, reason: PenaltyReason, at: &str, findings: &mut Findings) {
        let lost = match reason {
            PenaltyReason::TornEntry { .. } => 1,
            PenaltyReason::RestoredBackup { from, to, .. } => (to - from).saturating_add(1),
        };
        let least = self.largest.saturating_mul(lost);
        let what = explain(reason);
        if rho < least {
            let what =
                format!("{what}; ρ = {rho:.6} were counted, and {least:.6} may have been spent");
            findings.fault("penalties", at, what);
        } else {
            findings.note("penalties", at, format!("{what}; ρ = {rho:.6} were counted"));
        }
    }

    pub fn summarise(&self, findings: &mut Findings) {
        let Self { charges, right, .. } = self;
        if charges == right {
            let what = format!(
                "charges: {charges}, computed again from their terms by integer arithmetic and by opendp's map: none is \
                 too small, none differs by more than rounding"
            );
            findings.ok("charge", "ledger", what);
        }
        let none = |check: &str| findings.of(check).next().is_none();
        if none("rounds") && none("contributions") {
            let what = match self.rounds.len() {
                1 => "rounds rise, and no contribution is named twice".to_owned(),
                tasks => {
                    format!(
                        "rounds rise in each of {tasks} tasks, and no contribution is named twice"
                    )
                }
            };
            findings.ok("rounds", "ledger", what);
        }
    }
}

fn key(terms: &ChargeTerms) -> CostKey {
    let (numerator, denominator) = (terms.sigma.numerator(), terms.sigma.denominator());
    (terms.squared_norm_bound, numerator, denominator, terms.honest, terms.padded)
}

fn cost(terms: &ChargeTerms) -> Cost {
    Cost { exact: ExactRho::of(terms, terms.honest), opendp: terms.rho_by_opendp().ok() }
}
