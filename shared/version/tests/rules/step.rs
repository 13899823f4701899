//! From sums to states: properties, and what is refused.

use super::terms::{ONE_Q32, plan};
use grid::{GridError, Modulus, Rotation, RotationSeed, pack};
use proptest::prelude::*;
use version::{State, VersionError, mean_update, next_state};
use wire::{Plan, ServerRule};

fn packed(plan: &Plan, values: &[i64]) -> Vec<u8> {
    let modulus = Modulus::new(plan.grid.modulus_bits.into()).unwrap();
    let values: Vec<u32> = values.iter().map(|&value| modulus.from_signed(value)).collect();
    pack(&values, modulus).unwrap()
}

/// The sum of `nodes` nodes that all send `update`, rounded to the grid.
fn sum_of(plan: &Plan, nodes: usize, update: &[f32]) -> Vec<u8> {
    let seed = RotationSeed(plan.grid.rotation_seed);
    let rotated = Rotation::new(seed, update.len()).unwrap().forward(update).unwrap();
    let scale = plan.grid.scale_q32 as f64 / ONE_Q32 as f64;
    let round = |value: &f64| (value * scale).round() as i64 * nodes as i64;
    packed(plan, &rotated.iter().map(round).collect::<Vec<_>>())
}

#[test]
fn the_mean_is_what_everybody_sent() {
    let plan = plan(ServerRule::FedAvg);
    let update = [0.5, -0.25, 0.125, 0.0, 0.75, -0.5];
    for nodes in [1, 4, 7, 64] {
        let mean = mean_update(&plan, nodes, &sum_of(&plan, nodes, &update)).unwrap();
        for (found, expected) in mean.iter().zip(update) {
            assert!((found - expected).abs() < 2e-3, "{nodes} nodes: {found} for {expected}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let good = plan(ServerRule::FedAvg);
    let (state, sum) = (State::initial(vec![0.0; 6]), packed(&good, &[0; 8]));
    let refused = |change: fn(&mut Plan), survivors, sum: &[u8]| {
        let mut plan = good.clone();
        change(&mut plan);
        next_state(&state, &plan, survivors, sum).unwrap_err()
    };
    assert!(next_state(&state, &good, 4, &sum).is_ok());
    assert_eq!(refused(|_| {}, 0, &sum), VersionError::NoSurvivors);
    assert_eq!(refused(|plan| plan.grid.scale_q32 = 0, 4, &sum), VersionError::ZeroScale);
    assert_eq!(
        refused(|plan| plan.dimension = 7, 4, &sum),
        VersionError::Dimension { state: 6, plan: 7 }
    );
    assert_eq!(
        refused(|plan| plan.grid.modulus_bits = 40, 4, &sum),
        VersionError::Grid(GridError::ModulusBits { bits: 40 })
    );
    assert!(matches!(
        refused(|_| {}, 4, &sum[1..]),
        VersionError::Grid(GridError::PackedLength { .. })
    ));
    let endless = State::initial(vec![f32::NAN; 6]);
    assert_eq!(
        next_state(&endless, &good, 4, &sum),
        Err(VersionError::NotFinite { vector: "parameters", index: 0 })
    );
}

proptest! {
    #[test]
    fn a_zero_sum_leaves_parameters_and_still_counts(parameters in prop::collection::vec(-1e3_f32..1e3, 6)) {
        let plan = plan(ServerRule::FedAvg);
        let state = State::initial(parameters);
        let next = next_state(&state, &plan, 4, &packed(&plan, &[0; 8])).unwrap();
        prop_assert_eq!(next.parameters(), state.parameters());
        prop_assert_eq!(next.step(), 1);
        prop_assert_ne!(next.hash(), state.hash());
    }

    /// Integers up to 2^20 and a power-of-two divisor: every float is exact, so sums must be too.
    #[test]
    fn the_mean_is_linear_in_the_sum(
        left in prop::collection::vec(-1_i64 << 16..1 << 16, 16), right in prop::collection::vec(-1_i64 << 16..1 << 16, 16)
    ) {
        let mut plan = plan(ServerRule::FedAvg);
        plan.dimension = 16;
        let mean = |values: &[i64]| mean_update(&plan, 4, &packed(&plan, values)).unwrap();
        let both: Vec<i64> = left.iter().zip(&right).map(|(a, b)| a + b).collect();
        for ((a, b), c) in mean(&left).into_iter().zip(mean(&right)).zip(mean(&both)) {
            prop_assert_eq!(a + b, c);
        }
    }

    #[test]
    fn foreign_sums_and_terms_never_panic(
        sum in prop::collection::vec(any::<u8>(), 0..40), bits: u8, dimension in 0_u32..40, survivors in 0_usize..70, scale_q32: u64, learning_rate_q32: u64, beta1_q32: u64, beta2_q32 in 0..ONE_Q32, tau_q32: u64
    ) {
        let mut plan = plan(ServerRule::FedYogi { beta1_q32, beta2_q32, tau_q32 });
        plan.dimension = dimension;
        plan.grid.modulus_bits = bits;
        plan.grid.scale_q32 = scale_q32;
        plan.server.learning_rate_q32 = learning_rate_q32;
        let state = State::initial(vec![0.0; dimension as usize]);
        if let Ok(next) = next_state(&state, &plan, survivors, &sum) {
            prop_assert!(next.parameters().iter().all(|value| value.is_finite()));
        }
    }
}
