//! Nothing revealed that allows a second sum, and nothing below the floors.
//!
//! Over everything that a coordinator has ever received in a round, replays and restarts included:
//! a member's contribution is laid bare if t of its seed's shares and t of its mask key's shares are
//! out, so no member may have both; reveals name one list of survivors, follow t agreements on it, and
//! the list is above the plan's floors.

use std::collections::{BTreeMap, BTreeSet};

use wire::{
    ClosedHash, MemberIndex, MemberSet, NodeId, Plan, PlanHash, Reveal, Roster, RosterHash, Round,
    ShareKind, SharesClosed, Signed, Survivors, SurvivorsHash, ToCoordinator, ToNode,
};

use super::{Found, Invariant};

/// What was asked and what was answered, over all rounds.
#[derive(Default)]
pub(super) struct Reveals {
    /// The fewest survivors that the nodes' owners allow.
    floor: usize,
    plans: BTreeMap<PlanHash, Plan>,
    rosters: BTreeMap<RosterHash, (PlanHash, Vec<NodeId>)>,
    closed: BTreeMap<ClosedHash, SharesClosed>,
    survivors: BTreeMap<SurvivorsHash, Survivors>,
    agreed: BTreeMap<SurvivorsHash, BTreeSet<NodeId>>,
    rounds: BTreeMap<Round, RoundReveals>,
}

/// What was revealed in one round.
#[derive(Default)]
struct RoundReveals {
    named: BTreeSet<SurvivorsHash>,
    /// Who has revealed which kind of share of whom.
    shares: BTreeMap<(NodeId, ShareKind), BTreeSet<NodeId>>,
    agreements: BTreeMap<NodeId, SurvivorsHash>,
}

/// One list of survivors with all that it hangs on.
struct Terms<'a> {
    plan: &'a Plan,
    roster: &'a [NodeId],
    closed: &'a SharesClosed,
    survivors: &'a Survivors,
}

impl Reveals {
    pub fn new(floor: usize) -> Self {
        Self { floor, ..Self::default() }
    }

    /// Remembers what everybody must see alike; each thing is checked by its hash.
    pub fn said_by_coordinator(&mut self, message: &ToNode) {
        match message {
            ToNode::Plan(plan) => self.hear_plan(plan),
            ToNode::Roster(roster) => self.hear_roster(roster),
            ToNode::Inbox(inbox) => {
                let (signer, hash) = (inbox.closed.claimed_signer(), inbox.closed.hash());
                if let Some(closed) = unknown(&self.closed, hash, || inbox.closed.check(signer)) {
                    self.closed.insert(hash, closed.into_value());
                }
            }
            ToNode::Survivors(survivors) => {
                let (signer, hash) = (survivors.claimed_signer(), survivors.hash());
                if let Some(read) = unknown(&self.survivors, hash, || survivors.check(signer)) {
                    self.survivors.insert(hash, read.into_value());
                }
            }
            _ => {}
        }
    }

    fn hear_plan(&mut self, plan: &Signed<Plan>) {
        let (signer, hash) = (plan.claimed_signer(), plan.hash());
        if let Some(read) = unknown(&self.plans, hash, || plan.check(signer)) {
            self.plans.insert(hash, read.into_value());
        }
    }

    fn hear_roster(&mut self, roster: &Signed<Roster>) {
        let (signer, hash) = (roster.claimed_signer(), roster.hash());
        if let Some(read) = unknown(&self.rosters, hash, || roster.check(signer)) {
            let ids = read.members.iter().map(|member| member.claimed_signer()).collect();
            self.rosters.insert(hash, (read.plan, ids));
        }
    }

