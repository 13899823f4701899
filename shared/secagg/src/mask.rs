//! Masks: what makes a contribution unreadable, and cancels in the sum.
//!
//! Member i adds, for every other member j of R2, a keystream that both can compute, the lower
//! place with plus and the higher with minus, so that each pair cancels; and a self mask that
//! only its seed gives, so that a contribution that arrives after its sender was called dropped
//! (when its pairwise masks are known) still says nothing (Bonawitz et al. 2017, section 4.2).
//! The keys are bound to plan, R2 and model: members that were told different things do not
//! cancel, and a lying coordinator gets noise.

use std::fmt;

use grid::Modulus;
use wire::{ClosedHash, MemberIndex, MemberSet, ModelHash, PlanHash};

use crate::stream::{self, Sign, Stream};
use crate::{DealtSecrets, PublicKey, SecaggError, Secret32, agree, derive};

/// What masks are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskContext {
    /// Hash of the signed plan.
    pub plan: PlanHash,
    /// Hash of what closed phase 3: it fixes roster, R2 and the Merkle root of sealed shares.
    pub closed: ClosedHash,
    /// Hash of the base model.
    pub model: ModelHash,
}

/// How contributions are masked and sums unmasked: [`KeystreamMasks`], or
/// [`crate::DummyMasks`] in a made world. A type parameter of the rules, so that no
/// configuration can choose the dummy.
pub trait Masks: Send + Sync + 'static {
    /// Adds this member's masks to its reduced values.
    ///
    /// # Errors
    /// [`SecaggError::NotReduced`], [`SecaggError::LowOrderKey`].
    fn mask(masker: Masker, values: Vec<u32>) -> Result<Masked, SecaggError>;

    /// Takes off all masks that are left in the sum of the survivors; reduced values.
    ///
    /// # Errors
    /// [`SecaggError::LowOrderKey`].
    fn unmask(unmask: crate::Unmask) -> Result<Vec<u32>, SecaggError>;
}

/// The real masks.
#[derive(Clone, Copy, Debug)]
pub struct KeystreamMasks;

impl Masks for KeystreamMasks {
    fn mask(masker: Masker, values: Vec<u32>) -> Result<Masked, SecaggError> {
        masker.mask(values)
    }

    fn unmask(unmask: crate::Unmask) -> Result<Vec<u32>, SecaggError> {
        unmask.run()
    }
}

/// One member's masking of one round: a job that holds its secrets and wipes them when done.
pub struct Masker {
    secrets: DealtSecrets,
    context: MaskContext,
    members: MemberSet,
    pub(crate) modulus: Modulus,
}

impl Masker {
    /// Prepares to mask against `members` (R2, this member included). It consumes the secrets:
    /// two vectors under the same masks would give away their difference.
    ///
    /// # Errors
    /// [`SecaggError::PlanChanged`] if the context names another plan than the shares;
    /// [`SecaggError::MaskingMembers`] if R2 is smaller than the threshold, leaves out this
    /// member or reaches outside the roster.
    pub fn new(
        secrets: DealtSecrets,
        context: MaskContext,
        members: MemberSet,
        modulus: Modulus,
    ) -> Result<Self, SecaggError> {
        if context.plan != secrets.context.plan {
            return Err(SecaggError::PlanChanged);
        }
        let (own, need) = (secrets.own, secrets.thresholds.threshold());
        let on_roster = members.is_subset(MemberSet::first(secrets.roster.len()));
        if !on_roster || !members.contains(own) || members.len() < need {
            return Err(SecaggError::MaskingMembers { members: members.len(), need, own });
        }
        Ok(Self { secrets, context, members, modulus })
    }

    /// Adds the self mask and every pairwise mask to the reduced `values`.
    ///
    /// # Errors
    /// [`SecaggError::NotReduced`], [`SecaggError::LowOrderKey`].
    pub fn mask(self, mut values: Vec<u32>) -> Result<Masked, SecaggError> {
        check_reduced(&values, self.modulus)?;
        let streams = self.streams()?;
        stream::apply(&streams, self.modulus, &mut values);
        Ok(Masked::of(values, self.modulus))
    }

