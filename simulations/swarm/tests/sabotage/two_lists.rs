//! A program that signs two lists of survivors in one round.

use protocol::node::Effect;
use swarm::{Actor, Behaviour, Invariant, scenario::node_key};
use wire::{Checked, SurvivorsHash, ToCoordinator};

/// Agrees to another list besides the one that it was asked about.
struct SignsTwoLists;

impl Behaviour for SignsTwoLists {
    fn node_effects(&mut self, actor: &Actor<'_>, effects: &mut Vec<Effect>) {
        let second = effects.iter().find_map(|effect| match effect {
            Effect::Send(ToCoordinator::Agreement(agreement)) => {
                let honest = agreement.check(agreement.claimed_signer()).ok()?;
                let mut other = honest.into_value();
                other.survivors = SurvivorsHash([7; 32]);
                Some(Checked::sign(other, &node_key(actor.node)).signed().clone())
            }
            _ => None,
        });
        effects.extend(second.map(|second| Effect::Send(ToCoordinator::Agreement(second))));
    }
}

#[test]
fn a_second_list_of_survivors_is_found() {
    super::find("signs two lists", Invariant::OneSum, "two lists", || Box::new(SignsTwoLists));
}
