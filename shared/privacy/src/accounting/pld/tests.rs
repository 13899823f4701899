use super::*;
use crate::gaussian::gaussian_epsilon;
use proptest::prelude::*;

fn full(noise: f64, rounds: u64, delta: f64) -> Interval {
    epsilon(noise, Participation::full(rounds), delta, Precision::Full)
}

/// Without sampling the truth is known, for any number of rounds.
#[test]
fn holds_the_exact_value_where_it_is_known() {
    let cases = [
        (1.0, 1, 1e-5),
        (1.0, 1, 1e-12),
        (4.0, 10, 1e-6),
        (20.0, 1000, 1e-6),
        (50.0, 2000, 1e-10),
        (100.0, 100_000, 1e-8),
        (0.3, 3, 1e-6),
        (300.0, 10, 1e-3),
    ];
    for (noise, rounds, delta) in cases {
        let found = full(noise, rounds, delta);
        let exact = gaussian_epsilon((rounds as f64).sqrt() / noise, delta).unwrap();
        println!("{noise} {rounds} {delta:e}: {exact} in {found:?}");
        assert!(found.low <= exact && exact <= found.high, "{found:?} without {exact}");
        assert!(found.high < exact * (1.0 + 1e-4), "{found:?} above {exact}");
        assert!(found.low > exact * 0.99, "{found:?} below {exact}");
    }
}

/// δ of one round with sampling is known too: q times the Gaussian's at ln(1 + (e^ε - 1)/q).
#[test]
fn holds_the_exact_value_of_one_sampled_round() {
    for (noise, q, delta) in
        [(1.0, 0.1, 1e-5), (0.5, 0.01, 1e-6), (2.0, 0.5, 1e-8), (0.1, 0.3, 1e-6)]
    {
        let sampled = Participation { rounds: 1, sampling_rate: q };
        let found = epsilon(noise, sampled, delta, Precision::Full);
        let inner = gaussian_epsilon(1.0 / noise, delta / q).unwrap();
        let exact = (q * inner.exp_m1()).ln_1p();
        println!("{noise} {q} {delta:e}: {exact} in {found:?}");
        assert!(found.low <= exact && exact <= found.high, "{found:?} without {exact}");
        assert!(found.high - found.low < 0.01 * exact, "{found:?} around {exact}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_tilt_does_not_matter(
        noise in 0.6..4.0_f64, ln_q in -4.0..-0.5_f64, rounds in 1_u64..300, factor in 0.7..1.4_f64
    ) {
        let participation = Participation { rounds, sampling_rate: ln_q.exp() };
        let (renyi, tilt) = rdp::epsilon(noise, participation, 1e-6);
        let round = Round::new(noise, participation, 1e-6);
        let losses = Losses::new(&round, Direction::Remove, step(renyi, rounds, tilt, Precision::Full));
        let at = |tilt: f64| Composed::new(&losses, rounds, tilt).unwrap().epsilon_above(1e-6);
        let (one, other) = (at(tilt / 2.0), at(tilt / 2.0 * factor));
        prop_assert!((one - other).abs() < 1e-5 * one, "{} {}", one, other);
    }
}
