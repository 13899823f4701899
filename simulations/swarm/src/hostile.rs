//! Hostile programs that a fault mix can have: nodes, or the coordinator, that lie now and then.
//!
//! They change what the shipped machine behind them says, with the keys that they have; so they do what
//! an attacker can do who has the whole program. The lies are those of the list of pitfalls that live in
//! the protocol (ARCHITECTURE.md, Attacks); each is also played out alone in `tests/hostile`.

mod coordinator;
mod nodes;

use ed25519_dalek::SigningKey;
use rand::RngExt;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use wire::{Checked, Signable, Signed};

pub use coordinator::{CoordinatorLie, LyingCoordinator};
pub use nodes::{LyingNodes, NodeLie};

use crate::{
    behaviour::{Behaviour, Shipped},
    faults::FaultMix,
};

/// The fewest nodes with a liar among them: with fewer a single one that stays away ends every round.
pub const HOSTILE_FROM: usize = 6;
/// How often an opportunity to lie is taken.
const OFTEN: f64 = 0.4;

/// Who is hostile in a world of this seed.
pub(crate) fn draw(mix: &FaultMix, seed: u64, nodes: usize) -> Box<dyn Behaviour> {
    // Not the world's own stream, so that a world is the same with and without them.
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(1);
    let strikes = |chance: f64, rng: &mut ChaCha20Rng| chance > 0.0 && rng.random_bool(chance);
    if nodes < HOSTILE_FROM {
        Box::new(Shipped)
    } else if strikes(mix.lying_coordinator, &mut rng) {
        let lie = CoordinatorLie::ALL[rng.random_range(0..CoordinatorLie::ALL.len())];
        Box::new(LyingCoordinator::new(lie, nodes, rng))
    } else if strikes(mix.lying_nodes, &mut rng) {
        // As many as γ = 1/10 allows, and one where that is none.
        Box::new(LyingNodes::new((nodes / 10).max(1), nodes, rng))
    } else {
        Box::new(Shipped)
    }
}

/// Whether an opportunity is taken.
fn is_taken(rng: &mut ChaCha20Rng) -> bool {
    rng.random_bool(OFTEN)
}

/// The same message, changed, and signed by the key that must sign it; the message itself where it is
/// none.
fn resigned<T: Signable>(
    signed: &Signed<T>,
    key: &SigningKey,
    how: impl FnOnce(&mut T),
) -> Signed<T> {
    let Ok(message) = signed.check(signed.claimed_signer()) else { return signed.clone() };
    let mut value = message.into_value();
    how(&mut value);
    Checked::sign(value, key).signed().clone()
}
