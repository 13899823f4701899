//! The sums that can really be computed.
//!
//! From all that has ever left the nodes (so all that a coordinator can have seen, replays and restarts
//! included) every sum is computed that the real unmasking gives: of each member of R2 its seed must be
//! recovered and its contribution be known, or its mask key be recovered. A round has at most one such sum,
//! and that one is the sum of what its members have put into their contributions. Only with real masks: under
//! dummy ones every contribution can be read.

use std::collections::BTreeMap;

use grid::{Modulus, Ratio};
use secagg::{
    EphemeralPublic, MaskContext, RecoveredMaskKey, RecoveredSeed, RunningSum, Secret32, Share,
    Thresholds, Unmask, recover_mask_key, recover_seed, thresholds,
};
use wire::{
    ClosedHash, Contribution, MemberIndex, MemberSet, NodeId, PlanHash, Reveal, ShareKind, Signed,
};

use super::said::{Said, Terms};
use crate::scenario::{DIMENSION, MODULUS_BITS};

/// What was seen of all rounds.
#[derive(Default)]
pub(super) struct Computed {
    rounds: BTreeMap<ClosedHash, Seen>,
    /// The one sum of each plan.
    sums: BTreeMap<PlanHash, (ClosedHash, MemberSet)>,
}

/// What was seen of one R2.
#[derive(Default)]
struct Seen {
    contributions: BTreeMap<MemberIndex, Vec<u32>>,
    /// By owner and kind, then by who has revealed it.
    shares: BTreeMap<(MemberIndex, ShareKind), BTreeMap<MemberIndex, [u8; 32]>>,
    /// For how many secrets there were enough shares when sums were last computed.
    tried: usize,
}

/// What unmasking needs besides.
struct Numbers<'a> {
    keys: &'a [EphemeralPublic],
    thresholds: Thresholds,
    masks: MaskContext,
    members: MemberSet,
}

/// A sum that was computed, and whose.
pub(super) struct Sum {
    /// The ids of its members.
    pub of: Vec<NodeId>,
    /// d′ values.
    pub values: Vec<u32>,
}

impl Computed {
    /// A contribution has left a node; nothing is unmasked by it that revealed shares do not unmask later.
    pub fn contributed(&mut self, said: &Said, node: NodeId, signed: &Signed<Contribution>) {
        let Ok(contribution) = signed.check(node) else { return };
        let Ok(terms) = said.terms(contribution.closed) else { return };
        let (Some(place), Ok(values)) =
            (place_of(&terms, node), grid::unpack(&contribution.values, DIMENSION, modulus()))
        else {
            return;
        };
        let seen = self.rounds.entry(contribution.closed).or_default();
        seen.contributions.entry(place).or_insert(values);
    }

    /// Shares have left a node: the sum that they make computable, if it is the first of its round.
    ///
    /// # Errors
    /// What was seen, if two sums of one round can be computed.
    pub fn revealed(
        &mut self,
        said: &Said,
        node: NodeId,
        reveal: &Reveal,
    ) -> Result<Option<Sum>, String> {
        let Ok((survivors, terms)) = said.survivors(reveal.survivors) else { return Ok(None) };
        let (Some(place), Some(numbers)) =
            (place_of(&terms, node), Numbers::of(&terms, survivors.closed))
        else {
            return Ok(None);
        };
        let seen = self.rounds.entry(survivors.closed).or_default();
        for share in reveal.shares.iter().filter(|share| numbers.members.contains(share.member)) {
            let known = seen.shares.entry((share.member, share.kind)).or_default();
            known.insert(place, share.share);
        }
        let mut sum = None;
        for (members, values) in seen.new_sums(&numbers) {
            let this = (survivors.closed, members);
            match self.sums.get(&terms.round) {
                Some(before) if *before == this => {}
                Some(before) => {
                    return Err(format!("made two sums computable: of {before:?} and of {this:?}"));
                }
                None => {
                    self.sums.insert(terms.round, this);
                    let of = members.iter().map(|member| terms.roster.ids[member.get()]).collect();
                    sum = Some(Sum { of, values });
                }
            }
        }
        Ok(sum)
    }
}

