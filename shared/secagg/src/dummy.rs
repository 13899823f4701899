//! Masks of zeros and seals that everybody can open, for worlds without adversaries.

use crate::mask::check_reduced;
use crate::seal::{self, PAIR_BYTES, Route, SEALED_BYTES, Seals};
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
        Ok(Masked::of(values, masker.modulus))
    }

    fn unmask(unmask: Unmask) -> Result<Vec<u32>, SecaggError> {
        Ok(unmask.into_sum())
    }
}

/// Shares in plain sight with a checksum, behind the same interface: what is damaged, or opened on
/// another way than it was sealed for, is noticed as behind real seals.
///
/// For simulations, where agreeing and sealing for each pair of members is most of a round's time.
/// **Shares that are sealed so can be read by everybody.**
#[derive(Clone, Copy, Debug)]
pub struct DummySeals;

impl Seals for DummySeals {
    fn agree(_: &Secret32, others: &[PublicKey]) -> Result<Vec<Secret32>, SecaggError> {
        Ok(others.iter().map(|_| Secret32::zero()).collect())
    }

    fn seal(
        route: &Route<'_>,
        _: &Secret32,
        mask_key: &Secret32,
        seed: &Secret32,
    ) -> [u8; SEALED_BYTES] {
        let mut sealed = [0; SEALED_BYTES];
        sealed[..32].copy_from_slice(mask_key.as_bytes());
        sealed[32..PAIR_BYTES].copy_from_slice(seed.as_bytes());
        let sum = checksum(route, &sealed);
        sealed[PAIR_BYTES..].copy_from_slice(&sum);
        sealed
    }

    fn open(
        route: &Route<'_>,
        _: &Secret32,
        sealed: &[u8; SEALED_BYTES],
    ) -> Option<(Secret32, Secret32)> {
        let (pair, sum) = sealed.split_first_chunk()?;
        (*sum == checksum(route, sealed)).then(|| seal::parts(pair))
    }
}

/// Of the way and of the pair that begins `sealed`; every single bit counts.
fn checksum(route: &Route<'_>, sealed: &[u8; SEALED_BYTES]) -> [u8; SEALED_BYTES - PAIR_BYTES] {
    let way = route.associated_data();
    let (words, rest) = way.as_chunks::<8>();
    let (pair, _) = sealed[..PAIR_BYTES].as_chunks::<8>();
    let mut sum = rest.iter().fold(1_u64, |sum, byte| sum << 8 | u64::from(*byte));
    for word in words.iter().chain(pair) {
        // Adding a word and multiplying by an odd number are one to one.
        sum = sum.wrapping_add(u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        sum ^= sum >> 32;
    }
    (u128::from(sum) << 64 | u128::from(sum.rotate_left(17))).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use wire::{MemberIndex, PlanHash, RosterHash};

    use super::*;
    use crate::SealContext;

    #[test]
    fn a_dummy_seal_opens_as_it_was_made_and_in_no_other_way() {
        let key = PublicKey::new([9; 32]).unwrap();
        let agreed = Secret32::zero();
        let context = SealContext { plan: PlanHash([1; 32]), roster: RosterHash([2; 32]) };
        let route = |context, source, target| Route {
            context,
            source: (MemberIndex(source), &key),
            target: (MemberIndex(target), &key),
        };
        let (mask_key, seed) = (Secret32::new(&[3; 32]), Secret32::new(&[4; 32]));
        let way = route(&context, 5, 6);
        let sealed = DummySeals::seal(&way, &agreed, &mask_key, &seed);
        let opened = DummySeals::open(&way, &agreed, &sealed).unwrap();
        assert!(opened.0.matches(&mask_key) && opened.1.matches(&seed));
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(DummySeals::open(&way, &agreed, &damaged).is_none(), "bit {bit}");
        }
        let other = SealContext { plan: PlanHash([7; 32]), ..context };
        for way in [route(&context, 6, 5), route(&context, 5, 7), route(&other, 5, 6)] {
            assert!(DummySeals::open(&way, &agreed, &sealed).is_none());
        }
    }
}