    pub fn said_by_node(&mut self, node: NodeId, message: &ToCoordinator) -> Found {
        match message {
            ToCoordinator::Agreement(agreement) => {
                let Ok(agreement) = agreement.check(node) else { return Ok(()) };
                let (round, survivors) = (agreement.round, agreement.survivors);
                self.agreed.entry(survivors).or_default().insert(node);
                let before =
                    self.rounds.entry(round).or_default().agreements.insert(node, survivors);
                if before.is_some_and(|before| before != survivors) {
                    let what = format!("{node:?} agreed to two lists of survivors");
                    return Err((Invariant::OneSum, Some(round), what));
                }
                Ok(())
            }
            ToCoordinator::Reveal(reveal) => {
                let Ok(reveal) = reveal.check(node) else { return Ok(()) };
                let round = reveal.round;
                self.revealed(node, &reveal)
                    .map_err(|what| (Invariant::OneSum, Some(round), format!("{node:?} {what}")))
            }
            _ => Ok(()),
        }
    }

    /// What a liar says counts, and is not held against it.
    pub fn said_by_liar(&mut self, node: NodeId, message: &ToCoordinator) {
        match message {
            ToCoordinator::Agreement(agreement) => {
                if let Ok(agreement) = agreement.check(node) {
                    self.agreed.entry(agreement.survivors).or_default().insert(node);
                }
            }
            ToCoordinator::Reveal(reveal) => {
                let Ok(reveal) = reveal.check(node) else { return };
                let Ok(terms) = self.terms(reveal.survivors) else { return };
                let Ok(shares) = check_shares(&terms, &reveal) else { return };
                let seen = self.rounds.entry(reveal.round).or_default();
                for (owner, kind) in shares {
                    seen.shares.entry((owner, kind)).or_default().insert(node);
                }
            }
            _ => {}
        }
    }

    fn revealed(&mut self, node: NodeId, reveal: &Reveal) -> Result<(), String> {
        let terms = self.terms(reveal.survivors)?;
        let (members, cohort) = (terms.roster.len(), terms.plan.cohort);
        let threshold = threshold(members);
        let corrupt = usize::from(cohort.corrupt_numerator) * members
            / usize::from(cohort.corrupt_denominator);
        self.check_floors(&terms, reveal.survivors)?;
        let shares = check_shares(&terms, reveal)?;
        let seen = self.rounds.entry(reveal.round).or_default();
        seen.named.insert(reveal.survivors);
        if seen.named.len() > 1 {
            return Err("revealed for a second list of survivors".to_owned());
        }
        for (owner, kind) in shares {
            seen.shares.entry((owner, kind)).or_default().insert(node);
            seen.check_member(owner, node, Numbers { threshold, members, corrupt })?;
        }
        Ok(())
    }

    fn terms(&self, survivors: SurvivorsHash) -> Result<Terms<'_>, String> {
        let unknown = |what: &str| format!("revealed for {what} that the coordinator never sent");
        let survivors = self.survivors.get(&survivors).ok_or_else(|| unknown("survivors"))?;
        let closed = self.closed.get(&survivors.closed).ok_or_else(|| unknown("an R2"))?;
        let roster = self.rosters.get(&closed.roster).ok_or_else(|| unknown("a roster"))?;
        let plan = self.plans.get(&closed.plan).ok_or_else(|| unknown("a plan"))?;
        if roster.0 != closed.plan {
            return Err("revealed for a roster of another plan".to_owned());
        }
        Ok(Terms { plan, roster: &roster.1, closed, survivors })
    }

    /// design.md section 4, phase 5a: U ⊆ R2 ⊆ roster, t agreements by members of U, |U| ≥ n_min, and
    /// |U| − ⌈γ·|roster|⌉ ≥ n_honest.
    fn check_floors(&self, terms: &Terms<'_>, hash: SurvivorsHash) -> Result<(), String> {
        let Terms { plan, roster, closed, survivors } = terms;
        let everybody = MemberSet::first(roster.len());
        let members = survivors.members;
        if !members.is_subset(closed.members) || !closed.members.is_subset(everybody) {
            return Err("revealed for survivors outside of R2".to_owned());
        }
        let survives = |id: &NodeId| {
            let place = roster.iter().position(|member| member == id);
            place.is_some_and(|place| members.contains(MemberIndex(place as u8)))
        };
        let agreed = self.agreed.get(&hash).into_iter().flatten().filter(|id| survives(id)).count();
        if agreed < threshold(roster.len()) {
            return Err(format!("revealed after {agreed} agreements"));
        }
        let (numerator, denominator) =
            (plan.cohort.corrupt_numerator, plan.cohort.corrupt_denominator);
        let corrupt = (usize::from(numerator) * roster.len()).div_ceil(usize::from(denominator));
        let count = members.len();
        let honest = usize::from(plan.noise.honest);
        let least = self.floor.max(usize::from(plan.cohort.survivors_min));
        if count < least || count < honest + corrupt {
            return Err(format!("revealed for a sum of {count}, below the floors"));
        }
        Ok(())
    }
}

