//! The exact discrete Gaussian, from opendp.
//!
//! opendp samples it from uniform bits by rational arithmetic (CKS20, Algorithms 1 to 3), so that no
//! float takes part. It draws its own entropy (ChaCha20, reseeded from the operating system) and one
//! thread does not wait for another. A rejection sampler's time depends on what it draws: never sample
//! where a peer could time it.

use dashu::integer::{IBig, UBig};
use dashu::rational::RBig;
use grid::Ratio;
use opendp::traits::samplers::sample_discrete_gaussian;
use rayon::prelude::*;

use crate::PrivacyError;

/// Adds an independent discrete Gaussian of standard deviation `sigma` (grid units) to every value.
///
/// # Errors
/// [`PrivacyError::NoEntropy`]; [`PrivacyError::SigmaTooLarge`] beyond 2^40.
pub(crate) fn add_noise(values: &mut [i64], sigma: Ratio) -> Result<(), PrivacyError> {
    if sigma.at_least(SIGMA_LIMIT) {
        return Err(PrivacyError::SigmaTooLarge { sigma });
    }
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

/// 2^22 standard deviations, the norm limit of 2^48 included, stay within an `i64`.
const SIGMA_LIMIT: u64 = (1 << 40) + 1;

/// Values per rayon task: about 10 ms of sampling.
const CHUNK: usize = 4096;
