//! What was spent, or would be, against each adversary: the table is [`privacy`]'s, its curves and plans are read here.

use grid::{Modulus, Q32, Q40, Ratio, RotationSeed};
use privacy::{
    Adversary, ChargeTerms, Entry, Grid, MEANINGFUL_EPSILON, PrivacyError, exposure, zcdp_epsilon,
};
use wire::{Checked, Plan};

/// What a contribution to this plan costs, computed from its integers as a node does.
///
/// # Errors
/// If its grid or its noise makes no sense.
pub fn terms_of_plan(plan: &Checked<Plan>) -> Result<ChargeTerms, PrivacyError> {
    let modulus = Modulus::new(u32::from(plan.grid.modulus_bits))?;
    let (clip, scale) = (Q32::from_raw(plan.grid.clip_q32), Q32::from_raw(plan.grid.scale_q32));
    let seed = RotationSeed(plan.grid.rotation_seed);
    let grid = Grid::new(clip, scale, modulus, seed, plan.dimension as usize)?;
    Ok(ChargeTerms {
        task: plan.task,
        round: plan.round,
        plan: plan.hash(),
        squared_norm_bound: grid.squared_norm_bound(),
        sigma: Ratio::new(plan.noise.sigma_numerator, plan.noise.sigma_denominator)?,
        honest: u32::from(plan.noise.honest),
        padded: grid.padded() as u32,
    })
}

/// A curve by the name of its adversary: ε after each entry or round.
pub type Curve = (String, Vec<(f64, f64)>);

/// ε after each entry, at most about [`POINTS`] of them, against every adversary whose ε means something in the end, and
/// against the coordinator in any case.
pub fn curves(entries: &[Entry], delta: f64) -> Vec<Curve> {
    let curve = |adversary| {
        let sums = exposure(entries, adversary)?;
        let at = |place: u64| sums.get(place as usize - 1).copied();
        drawn(adversary, entries.len() as u64, delta, at)
    };
    Adversary::ALL.into_iter().filter_map(curve).collect()
}

/// The same after each of `rounds` contributions under the same terms.
pub fn curves_of_terms(terms: &ChargeTerms, rounds: u64, delta: f64) -> Vec<Curve> {
    let curve = |adversary| {
        let rho = terms.rho_facing(adversary)?;
        drawn(adversary, rounds, delta, |round| Some(rho.saturating_mul(round)))
    };
    Adversary::ALL.into_iter().filter_map(curve).collect()
}

/// A page needs no more points than this to show a curve.
const POINTS: u64 = 300;

/// The curve of an adversary whose line would show something; `rho` at places from 1 to `last`.
fn drawn(
    adversary: Adversary,
    last: u64,
    delta: f64,
    rho: impl Fn(u64) -> Option<Q40>,
) -> Option<Curve> {
    let epsilon = |place: u64| {
        let epsilon = zcdp_epsilon(rho(place)?, delta).ok()?;
        epsilon.is_finite().then_some((place as f64, epsilon))
    };
    let end = if last == 0 { 0.0 } else { epsilon(last)?.1 };
    // The downloader's line is the coordinator's.
    let shown = adversary == Adversary::Coordinator
        || (adversary != Adversary::Downloader && end <= MEANINGFUL_EPSILON);
    let step = last.div_ceil(POINTS).max(1);
    let places = (1..=last).filter(|place| place % step == 0 || *place == last);
    shown.then(|| (adversary.to_string(), places.filter_map(epsilon).collect()))
}
