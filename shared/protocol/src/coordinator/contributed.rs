//! Whose contribution was accepted, and the sum of them: however many there are, none of their bytes.
//!
//! A contribution is checked as a whole before it is added, and then only its hash and signature are remembered, so
//! that the same bytes again are no fault and other ones are. The bytes themselves are the disk's.

use std::collections::BTreeMap;

use privacy::Grid;
use secagg::RunningSum;
use wire::{
    Checked, ContentHash, Contribution, MemberIndex, MemberSet, NodeId, SharesClosed, Signature,
    Signed,
};

use crate::{rejection::Rejection, roster::RosterView};

/// What has been accepted so far.
pub(super) struct Contributed {
    known: BTreeMap<MemberIndex, (ContentHash, Signature)>,
    sum: RunningSum,
}

impl Contributed {
    /// Nothing yet.
    pub fn nothing(grid: &Grid) -> Self {
        let sum = RunningSum::new(grid.padded(), grid.modulus());
        Self { known: BTreeMap::new(), sum }
    }

    /// Whose.
    pub fn members(&self) -> MemberSet {
        self.sum.members()
    }

    /// Checks what a member sends, and adds it up if nothing of this member is known yet. Whether it is new.
    pub fn take(
        &mut self,
        from: NodeId,
        signed: &Signed<Contribution>,
        roster: &RosterView,
        closed: &Checked<SharesClosed>,
    ) -> Result<bool, Rejection> {
        let place = roster.place(from).ok_or(Rejection::NotAMember)?;
        if !closed.members.contains(place) {
            return Err(Rejection::NotAMember);
        }
        if let Some(known) = self.known.get(&place) {
            let same = signed.claimed_signer() == from
                && *known == (signed.hash::<ContentHash>(), signed.signature());
            return if same { Ok(false) } else { Err(Rejection::Contradiction) };
        }
        let contribution = signed.check(from)?;
        if contribution.task != closed.task || contribution.round != closed.round {
            return Err(Rejection::OtherRound);
        }
        if contribution.closed != closed.hash() {
            return Err(Rejection::OtherTerms);
        }
        self.sum.add_packed(place, &contribution.values).map_err(|_| Rejection::Shape)?;
        self.known.insert(place, (contribution.hash(), signed.signature()));
        Ok(true)
    }

    /// The sum of exactly [`Contributed::members`], still masked.
    pub fn into_sum(self) -> RunningSum {
        self.sum
    }
}
