//! A program that draws its noise anew after a restart, in the same round and under the same masks: the
//! difference of its two contributions would be the difference of two noises, and two charges' worth of
//! privacy would be paid for with one.

use std::collections::BTreeMap;

use grid::Modulus;
use protocol::node::Effect;
use swarm::{
    Actor, Behaviour, Invariant,
    scenario::{DIMENSION, MODULUS_BITS, ONE_HOT, node_key},
};
use wire::{Checked, ContentHash, Signed, ToCoordinator};

/// Contributes x + noise′ + masks where x + noise + masks has left before a restart.
#[derive(Default)]
struct RedrawsNoise {
    lives: BTreeMap<usize, u64>,
    /// What has left a node, and in which of its lives.
    left: BTreeMap<ContentHash, u64>,
}

impl Behaviour for RedrawsNoise {
    fn node_effects(&mut self, actor: &Actor<'_>, effects: &mut Vec<Effect>) {
        self.lives.insert(actor.node, actor.restarts);
        for effect in effects {
            if let Effect::Send(ToCoordinator::Contribution(contribution)) = effect
                && self.left.get(&contribution.hash()).is_some_and(|life| *life < actor.restarts)
            {
                *contribution = redraw(actor, contribution);
            }
        }
    }

    fn to_coordinator(&mut self, node: usize, message: ToCoordinator) -> Vec<ToCoordinator> {
        if let ToCoordinator::Contribution(contribution) = &message {
            self.left.entry(contribution.hash()).or_insert(self.lives[&node]);
        }
        vec![message]
    }
}

fn redraw(actor: &Actor<'_>, signed: &Signed<wire::Contribution>) -> Signed<wire::Contribution> {
    let mut contribution =
        signed.check(signed.claimed_signer()).expect("the machine's own message").into_value();
    let modulus = Modulus::new(u32::from(MODULUS_BITS)).expect("a modulus");
    let mut values = grid::unpack(&contribution.values, DIMENSION, modulus).expect("packed");
    let difference = (actor.restarts % 1000) as u32 + 1;
    for value in &mut values[ONE_HOT..] {
        *value = value.wrapping_add(difference) & modulus.mask();
    }
    contribution.values = grid::pack(&values, modulus).expect("reduced");
    Checked::sign(contribution, &node_key(actor.node)).signed().clone()
}

#[test]
fn noise_redrawn_after_a_restart_is_found() {
    super::find("redraws noise", Invariant::NoiseOnce, "other bytes", || {
        Box::<RedrawsNoise>::default()
    });
}
