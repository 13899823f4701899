//! The exact discrete Gaussian: `Pr[x] ∝ exp(-x²/(2σ²))` over all integers x, for a rational σ.
//!
//! Two samplers, both exact: what they differ in is speed. [`Sampler::Blocks`] is ours and the default
//! (`noise/blocks.rs` has the argument why it is exact); [`Sampler::Opendp`] is opendp's rational
//! arithmetic (CKS20, Algorithms 1 to 3). No float takes part in any decision of either.
//!
//! **Entropy.** Blocks: one ChaCha20 key a call from the operating system, one nonce for each chunk of
//! 4,096 values; key, cipher and buffer are wiped. The samples are as secret as that keystream. opendp:
//! its own thread generators (ChaCha20, reseeded from the operating system).
//!
//! **Time.** Neither runs in constant time: rejections, table look-ups and branches depend on what is
//! drawn. Somebody who measures the caches of this machine, or a single call, may learn something of the
//! noise. A peer should not be able to: noise is made in one job for a whole vector, in memory, and the
//! contribution leaves at an instant drawn from a whole window. Only where the job took longer than that
//! instant, and a new one is drawn from what is left of the window, does its duration show at all.

mod blocks;
mod exact;
mod keystream;

use dashu::integer::{IBig, UBig};
use dashu::rational::RBig;
use grid::Ratio;
use opendp::traits::samplers::sample_discrete_gaussian;
use rand::{TryRng, rngs::SysRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::PrivacyError;
use blocks::BlockSampler;
use keystream::Keystream;

/// Who draws the noise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampler {
    /// A table of blocks, rejection within a block: tens of millions of samples a second and core.
    #[default]
    Blocks,
    /// opendp's, some hundred thousand samples a second and core: the judge of the other one.
    Opendp,
}

/// `count` independent samples of the discrete Gaussian of standard deviation `sigma`: for self-tests
/// and measurements of what [`crate::Release::new`] adds.
///
/// # Errors
/// [`PrivacyError::OutOfRange`] for a `sigma` of 0, [`PrivacyError::SigmaTooLarge`] beyond 2^40,
/// [`PrivacyError::NoEntropy`].
pub fn discrete_gaussian(
    sigma: Ratio,
    count: usize,
    sampler: Sampler,
) -> Result<Vec<i64>, PrivacyError> {
    let mut values = vec![0; count];
    add_noise(&mut values, sigma, sampler)?;
    Ok(values)
}

/// Adds an independent discrete Gaussian of standard deviation `sigma` (grid units) to every value.
///
/// # Errors
/// As [`discrete_gaussian`].
pub(crate) fn add_noise(
    values: &mut [i64],
    sigma: Ratio,
    sampler: Sampler,
) -> Result<(), PrivacyError> {
    check(sigma)?;
    match sampler {
        Sampler::Blocks => {
            add_from_blocks(values, sigma, &*fresh_key()?);
            Ok(())
        }
        Sampler::Opendp => add_from_opendp(values, sigma),
    }
}

/// The same by [`Sampler::Blocks`] with a key of the caller's.
///
/// # Errors
/// As [`discrete_gaussian`], but for entropy.
pub(crate) fn add_noise_of_key(
    values: &mut [i64],
    sigma: Ratio,
    key: &[u8; 32],
) -> Result<(), PrivacyError> {
    check(sigma)?;
    add_from_blocks(values, sigma, key);
    Ok(())
}

fn check(sigma: Ratio) -> Result<(), PrivacyError> {
    if sigma.at_least(SIGMA_LIMIT) {
        return Err(PrivacyError::SigmaTooLarge { sigma });
    }
    if sigma.numerator() == 0 {
        return Err(PrivacyError::OutOfRange { quantity: "sigma", expected: "a positive ratio" });
    }
    Ok(())
}

