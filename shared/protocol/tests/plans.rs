//! Which plans make a round at all, and which a node's policy lets it join.

mod made;

use grid::{Q32, Q40};
use made::{ONE_Q32, genesis, key, plan};
use protocol::{
    Policy, Preset, Refusal,
    terms::{PlanFault, Terms},
};
use wire::{Checked, CohortTerms, Plan, ServerRule, Windows};

fn read(change: impl FnOnce(&mut Plan)) -> Result<Terms, PlanFault> {
    let mut plan = plan();
    change(&mut plan);
    Terms::read(Checked::sign(plan, &key()), &genesis())
}

fn judge(policy: impl FnOnce(&mut Policy), change: impl FnOnce(&mut Plan)) -> Result<(), Refusal> {
    let mut limits = Policy::preset(Preset::Default).expect("a preset");
    policy(&mut limits);
    limits.judge(&read(change).expect("a plan that makes a round"))
}

#[test]
fn an_honest_plan_makes_a_round_at_the_cost_of_its_noise() {
    // z = 1: ρ = 1/(2·z²), and not below it.
    let rho = read(|_| {}).unwrap().rho.to_f64();
    assert!((0.49..=0.5).contains(&rho), "{rho}");
    // The default preset allows a quarter of ε = 8 (ρ = 1.05) in one round.
    assert!(matches!(judge(|_| {}, |_| {}), Err(Refusal::RoundCost { .. })));
}

#[test]
fn plans_of_another_task_are_faults() {
    type Change = fn(&mut Plan);
    let changes: [(&str, Change); 4] = [
        ("task", |plan| plan.task.0[0] ^= 1),
        ("base model", |plan| plan.base.0[0] ^= 1),
        ("adapter", |plan| plan.adapter.rank = 5),
        ("dimension", |plan| plan.dimension = 999),
    ];
    for (what, change) in changes {
        assert_eq!(read(change).unwrap_err(), PlanFault::NotOfTheTask(what));
    }
}

/// Pitfall 10: a sum that wraps around is no sum.
#[test]
fn a_sum_that_would_wrap_around_is_a_fault() {
    let fault = read(|plan| plan.grid.modulus_bits = 12).unwrap_err();
    assert_eq!(fault, PlanFault::SumDoesNotFit { nodes: 64, bits: 12 });
    let louder = read(|plan| plan.noise.sigma_numerator *= 1000).unwrap_err();
    assert!(matches!(louder, PlanFault::SumDoesNotFit { .. }), "{louder}");
}

/// Such a round would spend everybody's budget on contributions that nobody can receive.
#[test]
fn a_contribution_that_no_message_carries_is_a_fault() {
    let large = |dimension: u32, bits: u8| {
        let mut genesis = genesis();
        genesis.dimension = dimension;
        let mut plan = plan();
        (plan.task, plan.dimension) = (genesis.task(), genesis.dimension);
        plan.grid.modulus_bits = bits;
        Terms::read(Checked::sign(plan, &key()), &genesis).map(drop)
    };
    let most = 4 << 20;
    assert_eq!(large((1 << 20) + 1, 24), Err(PlanFault::TooLarge { bytes: 6 << 20, most }));
    assert_eq!(large(1 << 20, 32), Ok(()));
}

/// Such a round would spend everybody's budget on a sum that nothing can follow from.
#[test]
fn a_server_rule_without_meaning_is_a_fault() {
    let rule = |rule| read(|plan| plan.server.rule = rule).map(drop);
    let tau_q32 = 1;
    let (half, one) = (ONE_Q32 / 2, ONE_Q32);
    let adam =
        |beta1_q32, beta2_q32, tau_q32| ServerRule::FedAdam { beta1_q32, beta2_q32, tau_q32 };
    let yogi =
        |beta1_q32, beta2_q32, tau_q32| ServerRule::FedYogi { beta1_q32, beta2_q32, tau_q32 };
    for meaningless in [
        ServerRule::FedAvgM { momentum_q32: one },
        ServerRule::FedAdagrad { tau_q32: 0 },
        adam(one, half, tau_q32),
        adam(half, u64::MAX, tau_q32),
        yogi(half, half, 0),
    ] {
        assert!(matches!(rule(meaningless), Err(PlanFault::Server(_))), "{meaningless:?}");
    }
    assert_eq!(rule(adam(half, half, tau_q32)), Ok(()));
}

/// Pitfall 9: below σ = 2 the accounting does not hold.
#[test]
fn too_little_noise_is_a_fault() {
    let quiet = |plan: &mut Plan| {
        plan.noise.sigma_numerator = 19;
        plan.noise.sigma_denominator = 10;
    };
    assert!(matches!(read(quiet), Err(PlanFault::TooLittleNoise { .. })));
    assert!(matches!(read(|plan| plan.noise.sigma_denominator = 0), Err(PlanFault::Grid(_))));
}

