//! Who might look, and whose noise is then left between them and one node.
//!
//! A charge is the cost against the adversary that a plan promises to hold off. Against others the same contribution is
//! protected by fewer shares of noise, at worst by the node's own alone, and costs more. No share is counted here that
//! the charge did not count on, so that every line is an upper bound.

mod table;

use std::collections::BTreeMap;

use grid::Q40;

use crate::{ChargeTerms, Entry, EntryKind};

pub use table::{Line, budget_of_ledger, budget_of_terms};

/// Above this ε a guarantee is none that a person could use: the odds about them may change by a factor of e^20, some
/// hundred million. Every report says so in words.
pub const MEANINGFUL_EPSILON: f64 = 20.0;

/// Somebody who wants to know whether, and what, one node contributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Adversary {
    /// Whoever downloads every version, and is no part of the swarm.
    Downloader,
    /// The coordinator and other nodes, as curious as they like; masks hold, and the noise that the plan counted on is
    /// there.
    Coordinator,
    /// The same, with a fifth of that noise missing.
    NoiseMissing,
    /// The same, with half of the counted-on nodes telling what they know.
    HalfColluding,
    /// Nine tenths of the cohort.
    NineTenthsColluding,
    /// A coordinator that made up every other node.
    InventedNodes,
    /// Whoever breaks the masks.
    MasksBroken,
    /// Whoever watches the network.
    NetworkObserver,
}

impl Adversary {
    /// All of them, the weakest first; who watches the network is another kind, and last.
    pub const ALL: [Self; 8] = [
        Self::Downloader,
        Self::Coordinator,
        Self::NoiseMissing,
        Self::HalfColluding,
        Self::NineTenthsColluding,
        Self::InventedNodes,
        Self::MasksBroken,
        Self::NetworkObserver,
    ];

    /// A name that scripts may rely on.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Downloader => "downloader",
            Self::Coordinator => "coordinator",
            Self::NoiseMissing => "noise-missing",
            Self::HalfColluding => "half-colluding",
            Self::NineTenthsColluding => "nine-tenths-colluding",
            Self::InventedNodes => "invented-nodes",
            Self::MasksBroken => "masks-broken",
            Self::NetworkObserver => "network-observer",
        }
    }

    /// How many shares of noise protect a node from it, of the `honest` ones that its plan counted on; none where no
    /// noise is what protects.
    ///
    /// One's own share is always there. Nine tenths of a cohort hold more than the ⌊2n/3⌋ + 1 shares of a member's secrets
    /// that unmask its contribution, for every roster from 4 to 64: its own noise is all that is left, as if the masks
    /// were broken. Half of it hold too few.
    pub fn shares_left(self, honest: u32) -> Option<u32> {
        let without = |gone: u32| honest.saturating_sub(gone).max(1);
        match self {
            Self::Downloader | Self::Coordinator => Some(honest),
            Self::NoiseMissing => Some(without(honest.div_ceil(5))),
            Self::HalfColluding => Some(without(honest.div_ceil(2))),
            Self::NineTenthsColluding | Self::InventedNodes | Self::MasksBroken => Some(1),
            Self::NetworkObserver => None,
        }
    }
}

impl std::fmt::Display for Adversary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Downloader => "whoever downloads every version",
            Self::Coordinator => "the coordinator and other nodes, masks intact",
            Self::NoiseMissing => "the same, a fifth of the noise missing",
            Self::HalfColluding => "the same, half of the counted-on nodes colluding",
            Self::NineTenthsColluding => "the same, nine tenths of the cohort colluding",
            Self::InventedNodes => "a coordinator that invented all other nodes",
            Self::MasksBroken => "whoever breaks the masks",
            Self::NetworkObserver => "whoever watches the network",
        })
    }
}

impl ChargeTerms {
    /// ρ of one contribution under these terms against an adversary, rounded up; none where noise is not what protects,
    /// [`Q40::MAXIMUM`] where these terms protect nobody.
    pub fn rho_facing(&self, adversary: Adversary) -> Option<Q40> {
        let shares = adversary.shares_left(self.honest)?;
        Some(self.rho_against(shares).unwrap_or(Q40::MAXIMUM))
    }
}

