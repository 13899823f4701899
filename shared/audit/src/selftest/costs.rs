//! Costs: charges by three paths that share nothing, and the accountants against references of other tools.

use std::collections::BTreeMap;

use grid::{Q40, Ratio};
use privacy::accounting::{Accountant, Participation};
use privacy::{ChargeTerms, PrivacyError};
use wire::{PlanHash, Round, TaskId};

use crate::ExactRho;

/// A charge is never below what integer arithmetic or opendp says, and never above by more than rounding.
pub(super) fn charges(
    rho: impl Fn(&ChargeTerms) -> Result<Q40, PrivacyError>,
) -> Result<String, String> {
    let mut compared = 0;
    for norm in [1_u128, 100, 7_919, 1 << 30, (1 << 50) + 1] {
        for sigma in [16_u64, 17, 100, 12_345, 1 << 24] {
            for honest in [1_u32, 2, 5, 43, 64] {
                for padded in [4_u32, 1 << 12, 1 << 20] {
                    let terms = terms(norm, (sigma, 8), honest, padded);
                    one_charge(&terms, rho(&terms).map_err(|error| error.to_string())?)?;
                    compared += 1;
                }
            }
        }
    }
    Ok(format!(
        "{compared} charges by the shipped formula, by integer arithmetic and by opendp's map agree"
    ))
}

fn one_charge(terms: &ChargeTerms, recorded: Q40) -> Result<(), String> {
    let exact = ExactRho::of(terms, terms.honest).ok_or("terms without noise")?;
    let opendp = terms.rho_by_opendp().map_err(|error| error.to_string())?;
    let where_ = format!(
        "D2² = {}, σ = {}, n = {}, d = {}: ρ = {recorded}",
        terms.squared_norm_bound, terms.sigma, terms.honest, terms.padded
    );
    if exact.is_above(recorded) {
        return Err(format!("{where_}, and exactly {:.12}", exact.to_f64()));
    }
    if recorded != Q40::MAXIMUM && opendp > recorded.to_f64_up() {
        return Err(format!("{where_}, and opendp says {opendp:.12}"));
    }
    if exact.is_below(recorded) {
        return Err(format!("{where_}, needlessly above {:.12}", exact.to_f64()));
    }
    Ok(())
}

