//! The revealed shares, and the sum that they unmask.

use std::collections::BTreeMap;

use protocol::roster::RosterView;
use secagg::{
    MaskContext, RecoveredMaskKey, RecoveredSeed, RunningSum, SecaggError, Secret32, Share, Unmask,
    recover_mask_key, recover_seed,
};
use wire::{
    Checked, MemberIndex, MemberSet, Reveal, ShareKind, SharesClosed, Survivors, Transcript,
};

use super::{Parts, messages};
use crate::Findings;

/// Checks the reveals, unmasks the sum of the survivors' contributions from them, and compares.
pub(super) fn check_sum(
    transcript: &Transcript,
    parts: &Parts,
    masked: Option<RunningSum>,
    published: &[u8],
    findings: &mut Findings,
) {
    let Some((round, masked)) = Unmasking::of(parts).zip(masked) else { return };
    let reveals = round.read_reveals(transcript, findings);
    match round.unmask(masked, &reveals, findings) {
        Ok(sum) => compare(&sum, published, parts, findings),
        Err(error) => {
            findings.fault("sum", "transcript", format!("cannot be unmasked again: {error}"));
        }
    }
}

/// Checks the reveals of a round that ended without a sum.
pub(super) fn check_without_sum(transcript: &Transcript, parts: &Parts, findings: &mut Findings) {
    match Unmasking::of(parts) {
        Some(round) => drop(round.read_reveals(transcript, findings)),
        None if transcript.reveals.is_empty() => {}
        None => findings.fault("reveals", "transcript", "shares without a list of survivors"),
    }
}

/// The parts of a round that unmasking needs.
struct Unmasking<'a> {
    parts: &'a Parts,
    roster: &'a RosterView,
    closed: &'a Checked<SharesClosed>,
    survivors: &'a Checked<Survivors>,
}

type Shares = BTreeMap<MemberIndex, Vec<Share>>;

impl<'a> Unmasking<'a> {
    fn of(parts: &'a Parts) -> Option<Self> {
        let (roster, closed) = (parts.roster.as_ref()?, parts.closed.as_ref()?);
        Some(Self { parts, roster, closed, survivors: parts.survivors.as_ref()? })
    }

    /// All shares by their owner, whichever kind is right for it.
    fn read_reveals(&self, transcript: &Transcript, findings: &mut Findings) -> Shares {
        let (mut shares, mut revealers) = (Shares::new(), MemberSet::EMPTY);
        for signed in &transcript.reveals {
            let (place, reveal) = match messages::read(signed, self.roster) {
                Ok(read) => read,
                Err(what) => {
                    findings.fault("reveals", "transcript", what);
                    continue;
                }
            };
            let at = format!("member {place}");
            if revealers.contains(place) {
                findings.fault("reveals", at.as_str(), "revealed twice");
            }
            revealers.insert(place);
            match self.wrong(place, &reveal) {
                Some(what) => findings.fault("reveals", at, what),
                None => add(&mut shares, place, &reveal),
            }
        }
        if !revealers.is_empty() && findings.of("reveals").next().is_none() {
            let what = format!(
                "{} survivors revealed one kind of share for each member: a seed for who is in the sum, a mask key \
                 for who is not, never both",
                revealers.len()
            );
            findings.ok("reveals", "transcript", what);
        }
        shares
    }

