use proptest::prelude::*;

use super::*;

/// One row of golden/accounting.csv.
struct Row {
    noise: f64,
    participation: Participation,
    delta: f64,
    zcdp: Option<f64>,
    exact: Option<f64>,
    /// With fixed orders, so an upper bound of the best one.
    rdp: Option<f64>,
    /// An upper bound of the truth, by less than 10⁻³.
    pld: f64,
    /// The ends of an interval that holds the truth, and an estimate.
    prv: Option<(f64, f64, f64)>,
}

fn golden() -> Vec<Row> {
    let lines = include_str!("../../golden/accounting.csv").lines();
    lines.filter(|line| !line.starts_with(['#', 'q'])).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<Option<f64>> = line.split(',').map(|cell| cell.parse().ok()).collect();
    let [q, sigma, steps, delta, zcdp, exact, rdp, pld, low, estimate, high] = cells[..] else {
        panic!("{line}")
    };
    let participation = Participation { rounds: steps.unwrap() as u64, sampling_rate: q.unwrap() };
    Row {
        noise: sigma.unwrap(),
        participation,
        delta: delta.unwrap(),
        zcdp,
        exact,
        rdp,
        pld: pld.unwrap(),
        prv: low.zip(estimate).zip(high).map(|((low, estimate), high)| (low, estimate, high)),
    }
}

impl Row {
    fn epsilon(&self, accountant: Accountant) -> f64 {
        accountant.epsilon(self.noise, self.participation, self.delta).unwrap().epsilon
    }
}

#[test]
fn zcdp_and_exact_equal_the_references() {
    let full: Vec<Row> = golden().into_iter().filter(|row| row.exact.is_some()).collect();
    assert_eq!(full.len(), 13);
    for row in full {
        let (zcdp, exact) = (row.epsilon(Accountant::Zcdp), row.epsilon(Accountant::Exact));
        assert!((zcdp - row.zcdp.unwrap()).abs() < 1e-9, "{zcdp} for {:?}", row.zcdp);
        assert!((exact / row.exact.unwrap() - 1.0).abs() < 1e-9, "{exact} for {:?}", row.exact);
    }
}

#[test]
fn rdp_is_between_the_truth_and_the_reference() {
    let (mut compared, mut largest) = (0, f64::NEG_INFINITY);
    for row in golden() {
        let found = row.epsilon(Accountant::Rdp);
        let truth = row.prv.map_or(row.exact, |(low, ..)| Some(low)).unwrap();
        assert!(found > truth && found > row.pld - 1e-3, "{found} below {truth}");
        // Opacus tries some hundred orders, we all.
        if let Some(reference) = row.rdp {
            assert!(found < reference * (1.0 + 1e-10) && found > reference * 0.99, "{found}");
            (compared, largest) = (compared + 1, largest.max(found / reference - 1.0));
        }
        if let Some(zcdp) = row.zcdp {
            assert!((found / zcdp - 1.0).abs() < 1e-9, "{found} for {zcdp}");
        }
    }
    println!("rdp above opacus by at most {largest:e}");
    assert_eq!(compared, 31);
}

/// The deviations from dp_accounting's upper bound (on a grid of 10⁻⁴) and from prv_accountant's estimate
/// (right to 10⁻²).
fn pld_deviations(row: &Row) -> (f64, f64) {
    let claim = Accountant::Pld.epsilon(row.noise, row.participation, row.delta).unwrap();
    let (epsilon, low) = (claim.epsilon, claim.no_less_than.unwrap());
    assert!(low <= epsilon && low <= row.pld && low > 0.99 * epsilon, "{low} to {epsilon}");
    assert!((epsilon - row.pld).abs() < 4e-4, "{epsilon} for {}", row.pld);
    let Some((prv_low, estimate, prv_high)) = row.prv else { return (epsilon - row.pld, 0.0) };
    assert!(epsilon > prv_low && epsilon < prv_high, "{epsilon} outside {prv_low} to {prv_high}");
    (epsilon - row.pld, epsilon - estimate)
}

