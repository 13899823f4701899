//! X25519 of one secret key with many public ones: most of what a small round costs.
//!
//! The crate `x25519-dalek` does it one by one on any machine; [`wide`] does four at a time by AVX2 where there is any,
//! in less than a third of the time. Both give the same bytes (`both_ways_agree_on_the_same`).

#[cfg(target_arch = "x86_64")]
mod field;
#[cfg(target_arch = "x86_64")]
mod wide;

use subtle::ConstantTimeEq;
use x25519_dalek::StaticSecret;

use crate::{PublicKey, SecaggError, Secret32};

/// What the owner of `secret` shares with each owner of a public key (RFC 7748 section 6.1).
///
/// # Errors
/// [`SecaggError::LowOrderKey`] where one of the results is zero, as that section wants it checked.
pub fn agree(secret: &Secret32, publics: &[PublicKey]) -> Result<Vec<Secret32>, SecaggError> {
    #[cfg(target_arch = "x86_64")]
    if publics.len() > 1 && is_x86_feature_detected!("avx2") {
        return all(publics.chunks(wide::LANES).flat_map(|few| four(secret, few)));
    }
    all(publics.iter().map(|public| one(secret, public)))
}

fn all(agreed: impl Iterator<Item = Secret32>) -> Result<Vec<Secret32>, SecaggError> {
    let checked = agreed.map(|agreed| match agreed.as_bytes().ct_eq(&[0; 32]).into() {
        true => Err(SecaggError::LowOrderKey),
        false => Ok(agreed),
    });
    checked.collect()
}

fn one(secret: &Secret32, public: &PublicKey) -> Secret32 {
    let secret = StaticSecret::from(*secret.as_bytes());
    Secret32::new(secret.diffie_hellman(&(*public.as_bytes()).into()).as_bytes())
}

/// One to four; where there are fewer, the last one is done again and thrown away.
#[cfg(target_arch = "x86_64")]
fn four(secret: &Secret32, publics: &[PublicKey]) -> Vec<Secret32> {
    let lane = |lane: usize| publics[lane.min(publics.len() - 1)].as_bytes();
    let agreed = wide::agree(secret.as_bytes(), std::array::from_fn(lane));
    agreed[..publics.len()].iter().map(Secret32::new).collect()
}

#[cfg(test)]
mod tests;