#[test]
fn cohorts_that_protect_nobody_are_faults() {
    type Change = fn(&mut CohortTerms);
    let third: Change = |cohort| (cohort.corrupt_numerator, cohort.corrupt_denominator) = (1, 3);
    let nothing: Change = |cohort| cohort.corrupt_denominator = 0;
    let everybody: Change = |cohort| cohort.dropout_numerator = 10;
    assert!(matches!(read(|plan| third(&mut plan.cohort)), Err(PlanFault::Cohort(_))));
    assert!(matches!(read(|plan| everybody(&mut plan.cohort)), Err(PlanFault::Cohort(_))));
    assert!(matches!(read(|plan| nothing(&mut plan.cohort)), Err(PlanFault::Grid(_))));
    let few = read(|plan| plan.cohort.survivors_min = 3).unwrap_err();
    assert_eq!(few, PlanFault::Survivors { survivors: 3, honest: 3 });
    let noisy = read(|plan| plan.noise.honest = 6).unwrap_err();
    assert_eq!(noisy, PlanFault::Survivors { survivors: 5, honest: 6 });
    assert!(matches!(read(|plan| plan.noise.honest = 0), Err(PlanFault::Survivors { .. })));
}

/// |U| ≥ n_min and |U| − ⌈γ·|roster|⌉ ≥ n_honest, also where only the second binds.
#[test]
fn survivors_suffice_only_above_both_floors() {
    let terms = read(|plan| plan.cohort.corrupt_denominator = 4).unwrap();
    for roster in 4_usize..=64 {
        let corrupt = roster.div_ceil(4);
        for survivors in 0..=roster {
            let enough = survivors >= 5 && survivors >= corrupt + 3;
            assert_eq!(terms.survivors_suffice(survivors, roster), enough, "{survivors}/{roster}");
            assert_eq!(survivors >= terms.survivors_needed(roster), enough);
        }
    }
}

#[test]
fn a_policy_refuses_what_it_does_not_allow_and_says_which() {
    let wide = |policy: &mut Policy| policy.rho_per_round_max = Q40::MAXIMUM;
    assert_eq!(judge(wide, |_| {}), Ok(()));
    type Narrow = fn(&mut Policy);
    type Check = fn(&Refusal) -> bool;
    let cases: [(Narrow, Check); 10] = [
        (|policy| policy.corrupt_min = (1, 9), |r| matches!(r, Refusal::Corrupt { .. })),
        (|policy| policy.survivors_min = 6, |r| matches!(r, Refusal::Survivors { .. })),
        (
            |policy| policy.clip_max = Q32::from_raw(ONE_Q32 - 1),
            |r| matches!(r, Refusal::Clip { .. }),
        ),
        // z = 1 of three honest shares: each alone has 1/√3 of the norm bound.
        (|policy| policy.own_noise_min = 0.58, |r| matches!(r, Refusal::OwnNoise { .. })),
        (|policy| policy.dimension_max = 999, |r| matches!(r, Refusal::Dimension { .. })),
        (|policy| policy.steps_max = 9, |r| matches!(r, Refusal::Steps { .. })),
        (|policy| policy.batch_tokens_max = 255, |r| matches!(r, Refusal::Batch { .. })),
        (
            |policy| policy.random_window_ms_min = 1001,
            |r| matches!(r, Refusal::RandomWindow { .. }),
        ),
        (|policy| policy.window_ms_max = 999, |r| matches!(r, Refusal::Window { .. })),
        (
            |policy| policy.rho_per_round_max = Q40::from_raw(1 << 38),
            |r| matches!(r, Refusal::RoundCost { .. }),
        ),
    ];
    for (narrow, is_it) in cases {
        let refusal = judge(
            |policy| {
                wide(policy);
                narrow(policy)
            },
            |_| {},
        )
        .unwrap_err();
        assert!(is_it(&refusal), "{refusal}");
    }
}

/// Nobody's machine may fail on terms that somebody else has made up.
#[test]
fn extreme_numbers_are_faults_and_never_panics() {
    let extremes = [0, 1, u64::MAX / 2, u64::MAX];
    for &number in &extremes {
        let _ = read(|plan| plan.grid.clip_q32 = number);
        let _ = read(|plan| plan.grid.scale_q32 = number);
        let _ = read(|plan| plan.noise.sigma_numerator = number);
        let _ = read(|plan| plan.noise.sigma_denominator = number);
        let short = number as u16;
        let _ = read(|plan| plan.noise.honest = short);
        let _ = read(|plan| {
            plan.cohort = CohortTerms {
                survivors_min: short,
                corrupt_numerator: short,
                corrupt_denominator: short,
                dropout_numerator: short,
                dropout_denominator: short,
            }
        });
        let _ = read(|plan| plan.grid.modulus_bits = number as u8);
        let longest = number as u32;
        let windows = Windows {
            train_ms: longest,
            advertise_ms: longest,
            shares_ms: longest,
            consistency_ms: longest,
            contribute_ms: longest,
            survivors_ms: longest,
            reveal_ms: longest,
        };
        let _ =
            judge(|policy| policy.rho_per_round_max = Q40::MAXIMUM, |plan| plan.windows = windows);
    }
}
