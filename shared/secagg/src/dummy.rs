//! Masks of zeros and seals that everybody can open, for worlds without adversaries.

use crate::keys::Agreement;
use crate::mask::check_reduced;
use crate::{Masked, Masker, Masks, PublicKey, SecaggError, Secret32, Unmask};

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

/// Both public keys, hashed, behind the same interface.
///
/// For simulations, where one X25519 for each pair of members is most of a round's time. **Shares that
/// are sealed so can be opened by everybody.**
#[derive(Clone, Copy, Debug)]
pub struct DummyAgreement;

impl Agreement for DummyAgreement {
    fn agree(_: &Secret32, own: &PublicKey, other: &PublicKey) -> Result<Secret32, SecaggError> {
        let (own, other) = (own.as_bytes(), other.as_bytes());
        let both = [own.min(other).as_slice(), own.max(other)].concat();
        Ok(Secret32::new(&blake3::derive_key("murmuration dummy agreement v1", &both)))
    }
}