/// How large a roster is, how many shares give a secret, how many members may be corrupt.
#[derive(Clone, Copy)]
struct Numbers {
    members: usize,
    threshold: usize,
    corrupt: usize,
}

impl RoundReveals {
    fn check_member(&self, owner: NodeId, node: NodeId, numbers: Numbers) -> Result<(), String> {
        let nobody = BTreeSet::new();
        let by = |kind| self.shares.get(&(owner, kind)).unwrap_or(&nobody);
        let (seed, mask_key) = (by(ShareKind::Seed), by(ShareKind::MaskKey));
        if seed.contains(&node) && mask_key.contains(&node) {
            return Err(format!("revealed both kinds of shares of {owner:?}"));
        }
        let silent = numbers.members.saturating_sub(seed.union(mask_key).count());
        if numbers.needed(seed.len(), mask_key.len(), silent) <= numbers.corrupt {
            return Err(format!("laid bare the contribution of {owner:?}"));
        }
        Ok(())
    }
}

impl Numbers {
    /// How many members must give a coordinator all that they were dealt by one member, besides what was
    /// revealed, so that it has t shares of both its secrets: with none at all two sums of the round could
    /// be computed, one with and one without that member.
    fn needed(self, seeds: usize, mask_keys: usize, silent: usize) -> usize {
        let (seeds, keys) =
            (self.threshold.saturating_sub(seeds), self.threshold.saturating_sub(mask_keys));
        // Who has revealed nothing gives both kinds at once.
        seeds + keys - silent.min(seeds).min(keys)
    }
}

/// One share of one kind for members of R2, by owner.
fn check_shares(terms: &Terms<'_>, reveal: &Reveal) -> Result<Vec<(NodeId, ShareKind)>, String> {
    let mut shares = Vec::with_capacity(reveal.shares.len());
    for share in &reveal.shares {
        if !terms.closed.members.contains(share.member) {
            return Err(format!("revealed a share of member {} outside of R2", share.member));
        }
        let owner = terms.roster[share.member.get()];
        shares.push((owner, share.kind));
    }
    Ok(shares)
}

/// t = ⌊2n/3⌋ + 1.
fn threshold(roster: usize) -> usize {
    2 * roster / 3 + 1
}

fn unknown<K: Ord, V, T, E>(
    known: &BTreeMap<K, V>,
    key: K,
    read: impl FnOnce() -> Result<T, E>,
) -> Option<T> {
    if known.contains_key(&key) { None } else { read().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrupt_members_count_beside_what_was_revealed() {
        let numbers = Numbers { members: 30, threshold: 21, corrupt: 3 };
        // Everybody has revealed a seed share: 21 must give the other kind besides.
        assert_eq!(numbers.needed(30, 0, 0), 21);
        // Two halves were told different lists.
        assert_eq!(numbers.needed(15, 15, 0), 12);
        assert_eq!(numbers.needed(10, 10, 10), 12);
        assert_eq!(numbers.needed(20, 20, 0), 2);
        // No split of a roster, whoever answered what, lays a member bare with a third corrupt.
        for members in 4..=64 {
            let numbers = Numbers { members, threshold: threshold(members), corrupt: 0 };
            for seeds in 0..=members {
                for keys in 0..=members - seeds {
                    let needed = numbers.needed(seeds, keys, members - seeds - keys);
                    assert!(3 * needed > members, "{members} {seeds} {keys}: {needed}");
                }
            }
        }
    }
}