/// A sum of discrete Gaussians costs what KLS21 says, and noise below σ = 2 is refused.
pub(super) fn tau(
    rho: impl Fn(&ChargeTerms) -> Result<Q40, PrivacyError>,
) -> Result<String, String> {
    for (honest, tenths, norm, padded, wanted) in SUMS {
        let terms = terms(u128::from(norm).pow(2), (tenths, 10), honest, padded);
        let found = ExactRho::of(&terms, honest).ok_or("terms without noise")?.to_f64();
        if (found / wanted - 1.0).abs() > 1e-9 {
            return Err(format!("{honest} nodes, σ = {}: ρ = {found} for {wanted}", terms.sigma));
        }
        match rho(&terms) {
            Ok(_) if tenths < 20 => {
                return Err(format!("σ = {} grid units was not refused", terms.sigma));
            }
            Err(error) if tenths >= 20 => return Err(error.to_string()),
            Ok(found) if (found.to_f64() / wanted - 1.0).abs() > 1e-9 => {
                return Err(format!(
                    "{honest} nodes, σ = {}: ρ = {found} for {wanted}",
                    terms.sigma
                ));
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(format!(
        "{} sums of discrete Gaussians equal the reference; σ below 2 is refused",
        SUMS.len()
    ))
}

/// A reference made with TensorFlow Federated's formulas in Python: nodes, σ in tenths, D2, d, ρ.
const SUMS: [(u32, u64, u32, u32, f64); 9] = [
    (10, 8, 20, 1024, 35.03229430893378),
    (10, 10, 20, 1024, 20.068902239106844),
    (10, 15, 20, 1024, 8.888889080328985),
    (50, 12, 100, 65_536, 69.45245130739958),
    (100, 20, 100, 1_048_576, 12.500000000000036),
    (100, 70, 350, 1_048_576, 12.5),
    (1000, 20, 300, 1_048_576, 11.250000000000101),
    (20, 30, 64, 100_000, 11.377777777777778),
    (64, 50, 128, 4096, 5.120000000000001),
];

/// One row of golden/accounting.csv.
struct Row {
    participation: Participation,
    noise: f64,
    delta: f64,
    zcdp: Option<f64>,
    exact: Option<f64>,
    rdp: Option<f64>,
    prv: Option<(f64, f64)>,
}

/// Every accountant gives what other tools give, and none is below what is exact.
pub(super) fn accountants(
    epsilon: impl Fn(Accountant, f64, Participation, f64) -> Result<f64, PrivacyError>,
) -> Result<String, String> {
    let (rows, mut compared) = (rows(), 0);
    let mut furthest = BTreeMap::new();
    for row in &rows {
        for accountant in Accountant::ALL {
            let Some((low, high)) = expected(accountant, row) else { continue };
            let found = epsilon(accountant, row.noise, row.participation, row.delta)
                .map_err(|error| error.to_string())?;
            if !(low..=high).contains(&found) {
                return Err(format!(
                    "{accountant} at noise {}, {} rounds, sampling rate {}, δ = {:e}: ε = {found}, outside of {low} to {high}",
                    row.noise, row.participation.rounds, row.participation.sampling_rate, row.delta
                ));
            }
            compared += 1;
            let away = (found / reference(accountant, row).unwrap_or(found) - 1.0).abs();
            let largest: &mut f64 = furthest.entry(accountant.name()).or_default();
            *largest = largest.max(away);
        }
    }
    let furthest: Vec<String> =
        furthest.iter().map(|(name, away)| format!("{name} {away:.0e}")).collect();
    Ok(format!(
        "{compared} values of {} accountants against scipy, Opacus and the middle of PRV's interval; furthest away, as a \
         part of the value: {}",
        Accountant::ALL.len(),
        furthest.join(", ")
    ))
}

/// What another tool says; of PRV, the middle of its interval.
fn reference(accountant: Accountant, row: &Row) -> Option<f64> {
    match accountant.name() {
        "zcdp" => row.zcdp,
        "exact" => row.exact,
        "rdp" => row.rdp,
        _ => row.prv.map(|(lower, upper)| (lower + upper) / 2.0),
    }
}

/// Between which numbers ε must be. What is rounded outwards may be above the reference by a little, never below but for
/// the reference's own rounding.
fn expected(accountant: Accountant, row: &Row) -> Option<(f64, f64)> {
    let near = |value: f64| (value - 1e-9 * value, value + 1e-6);
    match accountant.name() {
        "zcdp" => row.zcdp.map(near),
        "exact" => row.exact.map(near),
        // Opacus searches fewer orders: ours may be less, but never below what is exact.
        "rdp" => row.rdp.zip(row.prv).map(|(rdp, (lower, _))| (lower, rdp + 1e-6)),
        _ => row.prv,
    }
}

fn rows() -> Vec<Row> {
    let lines = include_str!("../../golden/accounting.csv").lines();
    lines.filter(|line| !line.starts_with(['#', 'q'])).filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<Option<f64>> = line.split(',').map(|cell| cell.parse().ok()).collect();
    let at = |index: usize| cells.get(index).copied().flatten();
    let participation = Participation { rounds: at(2)? as u64, sampling_rate: at(0)? };
    let (zcdp, exact, rdp) = (at(4), at(5), at(6));
    let (noise, delta, prv) = (at(1)?, at(3)?, at(7).zip(at(8)));
    Some(Row { participation, noise, delta, zcdp, exact, rdp, prv })
}

fn terms(squared_norm_bound: u128, sigma: (u64, u64), honest: u32, padded: u32) -> ChargeTerms {
    ChargeTerms {
        task: TaskId([0; 32]),
        round: Round(1),
        plan: PlanHash([0; 32]),
        squared_norm_bound,
        sigma: Ratio::new(sigma.0, sigma.1).expect("a denominator that is not zero"),
        honest,
        padded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_that_is_off_fails() {
        assert!(charges(ChargeTerms::rho).is_ok());
        let changed = |steps: i64| {
            move |terms: &ChargeTerms| {
                Ok(Q40::from_raw(terms.rho()?.raw().saturating_add_signed(steps)))
            }
        };
        assert!(charges(changed(-2)).is_err());
        assert!(charges(changed(1 << 20)).is_err());
        // A sensitivity that is typed in instead of computed.
        let typed =
            |terms: &ChargeTerms| ChargeTerms { squared_norm_bound: 1, ..terms.clone() }.rho();
        assert!(charges(typed).is_err());
    }

    #[test]
    fn a_sum_that_is_taken_for_one_gaussian_fails() {
        assert!(tau(ChargeTerms::rho).is_ok());
        let careless = |terms: &ChargeTerms| {
            let sigma = terms.sigma.to_f64();
            let one =
                terms.squared_norm_bound as f64 / (2.0 * f64::from(terms.honest) * sigma * sigma);
            Ok(Q40::from_f64_up(one)?)
        };
        assert!(tau(careless).unwrap_err().contains("not refused"));
        assert!(tau(|terms| Ok(Q40::from_raw(terms.rho()?.raw() / 2))).is_err());
    }

    #[test]
    fn an_accountant_that_is_off_fails() {
        assert!(rows().len() > 20);
        let shipped = |accountant: Accountant, noise, participation, delta| {
            Ok(accountant.epsilon(noise, participation, delta)?.epsilon)
        };
        assert!(accountants(shipped).is_ok());
        for factor in [0.999_999, 1.001] {
            let off = |accountant: Accountant, noise, participation, delta| {
                Ok(shipped(accountant, noise, participation, delta)? * factor)
            };
            assert!(accountants(off).is_err(), "{factor}");
        }
    }
}