#[test]
fn pld_is_within_the_references() {
    let rows = golden();
    assert_eq!(rows.len(), 44);
    let (mut upper, mut estimate) = (0.0_f64, 0.0_f64);
    for row in rows {
        let (from_upper, from_estimate) = pld_deviations(&row);
        (upper, estimate) = (upper.max(from_upper.abs()), estimate.max(from_estimate.abs()));
    }
    println!("pld: at most {upper:e} from dp_accounting, {estimate:e} from prv_accountant");
}

/// Whatever is allowed gives an answer, and the Rényi bound is never beaten by a looser one.
#[test]
fn extreme_numbers_have_an_answer() {
    let cases = [
        (0.05, 1_000_000, 0.5, 1e-6),
        (0.05, 1, 1e-9, 1e-6),
        (1e-3, 1_000_000_000, 1.0, 1e-300),
        (1e-3, 3, 0.5, 1e-6),
        (1e9, 1, 0.5, 1e-12),
        (1.0, 1_000_000_000, 1e-6, 1e-9),
        (1.0, 1, 1e-12, 1e-6),
        (30.0, 1_000_000_000, 0.999_999, 1e-6),
        (0.7, 2, 1e-3, 0.999),
        (2.0, 5, 0.3, 1e-300),
    ];
    for (noise, rounds, sampling_rate, delta) in cases {
        let sampled = Participation { rounds, sampling_rate };
        let at = |accountant: Accountant| accountant.epsilon(noise, sampled, delta).unwrap();
        let [zcdp, rdp, pld, exact] = Accountant::ALL.map(at);
        println!(
            "{noise} {sampled:?} {delta:e}: {} {} {} {}",
            zcdp.epsilon, rdp.epsilon, pld.epsilon, exact.epsilon
        );
        for claim in [&zcdp, &rdp, &pld, &exact] {
            assert!(claim.epsilon.is_finite() && claim.epsilon >= 0.0, "{claim:?}");
        }
        assert!(
            rdp.epsilon <= zcdp.epsilon * (1.0 + 1e-9) && pld.epsilon <= rdp.epsilon,
            "{pld:?}"
        );
        assert!(pld.no_less_than.is_none_or(|low| low <= exact.epsilon), "{pld:?}");
    }
}

#[test]
fn what_an_accountant_ignores_is_said() {
    let sampled = Participation { rounds: 77, sampling_rate: 0.03 };
    let claim = Accountant::Zcdp.epsilon(2.3, sampled, 1e-7).unwrap();
    assert!(claim.ignored.contains(&Omission::SamplingRate));
    assert_eq!(claim.epsilon, {
        let full = Accountant::Zcdp.epsilon(2.3, Participation::full(77), 1e-7).unwrap();
        assert!(!full.ignored.contains(&Omission::SamplingRate));
        full.epsilon
    });
    let exact = Accountant::Exact.epsilon(2.3, sampled, 1e-7).unwrap();
    assert!(exact.assumed.contains(&Assumption::ContinuousNoise));
    assert!(exact.epsilon < claim.epsilon);
}

#[test]
fn names_are_read_back() {
    for accountant in Accountant::ALL {
        assert_eq!(accountant.to_string().parse(), Ok(accountant));
    }
    assert!("moments".parse::<Accountant>().is_err());
}

#[test]
fn out_of_range_is_an_error_for_everybody() {
    let full = Participation::full(10);
    for accountant in Accountant::ALL {
        for noise in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(accountant.epsilon(noise, full, 1e-6).is_err());
        }
        for delta in [0.0, 1.0, f64::NAN] {
            assert!(accountant.epsilon(1.0, full, delta).is_err());
        }
        for sampling_rate in [0.0, -0.1, 1.1, f64::NAN] {
            let sampled = Participation { rounds: 10, sampling_rate };
            assert!(accountant.epsilon(1.0, sampled, 1e-6).is_err());
        }
        assert!(accountant.epsilon(1.0, Participation::full(0), 1e-6).is_err());
        for epsilon in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(accountant.noise_for(epsilon, full, 1e-6).is_err());
        }
    }
}

