//! Masks of zeros, for worlds without adversaries.

use crate::mask::check_reduced;
use crate::{Masked, Masker, Masks, SecaggError, Unmask};

/// Adds nothing and takes nothing off, behind the same interface and the same checks.
///
/// For simulations, where computing keystreams would only cost time. **A contribution under
/// these masks is readable by everybody.**
#[derive(Clone, Copy, Debug)]
pub struct DummyMasks;

impl Masks for DummyMasks {
    fn mask(masker: Masker, values: Vec<u32>) -> Result<Masked, SecaggError> {
        check_reduced(&values, masker.modulus)?;
        Ok(Masked::reduce(values, masker.modulus))
    }

    fn unmask(unmask: Unmask) -> Result<Vec<u32>, SecaggError> {
        Ok(unmask.into_sum())
    }
}
