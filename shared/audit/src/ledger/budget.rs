//! Whether what was spent is within what the owner allows, entry by entry.

use std::collections::BTreeMap;

use grid::Q40;
use privacy::words::at_most;
use privacy::{Budget, Entry};
use protocol::Policy;
use wire::TaskId;

use super::is_charge;
use crate::{Findings, Level};

/// Holds every entry against the budgets as they stood when it was made.
pub(super) fn check(entries: &[Entry], policy: Option<&Policy>, findings: &mut Findings) {
    let Some(policy) = policy else {
        let what = "not looked at: name the owner's policy";
        return findings.note("budget", "ledger", what);
    };
    let mut spent = Spent::default();
    for entry in entries {
        spent.add(entry, policy);
    }
    if spent.exceeded.is_empty() {
        let so_far = at_most(spent.lifetime.to_f64_up());
        let within = match policy.lifetime.rho() {
            Some(limit) => format!("ρ = {so_far} of {limit:.6} is spent"),
            None => format!("ρ = {so_far} is spent, and the policy sets no budget"),
        };
        findings.ok("budget", "ledger", format!("every charge fitted its budgets: {within}"));
    }
    for ((_, level), Exceeded { entry, what, more }) in spent.exceeded {
        let at = format!("entry {entry}");
        let what =
            if more > 0 { format!("{what}; so it is with {more} later entries") } else { what };
        match level {
            Level::Fault => findings.fault("budget", at, what),
            _ => findings.warn("budget", at, what),
        }
    }
}

/// The first entry that goes beyond a limit, and how many more do.
struct Exceeded {
    entry: u64,
    what: String,
    more: usize,
}

#[derive(Default)]
struct Spent {
    lifetime: Q40,
    unplaced: Q40,
    tasks: BTreeMap<TaskId, Q40>,
    participations: BTreeMap<TaskId, u32>,
    exceeded: BTreeMap<(&'static str, Level), Exceeded>,
}

impl Spent {
    fn add(&mut self, entry: &Entry, policy: &Policy) {
        let rho = entry.rho;
        self.participate(entry, policy);
        if is_charge(entry) && rho > policy.rho_per_round_max {
            let limit = policy.rho_per_round_max;
            let what = format!("one round cost ρ = {rho:.6}, and the policy allows {limit:.6}");
            self.exceed("round", Level::Fault, entry, what);
        }
        self.hold("lifetime", &policy.lifetime, self.lifetime, entry);
        self.lifetime = self.lifetime.saturating_add(rho);
        match entry.place {
            Some(place) => {
                let before = self.tasks.get(&place.task).copied().unwrap_or(Q40::ZERO);
                self.hold("task", &policy.task, before.saturating_add(self.unplaced), entry);
                self.tasks.insert(place.task, before.saturating_add(rho));
            }
            None => self.unplaced = self.unplaced.saturating_add(rho),
        }
    }

    /// Every entry of a task stands for a participation at least.
    fn participate(&mut self, entry: &Entry, policy: &Policy) {
        let Some(place) = entry.place else { return };
        let rounds = self.participations.entry(place.task).or_default();
        *rounds += 1;
        let (rounds, limit) = (*rounds, policy.participations_max.unwrap_or(u32::MAX));
        if is_charge(entry) && rounds > limit {
            let what =
                format!("participation {rounds} in this task, and the policy allows {limit}");
            self.exceed("participations", Level::Fault, entry, what);
        }
    }

    /// A charge beyond a budget was never permitted; a penalty may go beyond it, and then nothing more may be charged.
    fn hold(&mut self, of: &'static str, budget: &Budget, spent: Q40, entry: &Entry) {
        if budget.allows(spent, entry.rho) {
            return;
        }
        let (rho, limit) = (entry.rho, budget.rho().unwrap_or(Q40::MAXIMUM));
        let what = format!(
            "ρ = {rho:.6} was counted when {spent:.6} of the {of} budget of {limit:.6} was spent"
        );
        if is_charge(entry) {
            self.exceed(of, Level::Fault, entry, what);
        } else {
            let what = format!("{what}: nothing more may be charged");
            self.exceed(of, Level::Warning, entry, what);
        }
    }

    fn exceed(&mut self, of: &'static str, level: Level, entry: &Entry, what: String) {
        let first = Exceeded { entry: entry.sequence, what, more: 0 };
        self.exceeded.entry((of, level)).and_modify(|known| known.more += 1).or_insert(first);
    }
}
