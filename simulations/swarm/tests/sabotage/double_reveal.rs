//! A program that keeps a copy of what was dealt to it, and reveals both kinds of shares.

use std::collections::BTreeMap;

use protocol::node::{Effect, Job};
use swarm::{
    Actor, Behaviour, Invariant,
    scenario::{node_id, node_key},
};
use wire::{
    Checked, Inbox, Reveal, RevealedShare, Roster, ShareKind, Signed, ToCoordinator, ToNode,
};

use crate::stolen::{Reading, dealt};

/// What one node keeps that no program may keep: the entropy of its jobs, and so all its secrets.
#[derive(Default)]
struct Copy {
    keys: [u8; 32],
    deal: [u8; 32],
    roster: Option<Signed<Roster>>,
    inbox: Option<Inbox>,
}

/// Adds to each reveal the other kind of share of the first member that it has one of.
#[derive(Default)]
struct RevealsBoth {
    copies: BTreeMap<usize, Copy>,
}

impl Behaviour for RevealsBoth {
    fn job(&mut self, node: usize, job: &Job, entropy: &[u8; 32]) {
        let copy = self.copies.entry(node).or_default();
        match job {
            Job::Keys(_) => copy.keys = *entropy,
            Job::Deal(_) => copy.deal = *entropy,
            Job::Contribute(_) => {}
        }
    }

    fn to_node(&mut self, node: usize, message: ToNode) -> Vec<ToNode> {
        let copy = self.copies.entry(node).or_default();
        match &message {
            ToNode::Roster(roster) => copy.roster = Some(roster.clone()),
            ToNode::Inbox(inbox) => copy.inbox = Some(inbox.clone()),
            _ => {}
        }
        vec![message]
    }

    fn node_effects(&mut self, actor: &Actor<'_>, effects: &mut Vec<Effect>) {
        for effect in effects {
            if let Effect::Send(ToCoordinator::Reveal(reveal)) = effect
                && let Some(both) = self.copies[&actor.node].reveal_both(actor.node, reveal)
            {
                *effect = Effect::Send(ToCoordinator::Reveal(both));
            }
        }
    }
}

impl Copy {
    /// The same reveal with the other share of one member besides.
    fn reveal_both(&self, node: usize, signed: &Signed<Reveal>) -> Option<Signed<Reveal>> {
        let mut reveal = signed.check(node_id(node)).ok()?.into_value();
        let sealed = self.inbox.as_ref()?.shares.first()?;
        let secrets = dealt(self.keys, self.deal, Reading::of(self.roster.as_ref()?, node))?;
        let pair = secrets.open(sealed.member, &sealed.ciphertext).ok()?;
        let known = reveal.shares.iter().find(|share| share.member == sealed.member)?;
        let kind = match known.kind {
            ShareKind::Seed => ShareKind::MaskKey,
            ShareKind::MaskKey => ShareKind::Seed,
        };
        let share = *pair.reveal(kind).value().as_bytes();
        reveal.shares.push(RevealedShare { member: sealed.member, kind, share });
        Some(Checked::sign(reveal, &node_key(node)).signed().clone())
    }
}

#[test]
fn a_double_reveal_is_found() {
    super::find("reveals both kinds", Invariant::OneSum, "both kinds", || {
        Box::<RevealsBoth>::default()
    });
}
