use proptest::prelude::*;

use super::*;

/// One row of golden/accounting.csv.
struct Row {
    noise: f64,
    participation: Participation,
    delta: f64,
    zcdp: Option<f64>,
    exact: Option<f64>,
}

fn golden() -> Vec<Row> {
    let lines = include_str!("../../golden/accounting.csv").lines();
    lines.filter(|line| !line.starts_with(['#', 'q'])).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<Option<f64>> = line.split(',').map(|cell| cell.parse().ok()).collect();
    let [q, sigma, steps, delta, zcdp, exact, ..] = cells[..] else { panic!("{line}") };
    let participation = Participation { rounds: steps.unwrap() as u64, sampling_rate: q.unwrap() };
    Row { noise: sigma.unwrap(), participation, delta: delta.unwrap(), zcdp, exact }
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

/// privacy.md 4.4: ε = 8 over ten rounds needs z = 2.180 by zCDP and 2.065 exactly.
#[test]
fn the_inverse_equals_the_reference() {
    let full = Participation::full(10);
    for (accountant, noise) in [(Accountant::Zcdp, 2.180), (Accountant::Exact, 2.065)] {
        let claim = accountant.noise_for(8.0, full, 1e-6).unwrap();
        assert!((claim.noise - noise).abs() < 1e-3, "{accountant}: {}", claim.noise);
        assert!(claim.epsilon <= 8.0 && claim.epsilon > 7.999);
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