/// ε = 8 over ten rounds needs z = 2.180 by zCDP and 2.065 exactly.
#[test]
fn the_inverse_equals_the_reference() {
    let full = Participation::full(10);
    for (accountant, noise) in [(Accountant::Zcdp, 2.180), (Accountant::Exact, 2.065)] {
        let claim = accountant.noise_for(8.0, full, 1e-6).unwrap();
        assert!((claim.noise - noise).abs() < 1e-3, "{accountant}: {}", claim.noise);
        assert!(claim.epsilon <= 8.0 && claim.epsilon > 7.999);
    }
}

#[test]
fn an_inverse_with_sampling() {
    let sampled = Participation { rounds: 77, sampling_rate: 0.03 };
    for accountant in [Accountant::Rdp, Accountant::Pld] {
        let claim = accountant.noise_for(2.0, sampled, 1e-7).unwrap();
        assert!(claim.epsilon <= 2.0 && claim.epsilon > 1.9998, "{}", claim.epsilon);
        assert!(claim.assumed.contains(&Assumption::SecretPoissonSampling));
        assert!(!claim.ignored.contains(&Omission::SamplingRate));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]
    #[test]
    fn epsilon_rises_with_rounds_and_rate_and_falls_with_noise(
        noise in 0.5..6.0_f64, rounds in 20_u64..150, ln_q in -5.0..-0.3_f64, ln_delta in -20.0..-6.0_f64
    ) {
        let delta = ln_delta.exp();
        let sampled = Participation { rounds, sampling_rate: ln_q.exp() };
        let more = Participation { rounds: rounds + rounds / 10, ..sampled };
        let likelier = Participation { sampling_rate: sampled.sampling_rate * 1.1, ..sampled };
        for accountant in Accountant::ALL {
            let at = |noise: f64, participation| {
                accountant.epsilon(noise, participation, delta).unwrap().epsilon
            };
            let epsilon = at(noise, sampled);
            prop_assert!(at(noise * 1.05, sampled) < epsilon, "{accountant} with noise");
            prop_assert!(at(noise, more) > epsilon, "{accountant} with rounds");
            prop_assert!(at(noise, likelier) >= epsilon, "{accountant} with rate");
            let counted = !matches!(accountant, Accountant::Zcdp | Accountant::Exact);
            prop_assert!(!counted || at(noise, likelier) > epsilon, "{accountant} with rate");
        }
    }

    #[test]
    fn no_epsilon_is_below_the_truth(
        noise in 0.4..8.0_f64, rounds in 1_u64..150, ln_q in -6.0..-0.1_f64, ln_delta in -25.0..-4.0_f64
    ) {
        let delta = ln_delta.exp();
        let sampled = Participation { rounds, sampling_rate: ln_q.exp() };
        let pld = Accountant::Pld.epsilon(noise, sampled, delta).unwrap();
        let truth = pld.no_less_than.unwrap();
        let full = Participation::full(rounds);
        let mu = (rounds as f64).sqrt() / noise;
        for accountant in Accountant::ALL {
            let claim = accountant.epsilon(noise, sampled, delta).unwrap();
            prop_assert!(claim.epsilon >= truth, "{accountant}: {} < {truth}", claim.epsilon);
            let claim = accountant.epsilon(noise, full, delta).unwrap();
            let reached = crate::gaussian_delta(mu, claim.epsilon).unwrap();
            prop_assert!(reached <= delta * (1.0 + 1e-9), "{accountant}: δ = {reached}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_inverse_is_an_inverse(
        epsilon in 0.05..30.0_f64, rounds in 1_u64..5000, ln_delta in -25.0..-3.0_f64
    ) {
        let (full, delta) = (Participation::full(rounds), ln_delta.exp());
        for accountant in [Accountant::Zcdp, Accountant::Exact] {
            let claim = accountant.noise_for(epsilon, full, delta).unwrap();
            prop_assert!(claim.epsilon <= epsilon);
            let less = accountant.epsilon(claim.noise * (1.0 - 3e-6), full, delta).unwrap();
            prop_assert!(less.epsilon > epsilon, "{accountant}: {} suffices", less.noise);
        }
    }
}
