//! Whether what was spent is within what the owner allows, entry by entry.

use std::collections::BTreeMap;

use grid::Q40;
use privacy::{Budget, Entry};
use protocol::Policy;
use wire::TaskId;

use super::is_charge;
use crate::Findings;

/// Holds every entry against the budgets as they stood when it was made.
pub(super) fn check(entries: &[Entry], policy: Option<&Policy>, findings: &mut Findings) {
    let Some(policy) = policy else {
        let what = "not looked at: name the owner's policy";
        return findings.note("budget", "ledger", what);
    };
    let mut spent = Spent::default();
    for entry in entries {
        spent.add(entry, policy, findings);
    }
    if findings.of("budget").next().is_none() {
        let within = match policy.lifetime.rho() {
            Some(limit) => format!("ρ = {} of {limit} is spent", spent.lifetime),
            None => format!("ρ = {} is spent, and the policy sets no budget", spent.lifetime),
        };
        findings.ok("budget", "ledger", format!("every charge fitted its budgets: {within}"));
    }
}

#[derive(Default)]
struct Spent {
    lifetime: Q40,
    unplaced: Q40,
    tasks: BTreeMap<TaskId, Q40>,
}

impl Spent {
    fn add(&mut self, entry: &Entry, policy: &Policy, findings: &mut Findings) {
        let at = format!("entry {}", entry.sequence);
        let rho = entry.rho;
        if is_charge(entry) && rho > policy.rho_per_round_max {
            let limit = policy.rho_per_round_max;
            let what = format!("one round cost ρ = {rho}, and the policy allows {limit}");
            findings.fault("budget", at.as_str(), what);
        }
        over(&policy.lifetime, self.lifetime, entry, "lifetime", &at, findings);
        self.lifetime = self.lifetime.saturating_add(rho);
        match entry.place {
            Some(place) => {
                let task = self.tasks.entry(place.task).or_insert(Q40::ZERO);
                let before = task.saturating_add(self.unplaced);
                over(&policy.task, before, entry, "task", &at, findings);
                *task = task.saturating_add(rho);
            }
            None => self.unplaced = self.unplaced.saturating_add(rho),
        }
    }
}

/// A charge beyond a budget was never permitted; a penalty may go beyond it, and then nothing more may be charged.
fn over(budget: &Budget, spent: Q40, entry: &Entry, of: &str, at: &str, findings: &mut Findings) {
    if budget.allows(spent, entry.rho) {
        return;
    }
    let (rho, limit) = (entry.rho, budget.rho().unwrap_or(Q40::MAXIMUM));
    let what =
        format!("ρ = {rho} was counted when {spent} of the {of} budget of {limit} was spent");
    if is_charge(entry) {
        findings.fault("budget", at, what);
    } else {
        findings.warn("budget", at, format!("{what}: nothing more may be charged"));
    }
}
