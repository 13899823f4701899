//! Made updates and made releases: what a node contributes is recognised in the sum.

use grid::Modulus;
use privacy::{Charge, Clipped, Release};
use protocol::{
    Entropy,
    job::{ContributeJob, Prepared},
};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use secagg::KeystreamMasks;

use crate::scenario::{DIMENSION, ONE_HOT};

/// What local training would have given.
pub(crate) fn made_update(node: usize, clip: grid::Q32) -> Clipped {
    let values: Vec<f32> = (0..DIMENSION).map(|i| ((node + i) % 7) as f32 * 0.01).collect();
    Clipped::new(&values, clip).expect("made updates are finite")
}

/// Values whose sum shows who is in it: the node's own coordinate is 1, the other nodes' are 0, and
/// the rest is noise that differs from draw to draw.
pub(crate) fn one_hot(node: usize, modulus: Modulus, rng: &mut ChaCha20Rng) -> Vec<u32> {
    let noise = |rng: &mut ChaCha20Rng| modulus.from_signed(rng.random_range(-1000..=1000));
    let own = |place: usize| u32::from(place == node);
    (0..DIMENSION).map(|i| if i < ONE_HOT { own(i) } else { noise(rng) }).collect()
}

/// Runs the job that ends in a contribution, with real masks, and says which values it holds.
pub(crate) fn contribute(
    node: usize,
    job: ContributeJob,
    entropy: [u8; 32],
) -> (Prepared, Vec<u32>) {
    let mut made = Vec::new();
    let prepared =
        job.run_with::<KeystreamMasks>(Entropy::new(entropy), |_, shape, charge, rng| {
            made = one_hot(node, shape.grid.modulus(), rng);
            Ok(assert_release(made.clone(), charge))
        });
    (prepared, made)
}

/// The one place outside of `privacy` that makes a release without noise.
#[expect(clippy::disallowed_methods, reason = "made values, which must be recognised in the sum")]
fn assert_release(values: Vec<u32>, charge: Charge) -> Release {
    Release::assertion(values, charge)
}
