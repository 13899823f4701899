//! Unmasking: taking off what is left in the sum of the survivors.
//!
//! The pairwise masks between two survivors have cancelled. Left are each survivor's self mask,
//! and its pairwise masks with the members of R2 that dropped out.

use rayon::prelude::*;
use wire::{MemberIndex, MemberSet};

use crate::mask::{self, MaskContext, Party};
use crate::stream::{self, BLOCK, Keystream, Sign, Stream};
use crate::{EphemeralPublic, RecoveredMaskKey, RecoveredSeed, RunningSum, SecaggError};

/// Survivors whose masks with one dropped member are agreed on by one thread.
const AT_ONCE: usize = 8;

/// The coordinator's job of unmasking one sum. Only secrets that were checked against what their
/// owners announced can go in, so an unchecked sum cannot come out.
pub struct Unmask {
    sum: RunningSum,
    context: MaskContext,
    roster: Vec<EphemeralPublic>,
    seeds: Vec<RecoveredSeed>,
    mask_keys: Vec<RecoveredMaskKey>,
}

impl Unmask {
    /// Puts the parts together: the seed of every member in the sum, the mask key of every other
    /// one of `members` (R2), everybody's public keys in roster order.
    ///
    /// # Errors
    /// [`SecaggError::UnmaskingMembers`] if a secret is missing, superfluous or there twice, or
    /// a member is outside the roster.
    pub fn new(
        sum: RunningSum,
        context: MaskContext,
        roster: Vec<EphemeralPublic>,
        members: MemberSet,
        seeds: Vec<RecoveredSeed>,
        mask_keys: Vec<RecoveredMaskKey>,
    ) -> Result<Self, SecaggError> {
        let survivors = sum.members();
        covers(survivors.minus(members), [])?;
        covers(members.minus(MemberSet::first(roster.len())), [])?;
        covers(survivors, seeds.iter().map(RecoveredSeed::owner))?;
        covers(members.minus(survivors), mask_keys.iter().map(RecoveredMaskKey::owner))?;
        Ok(Self { sum, context, roster, seeds, mask_keys })
    }

    /// Takes off all masks, on all threads of the current rayon pool. Besides the sum it needs
    /// 16 KiB a thread and 40 bytes a stream, whatever the number of coordinates and members.
    ///
    /// # Errors
    /// [`SecaggError::LowOrderKey`], which checked keys never give.
    pub fn run(self) -> Result<Vec<u32>, SecaggError> {
        let streams = self.streams()?;
        let modulus = self.sum.modulus();
        let mut values = self.sum.into_values();
        values.par_chunks_mut(BLOCK).enumerate().for_each_init(
            Keystream::default,
            |keystream, (block, values)| {
                stream::apply_block(&streams, modulus, block, values, keystream);
            },
        );
        Ok(values)
    }

    pub(crate) fn into_sum(self) -> Vec<u32> {
        self.sum.into_values()
    }

    fn streams(&self) -> Result<Vec<Stream>, SecaggError> {
        let self_masks = self.seeds.iter().map(|seed| {
            mask::self_stream(&self.context, seed.owner(), seed.seed(), Sign::Subtract)
        });
        let survivors: Vec<Party> = self.sum.members().iter().map(|one| self.party(one)).collect();
        let few = survivors.chunks(AT_ONCE);
        let pairs: Vec<(&RecoveredMaskKey, &[Party])> =
            self.mask_keys.iter().flat_map(|key| few.clone().map(move |few| (key, few))).collect();
        // What the dropped member would have added is what is missing to cancel the survivor's.
        let pair_masks = pairs.into_par_iter().map(|(key, survivors)| {
            let dropped = self.party(key.owner());
            mask::pair_streams(&self.context, key.mask_key(), &dropped, survivors)
        });
        let pair_masks = pair_masks.collect::<Result<Vec<_>, _>>()?;
        let mut streams: Vec<Stream> = pair_masks.into_iter().flatten().collect();
        streams.extend(self_masks);
        Ok(streams)
    }

    fn party(&self, member: MemberIndex) -> Party {
        Party { member, key: self.roster[member.get()].mask_key }
    }
}

/// Checks that `found` names every one of `expected` once and nobody else.
fn covers(
    expected: MemberSet,
    found: impl IntoIterator<Item = MemberIndex>,
) -> Result<(), SecaggError> {
    let mut missing = expected;
    for member in found {
        if !missing.contains(member) {
            return Err(SecaggError::UnmaskingMembers { member });
        }
        missing = missing.minus(MemberSet::from_iter([member]));
    }
    match missing.iter().next() {
        Some(member) => Err(SecaggError::UnmaskingMembers { member }),
        None => Ok(()),
    }
}
