//! The contributions of a round, looked at one by one: who sent which, and the sum of the survivors'.

use std::collections::BTreeMap;

use protocol::roster::RosterView;
use secagg::RunningSum;
use wire::{Checked, ContentHash, Contribution, MemberSet, NodeId, SharesClosed, Signed};

use super::{Parts, messages};
use crate::{Contributions, Findings};

/// What was sent in a round.
#[derive(Default)]
pub(crate) struct Contributed {
    /// What each node signed first, whether or not it was right.
    pub sent: BTreeMap<NodeId, ContentHash>,
    /// Members of whom there is a contribution.
    pub members: MemberSet,
    /// The sum of the survivors' that have the plan's shape and are for its R2, still masked.
    pub sum: Option<RunningSum>,
    /// What is wrong with single ones.
    pub findings: Findings,
}

impl Contributed {
    /// Reads them, against as many parts of the round as there are.
    pub fn read(contributions: &Contributions, parts: Option<&Parts>) -> Self {
        let mut all = Self::default();
        let round =
            parts.and_then(|parts| Some((parts, parts.roster.as_ref()?, parts.closed.as_ref()?)));
        if let Some((parts, ..)) = round {
            let grid = &parts.terms.grid;
            all.sum = Some(RunningSum::new(grid.padded(), grid.modulus()));
        }
        let read = contributions.each(|signed| {
            let node = signed.claimed_signer();
            if signed.check(node).is_ok() {
                all.sent.entry(node).or_insert_with(|| signed.hash());
            }
            if let Some((parts, roster, closed)) = round {
                all.take(signed, parts, roster, closed);
            }
        });
        if let Err(error) = read {
            all.findings.fault("contributions", "transcript", error.to_string());
        }
        all
    }

    fn take(
        &mut self,
        signed: &Signed<Contribution>,
        parts: &Parts,
        roster: &RosterView,
        closed: &Checked<SharesClosed>,
    ) {
        let (place, contribution) = match messages::read(signed, roster) {
            Ok(read) => read,
            Err(what) => return self.findings.fault("contributions", "transcript", what),
        };
        let at = format!("member {place}");
        if self.members.contains(place) {
            return self.findings.fault("contributions", at, "two messages of one member");
        }
        self.members.insert(place);
        if contribution.closed != closed.hash() || !closed.members.contains(place) {
            let what = "made for another R2, or by somebody outside of it";
            return self.findings.fault("contributions", at, what);
        }
        let grid = &parts.terms.grid;
        let shape = grid::check_packed(&contribution.values, grid.padded(), grid.modulus());
        if let Err(error) = shape {
            return self.findings.fault("contributions", at, error.to_string());
        }
        let survived = parts.survivors.as_ref().is_some_and(|u| u.members.contains(place));
        if let (true, Some(sum)) = (survived, &mut self.sum)
            && let Err(error) = sum.add_packed(place, &contribution.values)
        {
            self.findings.fault("contributions", at, error.to_string());
        }
    }
}
