//! The end of the privacy path: clipped → quantised → released → masked → contribution.
//!
//! This is the one place where a release meets its masks, and the one place where a
//! [`wire::Contribution`] is made (ARCHITECTURE.md, *The privacy path*).

use privacy::{Charge, Clipped, Grid, PrivacyError, Quantized, Release, Sampler};
use rand::Rng;
use secagg::{DealtSecrets, KeystreamMasks, MaskContext, Masker, Masks, SecaggError};
use thiserror::Error;
use wire::{ClosedHash, Contribution, MemberSet, Round, TaskId};

use super::Entropy;
use crate::time::Instant;

/// Makes one contribution, in memory: nothing is sent or charged yet.
pub struct ContributeJob {
    pub(crate) task: TaskId,
    pub(crate) closed: ClosedHash,
    pub(crate) update: Clipped,
    pub(crate) charge: Charge,
    pub(crate) shape: Shape,
    pub(crate) secrets: DealtSecrets,
    pub(crate) masks: MaskContext,
    pub(crate) members: MemberSet,
    pub(crate) sampler: Sampler,
}

/// What an update is made into.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Which round.
    pub round: Round,
    /// The shared grid.
    pub grid: Grid,
}

/// A contribution ready to be signed, charged and sent, with its drawn instant.
pub struct Prepared {
    pub(crate) round: Round,
    pub(crate) result: Result<(Contribution, Charge), ContributeError>,
    pub(crate) instant: Instant,
}

/// Why no contribution came out; nothing was charged.
#[derive(Debug, Error)]
pub enum ContributeError {
    /// On the way to the release.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
    /// In masking.
    #[error(transparent)]
    Masking(#[from] SecaggError),
}

impl ContributeJob {
    /// Does the work: stochastic rounding and masks from `entropy`, exact noise from a key that the
    /// sampler draws from the operating system.
    pub fn run(self, entropy: Entropy) -> Prepared {
        let sampler = self.sampler;
        self.run_with::<KeystreamMasks>(entropy, |update, shape, charge, rng| {
            Release::with_sampler(Quantized::new(update, &shape.grid, rng)?, charge, sampler)
        })
    }

    /// The same with other masks or another release: for simulations, whose releases must be
    /// recognised in the sum. [`Release`] has no door without noise that clippy does not guard.
    pub fn run_with<M: Masks>(
        self,
        entropy: Entropy,
        release: impl FnOnce(
            Clipped,
            &Shape,
            Charge,
            &mut secagg::Generator,
        ) -> Result<Release, PrivacyError>,
    ) -> Prepared {
        let mut rng = entropy.into_wiped_rng();
        let instant = Instant(rng.next_u32());
        let round = self.shape.round;
        let Self { task, closed, update, charge, shape, secrets, masks, members, sampler: _ } =
            self;
        let result = (|| {
            let (values, charge) = release(update, &shape, charge, &mut rng)?.into_parts();
            let masker = Masker::new(secrets, masks, members, shape.grid.modulus())?;
            let masked = M::mask(masker, values)?;
            let values =
                grid::pack(masked.values(), masked.modulus()).map_err(PrivacyError::from)?;
            Ok((Contribution { task, round, closed, values }, charge))
        })();
        Prepared { round, result, instant }
    }

    /// Which round.
    pub fn round(&self) -> Round {
        self.shape.round
    }
}
