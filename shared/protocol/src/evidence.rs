//! What proves a sum: the record's signatures, all the way from the plan to the survivors'
//! agreement. Everybody checks it before a version follows from it.

use std::collections::BTreeSet;

use wire::{
    AbortReason, Checked, Genesis, MemberSet, Plan, RoundRecord, SharesClosed, Signed, Survivors,
};

use crate::{rejection::Rejection, roster::RosterView, terms::Terms};

/// A record whose signatures hold.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The terms of the round.
    pub terms: Terms,
    /// Who advertised.
    pub roster: RosterView,
    /// Who is in the sum.
    pub survivors: MemberSet,
}

impl Evidence {
    /// Checks every signature of a record, and that the survivors suffice.
    ///
    /// That the sum itself is right cannot be seen from a record: that is the audit's work, with
    /// the transcript.
    pub fn read(record: &RoundRecord, genesis: &Genesis) -> Result<Self, Rejection> {
        let plan: Checked<Plan> = record.plan.check(genesis.coordinator)?;
        let terms = Terms::read(plan, genesis).map_err(|_| Rejection::OtherTerms)?;
        let roster = RosterView::read(&record.roster, genesis.coordinator, &terms)?;
        let closed = read_closed(&record.closed, &roster, &terms, genesis)?;
        let survivors = read_survivors(&record.survivors, &closed, &roster, &terms, genesis)?;
        check_agreements(record, &survivors, &roster)?;
        let expected = grid::packed_length(terms.grid.padded(), terms.grid.modulus());
        if record.sum.len() != expected {
            return Err(Rejection::Shape);
        }
        Ok(Self { terms, roster, survivors: survivors.members })
    }
}

/// Checks R2: signed, of this round, within the roster.
pub fn read_closed(
    signed: &Signed<SharesClosed>,
    roster: &RosterView,
    terms: &Terms,
    genesis: &Genesis,
) -> Result<Checked<SharesClosed>, Rejection> {
    let closed = signed.check(genesis.coordinator)?;
    if closed.task != terms.plan().task {
        return Err(Rejection::OtherTask);
    }
    if closed.round != terms.round() {
        return Err(Rejection::OtherRound);
    }
    if closed.plan != terms.plan_hash() || closed.roster != roster.hash() {
        return Err(Rejection::OtherTerms);
    }
    if !closed.members.is_subset(roster.everybody()) {
        return Err(Rejection::Members);
    }
    if !terms.survivors_suffice(closed.members.len(), roster.size()) {
        return Err(Rejection::TooFew);
    }
    Ok(closed)
}

/// Checks U: signed, of this round, within R2, and enough for the charge to hold.
pub fn read_survivors(
    signed: &Signed<Survivors>,
    closed: &Checked<SharesClosed>,
    roster: &RosterView,
    terms: &Terms,
    genesis: &Genesis,
) -> Result<Checked<Survivors>, Rejection> {
    let survivors = signed.check(genesis.coordinator)?;
    if survivors.task != terms.plan().task {
        return Err(Rejection::OtherTask);
    }
    if survivors.round != terms.round() {
        return Err(Rejection::OtherRound);
    }
    if survivors.closed != closed.hash() {
        return Err(Rejection::OtherTerms);
    }
    if !survivors.members.is_subset(closed.members) {
        return Err(Rejection::Members);
    }
    if !terms.survivors_suffice(survivors.members.len(), roster.size()) {
        return Err(Rejection::TooFew);
    }
    Ok(survivors)
}

fn check_agreements(
    record: &RoundRecord,
    survivors: &Checked<Survivors>,
    roster: &RosterView,
) -> Result<(), Rejection> {
    let mut agreed = BTreeSet::new();
    for signed in &record.agreements {
        let node = signed.claimed_signer();
        let place = roster.place(node).ok_or(Rejection::NotAMember)?;
        let agreement = signed.check(node)?;
        let same = agreement.round == survivors.round
            && agreement.task == survivors.task
            && agreement.survivors == survivors.hash();
        if !same {
            return Err(Rejection::OtherTerms);
        }
        if !survivors.members.contains(place) {
            return Err(Rejection::NotAMember);
        }
        if !agreed.insert(place) {
            return Err(Rejection::Repeated);
        }
    }
    if agreed.len() < roster.threshold() {
        return Err(Rejection::TooFew);
    }
    Ok(())
}

/// What an abort reason means, for people.
pub fn explain(reason: AbortReason) -> &'static str {
    match reason {
        AbortReason::TooFewAdvertised => "too few nodes advertised in time",
        AbortReason::TooFewShares => "too few nodes sent their shares in time",
        AbortReason::TooFewConsistent => "too few nodes confirmed the same roster and shares",
        AbortReason::TooFewContributions => "too few contributions arrived in time",
        AbortReason::TooFewAgreements => "too few survivors agreed on who survived",
        AbortReason::TooFewReveals => "too few valid shares were revealed to unmask the sum",
        AbortReason::NoThreshold => {
            "no threshold fits the roster's size with the plan's `corrupt` and `dropout`"
        }
        AbortReason::Interrupted => "the coordinator was restarted in the middle of it",
    }
}