    /// What a reveal must never be: for another list, by an outsider, or of the other kind.
    fn wrong(&self, place: MemberIndex, reveal: &Reveal) -> Option<&'static str> {
        if reveal.survivors != self.survivors.hash() {
            return Some("revealed for another list of survivors");
        }
        if !self.survivors.members.contains(place) {
            return Some("revealed without being a survivor");
        }
        let ascending = reveal.shares.windows(2).all(|pair| pair[0].member < pair[1].member);
        let right_kind = |share: &wire::RevealedShare| {
            let survived = self.survivors.members.contains(share.member);
            let kind = if survived { ShareKind::Seed } else { ShareKind::MaskKey };
            self.closed.members.contains(share.member) && share.kind == kind
        };
        if !ascending || !reveal.shares.iter().all(right_kind) {
            return Some(
                "revealed the other kind of share, or both, of a member: a single contribution may have been unmasked",
            );
        }
        None
    }

    fn unmask(
        &self,
        sum: RunningSum,
        shares: &Shares,
        findings: &mut Findings,
    ) -> Result<Vec<u32>, SecaggError> {
        let survivors = self.survivors.members;
        let mut seeds = Vec::new();
        for owner in survivors.iter() {
            seeds.push(self.seed(owner, shares, findings)?);
        }
        let mut mask_keys = Vec::new();
        for owner in self.closed.members.minus(survivors).iter() {
            mask_keys.push(self.mask_key(owner, shares, findings)?);
        }
        let masks = MaskContext {
            plan: self.parts.terms.plan_hash(),
            closed: self.closed.hash(),
            model: self.parts.terms.plan().base,
        };
        let (keys, members) = (self.roster.keys(), self.closed.members);
        Unmask::new(sum, masks, keys, members, seeds, mask_keys)?.run()
    }

    fn seed(
        &self,
        owner: MemberIndex,
        shares: &Shares,
        findings: &mut Findings,
    ) -> Result<RecoveredSeed, SecaggError> {
        let (keys, thresholds) =
            (&self.roster.members()[owner.get()].keys, self.roster.thresholds());
        let recovered = recover_seed(owner, keys, thresholds, of(shares, owner))?;
        blame(owner, recovered.inconsistent, findings);
        Ok(recovered.secret)
    }

    fn mask_key(
        &self,
        owner: MemberIndex,
        shares: &Shares,
        findings: &mut Findings,
    ) -> Result<RecoveredMaskKey, SecaggError> {
        let (keys, thresholds) =
            (&self.roster.members()[owner.get()].keys, self.roster.thresholds());
        let recovered = recover_mask_key(owner, keys, thresholds, of(shares, owner))?;
        blame(owner, recovered.inconsistent, findings);
        Ok(recovered.secret)
    }
}

fn add(shares: &mut Shares, revealer: MemberIndex, reveal: &Reveal) {
    for share in &reveal.shares {
        if let Ok(value) = Share::new(revealer, Secret32::new(&share.share)) {
            shares.entry(share.member).or_default().push(value);
        }
    }
}

fn of(shares: &Shares, owner: MemberIndex) -> &[Share] {
    shares.get(&owner).map_or(&[], Vec::as_slice)
}

/// Shares that did not fit the announced secret: the sum is right all the same, and somebody lied.
fn blame(owner: MemberIndex, revealers: MemberSet, findings: &mut Findings) {
    for revealer in revealers.iter() {
        let what = format!(
            "its share of member {owner}'s secret does not fit: it revealed a wrong one, or member {owner} dealt it one"
        );
        findings.warn("reveals", format!("member {revealer}"), what);
    }
}

fn compare(sum: &[u32], published: &[u8], parts: &Parts, findings: &mut Findings) {
    let grid = &parts.terms.grid;
    let Ok(published) = grid::unpack(published, grid.padded(), grid.modulus()) else {
        return findings.fault("sum", "record", "does not have the plan's shape");
    };
    let differing: Vec<usize> =
        (0..sum.len()).filter(|&coordinate| sum[coordinate] != published[coordinate]).collect();
    match differing.first() {
        None => {
            let what = format!(
                "unmasked again from the contributions and reveals: equal in all {} coordinates",
                sum.len()
            );
            findings.ok("sum", "transcript", what);
        }
        Some(first) => {
            let what = format!(
                "{} of {} coordinates differ from the sum of the contributions, coordinate {first} first",
                differing.len(),
                sum.len()
            );
            findings.fault("sum", "record", what);
        }
    }
}
