//! Programs that leave out one `Persist`, and go on as if it had been durable.

use protocol::node::{Effect, Record};
use swarm::{Actor, Behaviour, Invariant, disk::CoordinatorDisk};
use wire::ToCoordinator;

/// Does not write charges.
struct ForgetsCharges;

impl Behaviour for ForgetsCharges {
    fn node_effects(&mut self, _: &Actor<'_>, effects: &mut Vec<Effect>) {
        effects.retain(|effect| !matches!(effect, Effect::Persist(Record::Ledger(_))));
    }
}

/// Does not write the list of survivors that it signs.
struct ForgetsSurvivors;

impl Behaviour for ForgetsSurvivors {
    fn node_effects(&mut self, _: &Actor<'_>, effects: &mut Vec<Effect>) {
        let agrees = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Send(ToCoordinator::Agreement(_))));
        if agrees {
            effects.retain(|effect| !matches!(effect, Effect::Persist(Record::Round(_))));
        }
    }
}

/// Does not write plans before it offers them.
struct ForgetsPlans;

impl Behaviour for ForgetsPlans {
    fn coordinator_effects(&mut self, effects: &mut Vec<protocol::coordinator::Effect>) {
        use protocol::coordinator::{Effect, Record};
        effects.retain(|effect| !matches!(effect, Effect::Persist(Record::Round(_))));
    }
}

/// Does not write contributions.
struct ForgetsContributions;

impl Behaviour for ForgetsContributions {
    fn coordinator_effects(&mut self, effects: &mut Vec<protocol::coordinator::Effect>) {
        use protocol::coordinator::{Effect, Record};
        effects.retain(|effect| !matches!(effect, Effect::Persist(Record::Contribution(_))));
    }
}

/// Finds one contribution less than it has written, whenever it starts again where a sum was fixed.
struct LosesContributions;

impl Behaviour for LosesContributions {
    fn coordinator_starting(&mut self, disk: &mut CoordinatorDisk) {
        let fixed = disk.round.as_ref().is_some_and(|round| !round.agreements.is_empty());
        if fixed && !disk.contributions.whole.is_empty() {
            disk.contributions.whole.pop();
        }
    }
}

#[test]
fn a_forgotten_charge_is_found() {
    super::find("forgets charges", Invariant::LedgerHolds, "without a durable charge", || {
        Box::new(ForgetsCharges)
    });
}

#[test]
fn forgotten_survivors_are_found() {
    super::find("forgets survivors", Invariant::DurableFirst, "sending Agreement", || {
        Box::new(ForgetsSurvivors)
    });
}

#[test]
fn a_forgotten_plan_is_found() {
    super::find("forgets plans", Invariant::DurableFirst, "sending Plan", || {
        Box::new(ForgetsPlans)
    });
}

#[test]
fn a_forgotten_contribution_is_found() {
    super::find("forgets contributions", Invariant::DurableFirst, "sending Agreements", || {
        Box::new(ForgetsContributions)
    });
}

#[test]
fn a_lost_contribution_is_found_by_the_restart() {
    super::find("loses contributions", Invariant::Restarts, "contributions are missing", || {
        Box::new(LosesContributions)
    });
}