/// The noise of a key: the same on every machine, whatever the number of threads.
fn add_from_blocks(values: &mut [i64], sigma: Ratio, key: &[u8; 32]) {
    let sampler = BlockSampler::new(sigma);
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(index, chunk)| {
        let mut words = Keystream::new(key, index as u64);
        for value in chunk {
            *value += sampler.sample(&mut words);
        }
    });
}

fn add_from_opendp(values: &mut [i64], sigma: Ratio) -> Result<(), PrivacyError> {
    let scale = RBig::from_parts(IBig::from(sigma.numerator()), UBig::from(sigma.denominator()));
    values.par_chunks_mut(CHUNK).try_for_each(|chunk| {
        for value in chunk {
            let noise =
                sample_discrete_gaussian(scale.clone()).map_err(|_| PrivacyError::NoEntropy)?;
            *value += i64::try_from(noise).expect("2^20 standard deviations from zero");
        }
        Ok(())
    })
}

fn fresh_key() -> Result<Zeroizing<[u8; 32]>, PrivacyError> {
    let mut key = Zeroizing::new([0; 32]);
    SysRng.try_fill_bytes(&mut *key).map_err(|_| PrivacyError::NoEntropy)?;
    Ok(key)
}

/// 2^22 standard deviations, the norm limit of 2^48 included, stay within an `i64`.
const SIGMA_LIMIT: u64 = (1 << 40) + 1;

/// Values per rayon task and nonce: 0.1 ms of sampling, 10 ms with opendp.
const CHUNK: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(sigma: (u64, u64), count: usize) -> Vec<i64> {
        let mut values = vec![0; count];
        let sigma = Ratio::new(sigma.0, sigma.1).unwrap();
        add_from_blocks(&mut values, sigma, &std::array::from_fn(|i| i as u8));
        values
    }

    /// What the key 00 01 .. 1f gives, from a second implementation (in Python, with decimals of 120
    /// digits). A change here is a change of the algorithm: its tests of distribution must be looked at.
    #[test]
    fn golden_values() {
        assert_eq!(noise((1, 2), 16), [0, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 1, 1, -1]);
        assert_eq!(noise((27, 8), 8), [-2, 4, -3, -3, 2, 1, 0, 4]);
        assert_eq!(noise((30, 1), 8), [-16, 39, -29, 7, -41, 14, -14, -38]);
        let million = [-581_318, 1_304_153, -1_017_631, 201_697, -1_323_145, 490_614];
        assert_eq!(noise((1_000_000, 1), 6), million);
        let largest = [-671_013_265_094, 1_426_570_798_681, -1_224_954_316_575, 155_964_216_289];
        assert_eq!(noise((1 << 40, 1), 4), largest);
    }

    #[test]
    fn chunks_have_their_own_noise_and_lengths_do_not_matter() {
        let long = noise((1000, 1), 3 * CHUNK + 5);
        assert_eq!(long[..CHUNK + 7], noise((1000, 1), CHUNK + 7));
        assert_ne!(long[..CHUNK], long[CHUNK..2 * CHUNK]);
    }

    #[test]
    fn equal_ratios_have_equal_noise() {
        assert_eq!(noise((27, 8), 1000), noise((54, 16), 1000));
        assert_eq!(noise((3000, 7), 1000), noise((9000, 21), 1000));
    }

    #[test]
    fn fresh_noise_differs_and_bad_sigmas_are_refused() {
        for sampler in [Sampler::Blocks, Sampler::Opendp] {
            let draw = |sigma| discrete_gaussian(sigma, 100, sampler);
            let sigma = Ratio::new(100, 1).unwrap();
            assert_ne!(draw(sigma).unwrap(), draw(sigma).unwrap());
            assert!(draw(Ratio::new(0, 1).unwrap()).is_err());
            assert!(draw(Ratio::new((1 << 40) + 1, 1).unwrap()).is_err());
            let tiny = Ratio::new(1, u64::MAX).unwrap();
            assert_eq!(draw(tiny).unwrap(), [0; 100]);
        }
    }
}