/// ρ after each entry of a ledger against an adversary; none where noise is not what protects.
///
/// A penalty stands for contributions of which nothing is known, not even how many honest shares their plans counted on.
/// It is counted at its recorded cost, the most that each of them can have cost against the coordinator, times the
/// largest factor by which this adversary makes a charge dearer: of the same ledger, or of any roster.
pub fn exposure(entries: &[Entry], adversary: Adversary) -> Option<Vec<Q40>> {
    adversary.shares_left(1)?;
    let costs = costs(entries, adversary);
    let factor = dearest_factor(entries, &costs, adversary);
    let mut total = Q40::ZERO;
    let add = |(entry, cost): (&Entry, &Option<Q40>)| {
        let cost = cost.unwrap_or_else(|| scaled(entry.rho, factor));
        total = total.saturating_add(cost);
        total
    };
    Some(entries.iter().zip(&costs).map(add).collect())
}

/// The cost of each charge against the adversary; none for penalties.
fn costs(entries: &[Entry], adversary: Adversary) -> Vec<Option<Q40>> {
    let mut known: BTreeMap<(u128, u64, u64, u32, u32), Q40> = BTreeMap::new();
    let cost = |entry: &Entry| {
        let EntryKind::Charged { terms, .. } = &entry.kind else { return None };
        let shares = adversary.shares_left(terms.honest)?;
        if shares == terms.honest {
            return Some(entry.rho);
        }
        let (numerator, denominator) = (terms.sigma.numerator(), terms.sigma.denominator());
        let key = (terms.squared_norm_bound, numerator, denominator, terms.honest, terms.padded);
        let facing = || terms.rho_facing(adversary).unwrap_or(Q40::MAXIMUM);
        // Never below what was charged.
        Some((*known.entry(key).or_insert_with(facing)).max(entry.rho))
    };
    entries.iter().map(cost).collect()
}

/// By how much the adversary makes a charge dearer, at most: ρ is that of one Gaussian over the shares of noise that are
/// left, and a correction that falls with them.
fn dearest_factor(entries: &[Entry], costs: &[Option<Q40>], adversary: Adversary) -> f64 {
    if matches!(adversary, Adversary::Downloader | Adversary::Coordinator) {
        return 1.0;
    }
    let factor = |(entry, cost): (&Entry, &Option<Q40>)| {
        let cost = (*cost)?;
        Some(cost.to_f64_up() / entry.rho.to_f64_down())
    };
    let of_any_roster = (1..=wire::MAX_MEMBERS as u32).filter_map(|honest| {
        let left = adversary.shares_left(honest)?;
        Some(f64::from(honest) / f64::from(left) * (1.0 + ROUNDING))
    });
    entries.iter().zip(costs).filter_map(factor).chain(of_any_roster).fold(1.0, f64::max)
}

/// More than the rounding of two charges.
const ROUNDING: f64 = 1e-9;

