//! Unmasks the sum of the survivors from revealed shares, every secret checked against what its
//! owner announced. An unchecked sum cannot come out.

use grid::Modulus;
use secagg::{
    EphemeralPublic, KeystreamMasks, MaskContext, Masks, RecoveredMaskKey, RecoveredSeed,
    RunningSum, SecaggError, Share, Thresholds, Unmask, recover_mask_key, recover_seed,
};
use wire::{MemberIndex, MemberSet, Round};

/// Unmasks one round's sum.
pub struct UnmaskJob {
    pub(crate) round: Round,
    pub(crate) modulus: Modulus,
    pub(crate) length: usize,
    pub(crate) masks: MaskContext,
    pub(crate) roster: Vec<EphemeralPublic>,
    pub(crate) thresholds: Thresholds,
    /// R2.
    pub(crate) members: MemberSet,
    /// Packed contributions of U.
    pub(crate) contributions: Vec<(MemberIndex, Vec<u8>)>,
    /// Seed shares of U, by owner.
    pub(crate) seeds: Vec<(MemberIndex, Vec<Share>)>,
    /// Mask-key shares of R2 without U, by owner.
    pub(crate) mask_keys: Vec<(MemberIndex, Vec<Share>)>,
}

/// What came out.
pub struct Unmasked {
    pub(crate) round: Round,
    /// d′ values mod 2^b.
    pub(crate) result: Result<Vec<u32>, SecaggError>,
    pub(crate) faults: Vec<Fault>,
}

/// A member whose share did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Who revealed it.
    pub revealer: MemberIndex,
    /// Whose secret it belongs to.
    pub owner: MemberIndex,
}

impl UnmaskJob {
    /// Does the work, on all threads of the current rayon pool.
    pub fn run(self) -> Unmasked {
        self.run_with::<KeystreamMasks>()
    }

    /// The same with other masks, for simulations.
    pub fn run_with<M: Masks>(self) -> Unmasked {
        let round = self.round;
        let mut faults = Vec::new();
        let result = self.unmask::<M>(&mut faults);
        Unmasked { round, result, faults }
    }

    /// Which round.
    pub fn round(&self) -> Round {
        self.round
    }

    fn unmask<M: Masks>(self, faults: &mut Vec<Fault>) -> Result<Vec<u32>, SecaggError> {
        let sum = self.sum()?;
        let seeds = self.recover_seeds(faults)?;
        let mask_keys = self.recover_mask_keys(faults)?;
        let unmask = Unmask::new(sum, self.masks, self.roster, self.members, seeds, mask_keys)?;
        M::unmask(unmask)
    }

    fn sum(&self) -> Result<RunningSum, SecaggError> {
        let mut sum = RunningSum::new(self.length, self.modulus);
        for (member, packed) in &self.contributions {
            // Unwrap safety: collected contributions were unpacked once before (collecting.rs).
            let values = grid::unpack(packed, self.length, self.modulus)
                .expect("collected contributions have the plan's shape");
            sum.add(*member, &values)?;
        }
        Ok(sum)
    }

    fn recover_seeds(&self, faults: &mut Vec<Fault>) -> Result<Vec<RecoveredSeed>, SecaggError> {
        let mut seeds = Vec::with_capacity(self.seeds.len());
        for (owner, shares) in &self.seeds {
            let keys = &self.roster[owner.get()];
            let recovered = recover_seed(*owner, keys, self.thresholds, shares)?;
            faults.extend(blame(*owner, recovered.inconsistent));
            seeds.push(recovered.secret);
        }
        Ok(seeds)
    }

    fn recover_mask_keys(
        &self,
        faults: &mut Vec<Fault>,
    ) -> Result<Vec<RecoveredMaskKey>, SecaggError> {
        let mut keys = Vec::with_capacity(self.mask_keys.len());
        for (owner, shares) in &self.mask_keys {
            let public = &self.roster[owner.get()];
            let recovered = recover_mask_key(*owner, public, self.thresholds, shares)?;
            faults.extend(blame(*owner, recovered.inconsistent));
            keys.push(recovered.secret);
        }
        Ok(keys)
    }
}

fn blame(owner: MemberIndex, revealers: MemberSet) -> impl Iterator<Item = Fault> {
    revealers.iter().map(move |revealer| Fault { revealer, owner })
}
