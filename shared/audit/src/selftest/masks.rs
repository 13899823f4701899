//! Masks: the stream that they are drawn from, and that they cancel in the sum and nowhere else.

use std::convert::Infallible;

use grid::{Modulus, Ratio};
use rand::{SeedableRng, TryCryptoRng, TryRng};
use rand_chacha::ChaCha20Rng;
use secagg::{
    DealtSecrets, EphemeralPublic, EphemeralSecrets, MaskContext, Masker, RunningSum, SealContext,
    SecaggError, Share, SharePair, Thresholds, Unmask, recover_mask_key, recover_seed, thresholds,
};
use wire::{ClosedHash, MemberIndex, MemberSet, ModelHash, PlanHash, RosterHash, ShareKind};

/// What masks a vector: the shipped way, or a broken one.
pub(super) type Mask = fn(Masker, Vec<u32>) -> Result<Vec<u32>, SecaggError>;

/// The shipped way.
pub(super) fn masked(masker: Masker, values: Vec<u32>) -> Result<Vec<u32>, SecaggError> {
    Ok(masker.mask(values)?.values().to_vec())
}

const SEAL: SealContext =
    SealContext { plan: PlanHash([0x11; 32]), roster: RosterHash([0x22; 32]) };
const MASK: MaskContext = MaskContext {
    plan: PlanHash([0x11; 32]),
    closed: ClosedHash([0x33; 32]),
    model: ModelHash([0x44; 32]),
};

/// Masks under fixed keys equal those that other libraries computed (ChaCha20, HKDF-SHA256 and X25519 of Python's
/// `cryptography`; `shared/secagg/golden/make.py`).
pub(super) fn known_answer(mask: Mask) -> Result<String, String> {
    let secrets = |member: u8| {
        let bytes = ["mask", "seal", "seed"].map(|name| made_up(&format!("{name} {member}")));
        EphemeralSecrets::generate(&mut Scripted(bytes.concat().into_iter()))
    };
    let roster: Vec<EphemeralPublic> = (0..4).map(|member| secrets(member).public()).collect();
    let numbers = numbers(4).map_err(|error| error.to_string())?;
    let drawn: Vec<u8> = (0..4).flat_map(|part| made_up(&format!("drawn {part}"))).collect();
    let (dealt, _) = secrets(2)
        .deal(SEAL, roster, MemberIndex(2), numbers, &mut Scripted(drawn.into_iter()))
        .map_err(|error| error.to_string())?;
    let modulus = Modulus::new(20).map_err(|error| error.to_string())?;
    let masker =
        Masker::new(dealt, MASK, MemberSet::first(4), modulus).map_err(|e| e.to_string())?;
    let values = mask(masker, (0..40).map(|k| 7 * k).collect()).map_err(|e| e.to_string())?;
    let bytes = values.iter().flat_map(|word| word.to_le_bytes());
    let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
    if hex != KNOWN_ANSWER {
        return Err("masks under fixed keys are not those that other libraries compute".to_owned());
    }
    Ok("masks under fixed keys equal those of other libraries: X25519, HKDF-SHA256, ChaCha20"
        .to_owned())
}

/// Seven members mask, one drops out; the sum of the others is unmasked exactly, and no vector was in the clear.
pub(super) fn cancel(mask: Mask) -> Result<String, String> {
    let (sum, expected, alike) = run_round(mask).map_err(|error| error.to_string())?;
    if alike > 0 {
        return Err(format!("{alike} of {LENGTH} coordinates left a member unmasked"));
    }
    if sum != expected {
        return Err("what is left after taking off all masks is not the sum".to_owned());
    }
    Ok(format!(
        "{MEMBERS} members masked {LENGTH} values, one dropped out: the sum of the others came out exactly"
    ))
}

const MEMBERS: usize = 7;
const DROPPED: usize = 4;
const LENGTH: usize = 300;

/// The unmasked sum, what it should be, and in how many coordinates a masked vector equalled the bare one.
fn run_round(mask: Mask) -> Result<(Vec<u32>, Vec<u32>, usize), SecaggError> {
    let modulus = Modulus::new(32).expect("32 bits are a modulus");
    let mut rng = ChaCha20Rng::from_rng(&mut rand::rng());
    let (mut cohort, public, numbers) = deal(&mut rng)?;
    let all = MemberSet::first(MEMBERS);
    let survivors = all.minus(MemberSet::from_iter([place(DROPPED)]));
    let revealed = reveal(&mut cohort, survivors)?;
    let (mut seeds, mut mask_keys) = (Vec::new(), Vec::new());
    for (owner, (shares, keys)) in revealed.iter().zip(&public).enumerate() {
        if owner == DROPPED {
            mask_keys.push(recover_mask_key(place(owner), keys, numbers, shares)?.secret);
        } else {
            seeds.push(recover_seed(place(owner), keys, numbers, shares)?.secret);
        }
    }
    let (mut sum, mut expected, mut alike) =
        (RunningSum::new(LENGTH, modulus), vec![0_u32; LENGTH], 0);
    for (own, member) in cohort.into_iter().enumerate().filter(|(own, _)| *own != DROPPED) {
        let values: Vec<u32> = (0..LENGTH as u32).map(|k| k * k + 1000 * own as u32).collect();
        let masked = mask(Masker::new(member.secrets, MASK, all, modulus)?, values.clone())?;
        alike += masked.iter().zip(&values).filter(|(a, b)| a == b).count();
        expected.iter_mut().zip(&values).for_each(|(sum, value)| *sum = sum.wrapping_add(*value));
        sum.add(place(own), &masked)?;
    }
    let unmasked = Unmask::new(sum, MASK, public, all, seeds, mask_keys)?.run()?;
    // One in 2^32 is alike by chance.
    Ok((unmasked, expected, alike.saturating_sub(2)))
}

