//! A node's secrets from the entropy that its jobs were run with: what a program can have that breaks
//! the rule of never keeping them.

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use secagg::{
    DealtSecrets, EphemeralPublic, EphemeralSecrets, SealContext, Thresholds, thresholds,
};
use swarm::scenario::node_id;
use wire::{Advertise, MemberIndex, Roster, Signed};

/// A roster as one of its members reads it.
pub struct Reading {
    pub context: SealContext,
    pub members: Vec<EphemeralPublic>,
    pub own: MemberIndex,
    pub thresholds: Thresholds,
}

impl Reading {
    /// Reads an honest roster.
    pub fn of(signed: &Signed<Roster>, node: usize) -> Self {
        let roster = signed.check(signed.claimed_signer()).expect("an honest roster");
        let is_own = |member: &Signed<Advertise>| member.claimed_signer() == node_id(node);
        let own = roster.members.iter().position(is_own).expect("on the roster") as u8;
        let tenth = grid::Ratio::new(1, 10).expect("a ratio");
        Self {
            context: SealContext { plan: roster.plan, roster: signed.hash() },
            members: roster.members.iter().map(keys).collect(),
            own: MemberIndex(own),
            thresholds: thresholds(roster.members.len(), tenth, tenth).expect("a threshold"),
        }
    }
}

fn keys(member: &Signed<Advertise>) -> EphemeralPublic {
    let advertise = member.check(member.claimed_signer()).expect("an honest member");
    let (mask_key, seal_key) = (advertise.mask_key, advertise.seal_key);
    EphemeralPublic::new(mask_key, seal_key, advertise.seed_commitment).expect("honest keys")
}

/// The very secrets that the machine has dealt; none where the entropy is that of another round by now.
#[allow(dead_code, reason = "each test program that includes this file uses a part of it")]
pub fn dealt(keys: [u8; 32], deal: [u8; 32], reading: Reading) -> Option<DealtSecrets> {
    let secrets = EphemeralSecrets::generate(&mut ChaCha20Rng::from_seed(keys));
    let Reading { context, members, own, thresholds } = reading;
    let mut rng = ChaCha20Rng::from_seed(deal);
    let (secrets, _) = secrets.deal(context, members, own, thresholds, &mut rng).ok()?;
    Some(secrets)
}
