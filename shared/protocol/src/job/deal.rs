//! Splits a node's secrets among the roster and seals the shares.

use secagg::{
    DealtSecrets, EphemeralPublic, EphemeralSecrets, SealContext, Seals, SecaggError, SharePair,
    Thresholds, X25519Seals,
};
use wire::{MemberIndex, Round, SealedShare};

use super::Entropy;

/// Deals shares to a roster.
pub struct DealJob {
    pub(crate) round: Round,
    pub(crate) secrets: EphemeralSecrets,
    pub(crate) context: SealContext,
    pub(crate) roster: Vec<EphemeralPublic>,
    pub(crate) own: MemberIndex,
    pub(crate) thresholds: Thresholds,
}

/// What was dealt, in memory only but for the sealed shares.
pub struct DealtOutput {
    pub(crate) round: Round,
    pub(crate) result: Result<(DealtSecrets, SharePair, Vec<SealedShare>), SecaggError>,
}

impl DealJob {
    /// Does the work.
    pub fn run(self, entropy: Entropy) -> DealtOutput {
        self.run_with::<X25519Seals>(entropy)
    }

    /// The same with other seals, for simulations.
    pub fn run_with<S: Seals>(self, entropy: Entropy) -> DealtOutput {
        let mut rng = entropy.into_wiped_rng();
        let Self { secrets, context, roster, own, thresholds, .. } = self;
        let dealt = secrets.deal_with::<S, _>(context, roster, own, thresholds, &mut rng);
        let result = dealt.map(|(secrets, dealt)| {
            let sealed = dealt
                .sealed
                .into_iter()
                .map(|(member, bytes)| SealedShare { member, ciphertext: bytes.to_vec() })
                .collect();
            (secrets, dealt.own, sealed)
        });
        DealtOutput { round: self.round, result }
    }
}
