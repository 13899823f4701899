//! Keys for one round, made when a node is ready to advertise.

use rand::Rng;
use secagg::EphemeralSecrets;
use wire::Round;

use super::Entropy;
use crate::time::Instant;

/// Draws a round's keys and the instant at which to advertise.
#[derive(Debug)]
pub struct KeysJob {
    pub(crate) round: Round,
}

/// The keys, in memory only.
pub struct KeysOutput {
    pub(crate) round: Round,
    pub(crate) secrets: EphemeralSecrets,
    pub(crate) instant: Instant,
}

impl KeysJob {
    /// Does the work.
    pub fn run(self, entropy: Entropy) -> KeysOutput {
        let mut rng = entropy.into_wiped_rng();
        let secrets = EphemeralSecrets::generate(&mut rng);
        KeysOutput { round: self.round, secrets, instant: Instant(rng.next_u32()) }
    }
}
