//! Unmasks the sum of the survivors from revealed shares, every secret checked against what its
//! owner announced. An unchecked sum cannot come out.

use secagg::{
    EphemeralPublic, KeystreamMasks, MaskContext, Masks, Recovered, RecoveredMaskKey,
    RecoveredSeed, RunningSum, SecaggError, Share, Thresholds, Unmask, recover_mask_key,
    recover_seed,
};
use wire::{MemberIndex, MemberSet, Round};

/// Unmasks one round's sum.
pub struct UnmaskJob {
    pub(crate) round: Round,
    pub(crate) masks: MaskContext,
    pub(crate) roster: Vec<EphemeralPublic>,
    pub(crate) thresholds: Thresholds,
    /// R2.
    pub(crate) members: MemberSet,
    /// Of the contributions of U, still masked.
    pub(crate) sum: RunningSum,
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
    /// Whose secrets their shares did not give.
    pub(crate) lost: MemberSet,
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
        let mut findings = Findings::default();
        let result = self.unmask::<M>(&mut findings);
        let Findings { faults, lost } = findings;
        Unmasked { round, result, faults, lost }
    }

    /// Which round.
    pub fn round(&self) -> Round {
        self.round
    }

    fn unmask<M: Masks>(self, findings: &mut Findings) -> Result<Vec<u32>, SecaggError> {
        // Both, so that everybody who has spoilt the round is named.
        let (seeds, mask_keys) = (self.recover_seeds(findings), self.recover_mask_keys(findings));
        let (seeds, mask_keys) = (seeds?, mask_keys?);
        let unmask =
            Unmask::new(self.sum, self.masks, self.roster, self.members, seeds, mask_keys)?;
        M::unmask(unmask)
    }

    fn recover_seeds(&self, findings: &mut Findings) -> Result<Vec<RecoveredSeed>, SecaggError> {
        let recover = |(owner, shares): &(MemberIndex, Vec<Share>)| {
            let recovered =
                recover_seed(*owner, &self.roster[owner.get()], self.thresholds, shares);
            findings.take(*owner, recovered)
        };
        all(self.seeds.iter().map(recover))
    }

    fn recover_mask_keys(
        &self,
        findings: &mut Findings,
    ) -> Result<Vec<RecoveredMaskKey>, SecaggError> {
        let recover = |(owner, shares): &(MemberIndex, Vec<Share>)| {
            let recovered =
                recover_mask_key(*owner, &self.roster[owner.get()], self.thresholds, shares);
            findings.take(*owner, recovered)
        };
        all(self.mask_keys.iter().map(recover))
    }
}

/// Who was found out.
#[derive(Default)]
struct Findings {
    faults: Vec<Fault>,
    lost: MemberSet,
}

impl Findings {
    fn take<S>(
        &mut self,
        owner: MemberIndex,
        recovered: Result<Recovered<S>, SecaggError>,
    ) -> Result<S, SecaggError> {
        match recovered {
            Ok(recovered) => {
                let revealers = recovered.inconsistent.iter();
                self.faults.extend(revealers.map(|revealer| Fault { revealer, owner }));
                Ok(recovered.secret)
            }
            Err(error) => {
                self.lost.insert(owner);
                Err(error)
            }
        }
    }
}

/// All of them, or the first error; every one is tried.
fn all<S>(results: impl Iterator<Item = Result<S, SecaggError>>) -> Result<Vec<S>, SecaggError> {
    let mut first = None;
    let found = results
        .filter_map(|result| result.map_err(|error| first.get_or_insert(error).clone()).ok());
    let found: Vec<S> = found.collect();
    first.map_or(Ok(found), Err)
}
