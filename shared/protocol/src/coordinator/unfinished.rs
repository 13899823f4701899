//! The round that a restart finds: what was persisted of it, and its sum once more, if its survivors were fixed.

use secagg::RunningSum;
use thiserror::Error;
use wire::{
    Checked, Contribution, Genesis, NodeId, Plan, SharesClosed, Signed, Survivors, Transcript,
};

use super::contributed::Contributed;
use crate::{
    evidence::{read_closed, read_survivors},
    rejection::Rejection,
    roster::RosterView,
    terms::Terms,
};

/// A round that was going on, read back.
pub struct Unfinished {
    pub(super) transcript: Transcript,
    pub(super) again: Option<Box<Again>>,
}

/// What fixes a sum, checked again, and that sum, made again.
pub(super) struct Again {
    pub terms: Terms,
    pub roster: RosterView,
    pub closed: Checked<SharesClosed>,
    pub survivors: Checked<Survivors>,
    pub sum: RunningSum,
}

/// Why a round whose survivors were fixed cannot be finished: what was kept of it is not what was persisted.
#[derive(Debug, Error)]
pub enum UnfinishedError<E: std::error::Error + 'static> {
    /// A contribution cannot be read.
    #[error("a contribution cannot be read")]
    Unreadable(#[source] E),
    /// A contribution that is not one of the survivors', or not what it sent.
    #[error("the contribution of node {} does not belong to the round: {why}", node.short())]
    Foreign {
        /// Who seems to have signed it.
        node: NodeId,
        /// What is wrong with it.
        why: Rejection,
    },
    /// Contributions of survivors are not there.
    #[error("{missing} of {survivors} contributions are missing")]
    Missing {
        /// How many.
        missing: usize,
        /// Of how many.
        survivors: usize,
    },
}

impl Unfinished {
    /// Reads a round back. Its contributions are taken one at a time, and only if its survivors were fixed: then
    /// all of them are needed, and each is checked as when it arrived.
    ///
    /// # Errors
    /// [`UnfinishedError`]: the round's sum is not known any more, and nothing may be said about it.
    pub fn read<E: std::error::Error + 'static>(
        transcript: Transcript,
        genesis: &Genesis,
        contributions: impl IntoIterator<Item = Result<Signed<Contribution>, E>>,
    ) -> Result<Self, UnfinishedError<E>> {
        let Some((terms, roster, closed, survivors)) = read_fixed(&transcript, genesis) else {
            return Ok(Self { transcript, again: None });
        };
        let mut contributed = Contributed::nothing(&terms.grid);
        for signed in contributions {
            let signed = signed.map_err(UnfinishedError::Unreadable)?;
            let node = signed.claimed_signer();
            let place = roster.place(node).filter(|place| survivors.members.contains(*place));
            place
                .ok_or(Rejection::NotAMember)
                .and_then(|_| contributed.take(node, &signed, &roster, &closed))
                .map_err(|why| UnfinishedError::Foreign { node, why })?;
        }
        let missing = survivors.members.minus(contributed.members()).len();
        if missing > 0 {
            return Err(UnfinishedError::Missing { missing, survivors: survivors.members.len() });
        }
        let sum = contributed.into_sum();
        let again = Again { terms, roster, closed, survivors, sum };
        Ok(Self { transcript, again: Some(Box::new(again)) })
    }

    /// What was persisted of it.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }
}

type Fixed = (Terms, RosterView, Checked<SharesClosed>, Checked<Survivors>);

/// A transcript with agreements was persisted before anybody was asked for shares.
fn read_fixed(transcript: &Transcript, genesis: &Genesis) -> Option<Fixed> {
    let plan: Checked<Plan> = transcript.plan.check(genesis.coordinator).ok()?;
    let terms = Terms::read(plan, genesis).ok()?;
    let roster = RosterView::read(transcript.roster.as_ref()?, genesis.coordinator, &terms).ok()?;
    let closed = read_closed(transcript.closed.as_ref()?, &roster, &terms, genesis).ok()?;
    let survivors = transcript.survivors.as_ref()?;
    let survivors = read_survivors(survivors, &closed, &roster, &terms, genesis).ok()?;
    let agreed = transcript.agreements.len() >= roster.threshold();
    agreed.then_some((terms, roster, closed, survivors))
}
