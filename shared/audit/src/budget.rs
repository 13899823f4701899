//! What was spent, or would be, against each adversary: the table is [`privacy`]'s, its curves and plans are read here.

use grid::{Modulus, Q32, Ratio, RotationSeed};
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

/// ε after each entry, at most about 300 of them, against every adversary whose ε means something in the end, and
/// against the coordinator in any case.
pub fn curves(entries: &[Entry], delta: f64) -> Vec<(String, Vec<(f64, f64)>)> {
    let epsilon = |rho| zcdp_epsilon(rho, delta).unwrap_or(f64::INFINITY);
    let step = entries.len().div_ceil(300).max(1);
    let mut curves: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for adversary in Adversary::ALL {
        let Some(sums) = exposure(entries, adversary) else { continue };
        let last = sums.last().copied().map_or(0.0, epsilon);
        // The downloader's line is the coordinator's.
        if adversary == Adversary::Downloader
            || (adversary != Adversary::Coordinator && last > MEANINGFUL_EPSILON)
        {
            continue;
        }
        let points = sums
            .iter()
            .enumerate()
            .filter(|(index, _)| (index + 1) % step == 0 || index + 1 == sums.len());
        let points = points.map(|(index, rho)| ((index + 1) as f64, epsilon(*rho))).collect();
        curves.push((adversary.to_string(), points));
    }
    curves
}