fn scaled(rho: Q40, factor: f64) -> Q40 {
    if rho == Q40::ZERO || factor == 1.0 {
        return rho;
    }
    Q40::from_f64_up((rho.to_f64_up() * factor).next_up()).unwrap_or(Q40::MAXIMUM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PenaltyReason, Place, gaussian_mu, zcdp_epsilon};
    use grid::Ratio;
    use wire::{ContentHash, LedgerHash, PlanHash, Round, TaskId};

    const TASK: TaskId = TaskId([1; 32]);

    /// z = 2.065/√10 per round for 80 honest shares of 100 in one round of ten times the cost.
    fn terms(honest: u32) -> ChargeTerms {
        ChargeTerms {
            task: TASK,
            round: Round(1),
            plan: PlanHash([2; 32]),
            squared_norm_bound: 1_000_000_000_000,
            sigma: Ratio::new(73_005, 1).unwrap(),
            honest,
            padded: 1024,
        }
    }

    fn entry(sequence: u64, rho: Q40, kind: EntryKind) -> Entry {
        let place = Place { task: TASK, sequence, previous: LedgerHash([0; 32]) };
        let hash = LedgerHash([sequence as u8; 32]);
        Entry { sequence, hash, place: Some(place), at_ms: 0, rho, kind }
    }

    fn charge(sequence: u64, honest: u32) -> Entry {
        let terms = terms(honest);
        let rho = terms.rho().unwrap();
        let contribution = ContentHash([sequence as u8; 32]);
        entry(sequence, rho, EntryKind::Charged { terms, contribution })
    }

    fn penalty(sequence: u64, rho: Q40) -> Entry {
        let reason = PenaltyReason::TornEntry { offset: 0, length: 1 };
        entry(sequence, rho, EntryKind::Penalty(reason))
    }

    /// The μ column of a worked example: 80 shares, all 100, 50, 10 and 1.
    #[test]
    fn equals_the_worked_example() {
        let worked = [(80, 1.5315), (100, 1.3699), (50, 1.9373), (10, 4.332), (1, 13.70)];
        for (shares, mu) in worked {
            let found = gaussian_mu(terms(80).rho_against(shares).unwrap());
            assert!((found - mu).abs() < 5e-4 * mu, "{shares} shares: μ = {found} for {mu}");
        }
        let rho = terms(80).rho_facing(Adversary::Coordinator).unwrap();
        assert!((zcdp_epsilon(rho, 1e-6).unwrap() - 8.522).abs() < 2e-3);
        let broken = terms(80).rho_facing(Adversary::MasksBroken).unwrap();
        assert!(zcdp_epsilon(broken, 1e-6).unwrap() > 150.0);
    }

    #[test]
    fn fewer_shares_are_left_the_stronger_the_adversary() {
        for honest in 1..=64 {
            let left: Vec<u32> =
                Adversary::ALL.iter().filter_map(|who| who.shares_left(honest)).collect();
            assert_eq!(left.len(), 7, "the network observer is no matter of noise");
            assert!(left.is_sorted_by(|a, b| a >= b), "{honest}: {left:?}");
            assert!(left.iter().all(|&shares| (1..=honest).contains(&shares)));
        }
        let left = |who: Adversary| who.shares_left(80);
        assert_eq!(left(Adversary::NoiseMissing), Some(64));
        assert_eq!(left(Adversary::HalfColluding), Some(40));
    }

    /// The front page of `shares_left`, for every roster: nine tenths without me hold a threshold, half do not.
    #[test]
    fn nine_tenths_hold_enough_shares_and_half_do_not() {
        for roster in 4_u32..=64 {
            let threshold = 2 * roster / 3 + 1;
            assert!((9 * roster).div_ceil(10).min(roster - 1) >= threshold, "{roster}");
            assert!(roster.div_ceil(2) < threshold, "{roster}");
        }
    }

    #[test]
    fn a_ledger_adds_up_against_each() {
        let entries = [charge(1, 80), charge(2, 40), penalty(3, Q40::from_raw(7 << 40))];
        let spent = |who| exposure(&entries, who).map(|sums| *sums.last().unwrap());
        assert_eq!(spent(Adversary::NetworkObserver), None);
        let recorded = entries.iter().fold(Q40::ZERO, |sum, entry| sum.saturating_add(entry.rho));
        assert_eq!(spent(Adversary::Coordinator), Some(recorded));
        assert_eq!(spent(Adversary::Downloader), Some(recorded));
        let alone = spent(Adversary::MasksBroken).unwrap().to_f64();
        // 2·13.7²/2 for the charges, and the penalty eighty times.
        assert!((alone - 2.0 * 93.81 - 80.0 * 7.0).abs() < 1.0, "{alone}");
        let sums: Vec<f64> = Adversary::ALL
            .iter()
            .filter_map(|&who| exposure(&entries, who))
            .map(|sums| sums[1].to_f64())
            .collect();
        assert!(sums.is_sorted(), "{sums:?}");
    }

    /// Of a lost round nobody knows how many shares it counted on: beside charges of four it may have been one of 64.
    #[test]
    fn a_penalty_counts_as_the_worst_round_that_it_may_stand_for() {
        let one = Q40::from_raw(1 << 40);
        for entries in [vec![penalty(1, one)], vec![penalty(1, one), charge(2, 4)]] {
            let first = |who| exposure(&entries, who).unwrap()[0];
            assert_eq!(first(Adversary::Coordinator), one);
            for honest in 1..=64 {
                // The lost round cost ρ = 1 with so many shares.
                for who in Adversary::ALL.into_iter().filter(|who| who.shares_left(1).is_some()) {
                    let dearer = f64::from(honest) / f64::from(who.shares_left(honest).unwrap());
                    assert!(first(who).to_f64() >= dearer, "{who}, {honest} shares");
                }
            }
            assert!(first(Adversary::MasksBroken).to_f64() < 64.001);
        }
        assert_eq!(exposure(&[], Adversary::MasksBroken), Some(vec![]));
    }

    #[test]
    fn terms_without_protection_cost_the_most() {
        let mut weak = terms(4);
        weak.sigma = Ratio::new(1, 1).unwrap();
        assert_eq!(weak.rho_facing(Adversary::Coordinator), Some(Q40::MAXIMUM));
    }
}