struct Member {
    secrets: DealtSecrets,
    own: Option<SharePair>,
    /// By target.
    sealed: Vec<(MemberIndex, Vec<u8>)>,
}

type Cohort = (Vec<Member>, Vec<EphemeralPublic>, Thresholds);

fn deal(rng: &mut ChaCha20Rng) -> Result<Cohort, SecaggError> {
    let drawn: Vec<EphemeralSecrets> =
        (0..MEMBERS).map(|_| EphemeralSecrets::generate(rng)).collect();
    let public: Vec<EphemeralPublic> = drawn.iter().map(EphemeralSecrets::public).collect();
    let numbers = numbers(MEMBERS)?;
    let mut cohort = Vec::new();
    for (own, secrets) in drawn.into_iter().enumerate() {
        let (secrets, dealt) = secrets.deal(SEAL, public.clone(), place(own), numbers, rng)?;
        let sealed = dealt.sealed.into_iter().map(|(to, bytes)| (to, bytes.to_vec())).collect();
        cohort.push(Member { secrets, own: Some(dealt.own), sealed });
    }
    Ok((cohort, public, numbers))
}

/// What the survivors reveal, by owner: a seed of a survivor, a mask key of who dropped out.
fn reveal(cohort: &mut [Member], survivors: MemberSet) -> Result<Vec<Vec<Share>>, SecaggError> {
    let mut revealed: Vec<Vec<Share>> = (0..MEMBERS).map(|_| Vec::new()).collect();
    for (owner, revealed) in revealed.iter_mut().enumerate() {
        let kind = if owner == DROPPED { ShareKind::MaskKey } else { ShareKind::Seed };
        for holder in survivors.iter() {
            let pair = if holder.get() == owner {
                cohort[owner].own.take()
            } else {
                let sealed = cohort[owner].sealed.iter().find(|(target, _)| *target == holder);
                let sealed = sealed.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
                Some(cohort[holder.get()].secrets.open(place(owner), &sealed)?)
            };
            revealed.extend(pair.map(|pair| pair.reveal(kind)));
        }
    }
    Ok(revealed)
}

fn numbers(members: usize) -> Result<Thresholds, SecaggError> {
    let none = Ratio::new(0, 1).expect("one is not zero");
    thresholds(members, none, none)
}

fn place(place: usize) -> MemberIndex {
    MemberIndex(place as u8)
}

fn made_up(name: &str) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(name).into()
}

/// A generator that gives out prepared bytes, so that fixed keys can be drawn.
struct Scripted(std::vec::IntoIter<u8>);

impl Scripted {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.0.next().unwrap_or(0))
    }
}

impl TryRng for Scripted {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.iter_mut().for_each(|byte| [*byte] = self.take());
        Ok(())
    }
}

impl TryCryptoRng for Scripted {}

/// `masked.2.0123` of `shared/secagg/golden/vectors.txt`.
const KNOWN_ANSWER: &str = "\
    6cda0e00c5260600dbea030039100200a7b40700ccdf0000a48b09000b9503005b58050022710c00\
    81970500fe910000b7ba0c00c1730f00018c0100d17d090081c7050002570800e7450300b2640d00\
    e54a00004cd1010087f30100b3830b0007070900f6150500d2020900ee3d040023cb0a000b260e00\
    d2ee0100e3870e008e8e0800acbb0100a281050048b90e00ffe30c006dba00007f4c0e000de70300";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answer_is_the_golden_vector() {
        let vectors = include_str!("../../../secagg/golden/vectors.txt").lines();
        let mut vectors = vectors.filter_map(|line| line.strip_prefix("masked.2.0123 "));
        assert_eq!(vectors.next(), Some(KNOWN_ANSWER));
    }

    #[test]
    fn a_weaker_stream_or_none_fails() {
        assert!(known_answer(masked).is_ok());
        let bare: Mask = |_, values| Ok(values);
        assert!(known_answer(bare).is_err());
        assert!(cancel(bare).unwrap_err().contains("unmasked"));
    }

    #[test]
    fn masks_that_do_not_cancel_fail() {
        assert!(cancel(masked).is_ok());
        let off: Mask = |masker, values| {
            let mut masked = masked(masker, values)?;
            masked[7] = masked[7].wrapping_add(1);
            Ok(masked)
        };
        assert!(cancel(off).unwrap_err().contains("not the sum"));
    }
}