impl Seen {
    /// The sums that can be computed, two of them at most; nothing while there are shares of no more
    /// secrets than before.
    fn new_sums(&mut self, numbers: &Numbers<'_>) -> Vec<(MemberSet, Vec<u32>)> {
        let threshold = numbers.thresholds.threshold();
        let enough = self.shares.values().filter(|shares| shares.len() >= threshold);
        // Of shares that are wrong one more may help.
        let shares: usize = enough.map(BTreeMap::len).sum();
        if shares == self.tried {
            return Vec::new();
        }
        self.tried = shares;
        self.sums(numbers)
    }

    fn sums(&self, numbers: &Numbers<'_>) -> Vec<(MemberSet, Vec<u32>)> {
        let (mut inside, mut either) = (MemberSet::EMPTY, MemberSet::EMPTY);
        for member in numbers.members.iter() {
            let counts =
                self.contributions.contains_key(&member) && self.seed(member, numbers).is_some();
            let drops = self.mask_key(member, numbers).is_some();
            match (counts, drops) {
                (false, false) => return Vec::new(),
                (true, drops) => {
                    inside.insert(member);
                    if drops {
                        either.insert(member);
                    }
                }
                (false, true) => {}
            }
        }
        let without = either.iter().next().map(|one| inside.minus([one].into_iter().collect()));
        let sets = [Some(inside), without].into_iter().flatten();
        sets.filter_map(|set| Some((set, self.unmask(set, numbers)?))).collect()
    }

    fn unmask(&self, survivors: MemberSet, numbers: &Numbers<'_>) -> Option<Vec<u32>> {
        let mut sum = RunningSum::new(DIMENSION, modulus());
        for member in survivors.iter() {
            sum.add(member, &self.contributions[&member]).ok()?;
        }
        let seeds: Option<Vec<_>> = survivors.iter().map(|m| self.seed(m, numbers)).collect();
        let dropped = numbers.members.minus(survivors);
        let keys: Option<Vec<_>> = dropped.iter().map(|m| self.mask_key(m, numbers)).collect();
        let Numbers { keys: roster, masks, members, .. } = numbers;
        Unmask::new(sum, *masks, roster.to_vec(), *members, seeds?, keys?).ok()?.run().ok()
    }

    fn seed(&self, owner: MemberIndex, numbers: &Numbers<'_>) -> Option<RecoveredSeed> {
        let shares = self.shares_of(owner, ShareKind::Seed);
        let public = &numbers.keys[owner.get()];
        recover_seed(owner, public, numbers.thresholds, &shares).ok().map(|found| found.secret)
    }

    fn mask_key(&self, owner: MemberIndex, numbers: &Numbers<'_>) -> Option<RecoveredMaskKey> {
        let shares = self.shares_of(owner, ShareKind::MaskKey);
        let public = &numbers.keys[owner.get()];
        recover_mask_key(owner, public, numbers.thresholds, &shares).ok().map(|found| found.secret)
    }

    fn shares_of(&self, owner: MemberIndex, kind: ShareKind) -> Vec<Share> {
        let known = self.shares.get(&(owner, kind)).into_iter().flatten();
        known.filter_map(|(&by, bytes)| Share::new(by, Secret32::new(bytes)).ok()).collect()
    }
}

impl<'a> Numbers<'a> {
    fn of(terms: &Terms<'a>, closed: ClosedHash) -> Option<Self> {
        let keys: &'a [EphemeralPublic] = &terms.roster.keys;
        let cohort = terms.plan.cohort;
        let ratio = |above: u16, below: u16| Ratio::new(u64::from(above), u64::from(below)).ok();
        let corrupt = ratio(cohort.corrupt_numerator, cohort.corrupt_denominator)?;
        let dropout = ratio(cohort.dropout_numerator, cohort.dropout_denominator)?;
        let thresholds = thresholds(keys.len(), corrupt, dropout).ok()?;
        let masks = MaskContext { plan: terms.round, closed, model: terms.plan.base };
        let members = terms.closed.members;
        let fits = members.is_subset(MemberSet::first(keys.len()));
        fits.then_some(Self { keys, thresholds, masks, members })
    }
}

fn place_of(terms: &Terms<'_>, node: NodeId) -> Option<MemberIndex> {
    let place = terms.roster.ids.iter().position(|id| *id == node)?;
    u8::try_from(place).ok().map(MemberIndex)
}

