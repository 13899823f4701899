//! Made updates and made releases: what a node contributes is recognised in the sum.

use grid::Modulus;
use privacy::{Charge, Clipped, Release};
use protocol::{
    Entropy,
    job::{ContributeJob, DealJob, DealtOutput, Prepared, Shape, UnmaskJob, Unmasked},
};
use rand::{Rng, RngExt};
use secagg::{DummyMasks, DummySeals, KeystreamMasks};

use crate::scenario::{DIMENSION, ONE_HOT};

/// Whether masks and seals are the real ones. Keys, shares, commitments and signatures always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    /// Keystreams and X25519, as shipped.
    Real,
    /// Masks of zeros, and seals that everybody could open.
    Dummy,
}

impl Masking {
    /// Deals shares to a roster.
    pub(crate) fn deal(self, job: DealJob, entropy: Entropy) -> DealtOutput {
        match self {
            Self::Real => job.run(entropy),
            Self::Dummy => job.run_with::<DummySeals>(entropy),
        }
    }

    /// Unmasks a sum.
    pub fn unmask(self, job: UnmaskJob) -> Unmasked {
        match self {
            Self::Real => job.run(),
            Self::Dummy => job.run_with::<DummyMasks>(),
        }
    }
}

/// What local training would have given.
pub(crate) fn made_update(node: usize, clip: grid::Q32) -> Clipped {
    let values: Vec<f32> = (0..DIMENSION).map(|i| ((node + i) % 7) as f32 * 0.01).collect();
    Clipped::new(&values, clip).expect("made updates are finite")
}

/// Values whose sum shows who is in it: the node's own coordinate is 1, the other nodes' are 0, and
/// the rest is noise that differs from draw to draw.
pub(crate) fn one_hot(node: usize, modulus: Modulus, rng: &mut impl Rng) -> Vec<u32> {
    let mut noise = || modulus.from_signed(rng.random_range(-1000..=1000));
    let own = |place: usize| u32::from(place == node % ONE_HOT);
    (0..DIMENSION).map(|i| if i < ONE_HOT { own(i) } else { noise() }).collect()
}

/// Runs the job that ends in a contribution, and says which values it holds.
pub(crate) fn contribute(
    node: usize,
    job: ContributeJob,
    masking: Masking,
    entropy: Entropy,
) -> (Prepared, Vec<u32>) {
    let mut made = Vec::new();
    let release = |_, shape: &Shape, charge, rng: &mut _| {
        made = one_hot(node, shape.grid.modulus(), rng);
        Ok(assert_release(made.clone(), charge))
    };
    let prepared = match masking {
        Masking::Real => job.run_with::<KeystreamMasks>(entropy, release),
        Masking::Dummy => job.run_with::<DummyMasks>(entropy, release),
    };
    (prepared, made)
}

/// The one place outside of `privacy` that makes a release without noise.
#[expect(clippy::disallowed_methods, reason = "made values, which must be recognised in the sum")]
fn assert_release(values: Vec<u32>, charge: Charge) -> Release {
    Release::assertion(values, charge)
}
