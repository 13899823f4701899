//! Programs that leave out one `Persist`, and go on as if it had been durable.

use protocol::node::{Effect, Record};
use swarm::{Actor, Behaviour, Invariant};
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