fn modulus() -> Modulus {
    Modulus::new(u32::from(MODULUS_BITS)).expect("20 bits are a modulus")
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
    use secagg::{EphemeralSecrets, Masker, SealContext};
    use wire::{ModelHash, RosterHash};

    use super::*;

    const MEMBERS: usize = 4;
    const MASKS: MaskContext = MaskContext {
        plan: PlanHash([1; 32]),
        closed: ClosedHash([2; 32]),
        model: ModelHash([3; 32]),
    };

    /// A round of four with real masks: what everybody contributed, and the shares of the given kinds of
    /// everybody's secrets, as if everybody had revealed them.
    fn seen(keys: &mut Vec<EphemeralPublic>, kinds: [&[ShareKind]; MEMBERS]) -> Seen {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let secrets: Vec<_> = (0..MEMBERS).map(|_| EphemeralSecrets::generate(&mut rng)).collect();
        *keys = secrets.iter().map(EphemeralSecrets::public).collect();
        let numbers = numbers(keys);
        let context = SealContext { plan: MASKS.plan, roster: RosterHash([4; 32]) };
        let places = || (0..MEMBERS as u8).map(MemberIndex);
        let (mut dealt, mut sealed, mut seen) = (Vec::new(), Vec::new(), Seen::default());
        for (secrets, own) in secrets.into_iter().zip(places()) {
            let made = secrets.deal(context, keys.clone(), own, numbers.thresholds, &mut rng);
            let (secrets, made) = made.unwrap();
            dealt.push(secrets);
            sealed.push(made.sealed);
        }
        for (owner, kinds) in places().zip(kinds) {
            for &kind in kinds {
                let shares = sealed[owner.get()].iter().map(|(to, bytes)| {
                    let pair = dealt[to.get()].open(owner, bytes).unwrap();
                    (*to, *pair.reveal(kind).value().as_bytes())
                });
                seen.shares.insert((owner, kind), shares.collect());
            }
        }
        for (secrets, own) in dealt.into_iter().zip(places()) {
            let masker = Masker::new(secrets, MASKS, MemberSet::first(MEMBERS), modulus()).unwrap();
            let masked = masker.mask(made(own)).unwrap();
            seen.contributions.insert(own, masked.values().to_vec());
        }
        seen
    }

    fn numbers(keys: &[EphemeralPublic]) -> Numbers<'_> {
        let tenth = Ratio::new(1, 10).unwrap();
        let thresholds = thresholds(MEMBERS, tenth, tenth).unwrap();
        Numbers { keys, thresholds, masks: MASKS, members: MemberSet::first(MEMBERS) }
    }

    fn made(member: MemberIndex) -> Vec<u32> {
        (0..DIMENSION).map(|i| (i + 1) as u32 * (u32::from(member.0) + 1)).collect()
    }

    fn total(members: &[u8]) -> Vec<u32> {
        let all = members.iter().map(|&member| made(MemberIndex(member)));
        (0..DIMENSION).map(|i| all.clone().map(|values| values[i]).sum()).collect()
    }

    fn sums(kinds: [&[ShareKind]; MEMBERS]) -> Vec<Vec<u32>> {
        let mut keys = Vec::new();
        let seen = seen(&mut keys, kinds);
        seen.sums(&numbers(&keys)).into_iter().map(|(_, values)| values).collect()
    }

    const SEED: &[ShareKind] = &[ShareKind::Seed];
    const MASK_KEY: &[ShareKind] = &[ShareKind::MaskKey];
    const BOTH: &[ShareKind] = &[ShareKind::Seed, ShareKind::MaskKey];

    #[test]
    fn one_kind_of_share_of_everybody_gives_one_sum() {
        assert_eq!(sums([SEED; 4]), [total(&[0, 1, 2, 3])]);
        assert_eq!(sums([SEED, SEED, MASK_KEY, SEED]), [total(&[0, 1, 3])]);
        assert_eq!(sums([SEED, SEED, &[], SEED]), [[0; 0]; 0], "one secret is missing");
    }

    #[test]
    fn both_kinds_of_one_member_give_two_sums() {
        assert_eq!(sums([SEED, BOTH, SEED, SEED]), [total(&[0, 1, 2, 3]), total(&[0, 2, 3])]);
    }

    #[test]
    fn shares_below_the_threshold_give_none() {
        let mut keys = Vec::new();
        let mut seen = seen(&mut keys, [SEED; 4]);
        let shares = seen.shares.get_mut(&(MemberIndex(2), ShareKind::Seed)).unwrap();
        assert_eq!(shares.len(), 3);
        shares.pop_first();
        assert!(seen.sums(&numbers(&keys)).is_empty());
    }
}
