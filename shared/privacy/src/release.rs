//! Step 3: noise, paid for by a charge.

use zeroize::Zeroizing;

use crate::noise::{Sampler, add_noise, add_noise_of_key};
use crate::{Charge, PrivacyError, Quantized};

/// A noised update modulo 2^b, with the charge that pays for it.
///
/// It carries one node's share of the noise, too little to be shown by itself: the whole noise is in the
/// sum. It leaves the device only under masks.
pub struct Release {
    values: Zeroizing<Vec<u32>>,
    charge: Charge,
}

impl Release {
    /// Adds the exact discrete Gaussian that `charge` pays for and reduces modulo 2^b.
    ///
    /// Takes a tenth of a second for a million coordinates, on all cores of rayon's pool.
    ///
    /// # Errors
    /// [`PrivacyError::ChargeMismatch`] if the charge was computed for another norm bound or dimension
    /// than the update was checked against; [`PrivacyError::NoEntropy`]. The charge is gone in either
    /// case; withdraw it at the ledger.
    pub fn new(quantized: Quantized, charge: Charge) -> Result<Self, PrivacyError> {
        Self::with_sampler(quantized, charge, Sampler::default())
    }

    /// The same with a chosen sampler: the noise has the same distribution with each.
    ///
    /// # Errors
    /// As [`Release::new`].
    pub fn with_sampler(
        quantized: Quantized,
        charge: Charge,
        sampler: Sampler,
    ) -> Result<Self, PrivacyError> {
        Self::noised(quantized, charge, |values, sigma| add_noise(values, sigma, sampler))
    }

    /// The same with the noise of a key that the caller names: **whoever knows the key can take the noise away.**
    ///
    /// For the simulator alone, where a run must be made again from its record. Never call it where real data may be:
    /// clippy forbids it outside `simulations/` (`disallowed-methods` in the workspace's clippy.toml).
    ///
    /// # Errors
    /// As [`Release::new`].
    pub fn with_key(
        quantized: Quantized,
        charge: Charge,
        key: &[u8; 32],
    ) -> Result<Self, PrivacyError> {
        Self::noised(quantized, charge, |values, sigma| add_noise_of_key(values, sigma, key))
    }

    fn noised(
        quantized: Quantized,
        charge: Charge,
        add: impl FnOnce(&mut [i64], grid::Ratio) -> Result<(), PrivacyError>,
    ) -> Result<Self, PrivacyError> {
        let (terms, grid) = (charge.terms(), quantized.grid());
        let padded = u32::try_from(grid.padded()).expect("at most 2^30 coordinates");
        if terms.squared_norm_bound != grid.squared_norm_bound() || terms.padded != padded {
            return Err(PrivacyError::ChargeMismatch {
                paid: terms.squared_norm_bound,
                paid_dimension: terms.padded,
                checked: grid.squared_norm_bound(),
                checked_dimension: padded,
            });
        }
        let modulus = grid.modulus();
        let mut noised = quantized.into_values();
        add(&mut noised, charge.terms().sigma)?;
        let values = noised.iter().map(|&value| modulus.from_signed(value)).collect();
        Ok(Self { values: Zeroizing::new(values), charge })
    }

    /// A release of exactly these values, **without clip, without check and without noise**.
    ///
    /// For the simulator alone, whose invariants need values that it can recognise in a sum (one-hot
    /// vectors). It asserts what [`Release::new`] proves. Never call it where real data may be: clippy
    /// forbids it outside `simulations/` (`disallowed-methods` in the workspace's clippy.toml).
    pub fn assertion(values: Vec<u32>, charge: Charge) -> Self {
        Self { values: Zeroizing::new(values), charge }
    }

    /// The charge that this release will cost once it is recorded.
    pub fn charge(&self) -> &Charge {
        &self.charge
    }

    /// The values to mask, and the charge to record before they are sent.
    pub fn into_parts(mut self) -> (Vec<u32>, Charge) {
        (std::mem::take(&mut *self.values), self.charge)
    }
}

impl std::fmt::Debug for Release {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Release({} coordinates)", self.values.len())
    }
}
