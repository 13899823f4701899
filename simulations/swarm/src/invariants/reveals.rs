//! Nothing revealed that allows a second sum, and nothing below the floors.
//!
//! Over everything that a coordinator has ever received in a round, replays and restarts included:
//! a member's contribution is laid bare if t of its seed's shares and t of its mask key's shares are
//! out, so no member may have both; reveals name one list of survivors, follow t agreements on it, and
//! the list is above the plan's floors.

use std::collections::{BTreeMap, BTreeSet};

use wire::{
    MemberIndex, MemberSet, NodeId, PlanHash, Reveal, Round, ShareKind, Survivors, SurvivorsHash,
    ToCoordinator,
};

use super::{
    Found, Invariant,
    said::{Said, Terms},
};

/// What was answered, over all rounds.
#[derive(Default)]
pub(super) struct Reveals {
    /// The fewest survivors that the nodes' owners allow.
    floor: usize,
    agreed: BTreeMap<SurvivorsHash, BTreeSet<NodeId>>,
    /// By plan: a coordinator that forgets what it has signed may use a number twice, and finds other nodes
    /// for it.
    rounds: BTreeMap<PlanHash, RoundReveals>,
    /// Which list each node has agreed to in a round of this number.
    lists: BTreeMap<(NodeId, Round), SurvivorsHash>,
    /// Under which plan each node has revealed shares in a round of this number.
    plans: BTreeMap<(NodeId, Round), PlanHash>,
}

/// What was revealed in one round.
#[derive(Default)]
struct RoundReveals {
    named: BTreeSet<SurvivorsHash>,
    /// Who has revealed which kind of share of whom.
    shares: BTreeMap<(NodeId, ShareKind), BTreeSet<NodeId>>,
}

impl Reveals {
    pub fn new(floor: usize) -> Self {
        Self { floor, ..Self::default() }
    }

    pub fn said_by_node(&mut self, said: &Said, node: NodeId, message: &ToCoordinator) -> Found {
        match message {
            ToCoordinator::Agreement(agreement) => {
                let Ok(agreement) = agreement.check(node) else { return Ok(()) };
                let (round, survivors) = (agreement.round, agreement.survivors);
                self.agreed.entry(survivors).or_default().insert(node);
                let before = self.lists.insert((node, round), survivors);
                if before.is_some_and(|before| before != survivors) {
                    let what = format!("{node:?} agreed to two lists of survivors");
                    return Err((Invariant::OneSum, Some(round), what));
                }
                Ok(())
            }
            ToCoordinator::Reveal(reveal) => {
                let Ok(reveal) = reveal.check(node) else { return Ok(()) };
                let round = reveal.round;
                self.revealed(said, node, &reveal)
                    .map_err(|what| (Invariant::OneSum, Some(round), format!("{node:?} {what}")))
            }
            _ => Ok(()),
        }
    }

    /// What a liar says counts, and is not held against it.
    pub fn said_by_liar(&mut self, said: &Said, node: NodeId, message: &ToCoordinator) {
        match message {
            ToCoordinator::Agreement(agreement) => {
                if let Ok(agreement) = agreement.check(node) {
                    self.agreed.entry(agreement.survivors).or_default().insert(node);
                }
            }
            ToCoordinator::Reveal(reveal) => {
                let Ok(reveal) = reveal.check(node) else { return };
                let Ok((_, terms)) = said.survivors(reveal.survivors) else { return };
                let Ok(shares) = check_shares(&terms, &reveal) else { return };
                let seen = self.rounds.entry(terms.round).or_default();
                for (owner, kind) in shares {
                    seen.shares.entry((owner, kind)).or_default().insert(node);
                }
            }
            _ => {}
        }
    }

    fn revealed(&mut self, said: &Said, node: NodeId, reveal: &Reveal) -> Result<(), String> {
        let (survivors, terms) = said.survivors(reveal.survivors)?;
        let (members, cohort) = (terms.roster.ids.len(), terms.plan.cohort);
        let threshold = threshold(members);
        let corrupt = usize::from(cohort.corrupt_numerator) * members
            / usize::from(cohort.corrupt_denominator);
        self.check_floors(&terms, survivors, reveal.survivors)?;
        let shares = check_shares(&terms, reveal)?;
        let plan = *self.plans.entry((node, reveal.round)).or_insert(terms.round);
        if plan != terms.round {
            return Err("revealed under two plans of one round".to_owned());
        }
        let seen = self.rounds.entry(terms.round).or_default();
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

    /// ARCHITECTURE.md, *A round*, reveals: U ⊆ R2 ⊆ roster, t agreements by members of U, |U| ≥ n_min, and
    /// |U| − ⌈γ·|roster|⌉ ≥ n_honest.
    fn check_floors(
        &self,
        terms: &Terms<'_>,
        survivors: &Survivors,
        hash: SurvivorsHash,
    ) -> Result<(), String> {
        let Terms { plan, closed, .. } = terms;
        let roster = &terms.roster.ids;
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
        let Some(&owner) = terms.roster.ids.get(share.member.get()) else {
            return Err(format!("revealed a share of member {}, whom nobody knows", share.member));
        };
        shares.push((owner, share.kind));
    }
    Ok(shares)
}

/// t = ⌊2n/3⌋ + 1.
fn threshold(roster: usize) -> usize {
    2 * roster / 3 + 1
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