    fn streams(&self) -> Result<Vec<Stream>, SecaggError> {
        let Self { secrets, context, members, .. } = self;
        let mut streams = vec![self_stream(context, secrets.own, &secrets.seed, Sign::Add)];
        let party =
            |member: MemberIndex| Party { member, key: secrets.roster[member.get()].mask_key };
        let own = party(secrets.own);
        let others: Vec<Party> =
            members.iter().filter(|&member| member != own.member).map(party).collect();
        streams.extend(pair_streams(context, &secrets.mask_key, &own, &others)?);
        Ok(streams)
    }
}

/// A contribution's values under masks, reduced: safe to send, once it is signed.
pub struct Masked {
    values: Vec<u32>,
    modulus: Modulus,
}

impl Masked {
    /// Takes values that are reduced.
    pub(crate) fn of(values: Vec<u32>, modulus: Modulus) -> Self {
        Self { values, modulus }
    }

    /// The masked values, each below the modulus.
    pub fn values(&self) -> &[u32] {
        &self.values
    }

    /// The modulus.
    pub fn modulus(&self) -> Modulus {
        self.modulus
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masked({} values of {} bits)", self.values.len(), self.modulus.bits())
    }
}

/// A member's place and its public mask key.
pub(crate) struct Party {
    pub member: MemberIndex,
    pub key: PublicKey,
}

/// The masks that `own` adds for each of `others`: the sign is plus for the lower place. Both sides derive
/// the same key, which names both places and both public keys, lower first.
pub(crate) fn pair_streams(
    context: &MaskContext,
    own_secret: &Secret32,
    own: &Party,
    others: &[Party],
) -> Result<Vec<Stream>, SecaggError> {
    let keys: Vec<PublicKey> = others.iter().map(|other| other.key).collect();
    let agreed = agree::agree(own_secret, &keys)?;
    let stream = |(other, agreed): (&Party, &Secret32)| {
        let is_lower = own.member < other.member;
        let (lower, higher) = if is_lower { (own, other) } else { (other, own) };
        let places = [lower.member.0, higher.member.0];
        let keys: [&[u8]; 2] = [lower.key.as_bytes(), higher.key.as_bytes()];
        let about: [&[u8]; 3] = [&places, keys[0], keys[1]];
        let key = mask_key(agreed.as_bytes(), derive::PAIR_MASK, context, &about);
        Stream { key, sign: if is_lower { Sign::Add } else { Sign::Subtract } }
    };
    Ok(others.iter().zip(&agreed).map(stream).collect())
}

/// The self mask of a member, to be added by it and subtracted from the sum.
pub(crate) fn self_stream(
    context: &MaskContext,
    member: MemberIndex,
    seed: &Secret32,
    sign: Sign,
) -> Stream {
    Stream { key: mask_key(seed.as_bytes(), derive::SELF_MASK, context, &[&[member.0]]), sign }
}

/// Refuses values at or above the modulus.
pub(crate) fn check_reduced(values: &[u32], modulus: Modulus) -> Result<(), SecaggError> {
    let mask = modulus.mask();
    // One pass that does not branch; which one is wrong matters only where one is.
    if values.iter().fold(0, |all, value| all | value) <= mask {
        return Ok(());
    }
    match values.iter().position(|&value| value > mask) {
        Some(coordinate) => Err(SecaggError::NotReduced { coordinate, bits: modulus.bits() }),
        None => Ok(()),
    }
}

fn mask_key(secret: &[u8; 32], domain: &[u8], context: &MaskContext, about: &[&[u8]]) -> Secret32 {
    let bound: [&[u8]; 3] =
        [context.plan.as_bytes(), context.closed.as_bytes(), context.model.as_bytes()];
    derive::key(secret, domain, &[&bound, about].concat())
}
