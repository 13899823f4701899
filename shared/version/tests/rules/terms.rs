//! A plan for tests: the parts that do not matter here, filled in.

use wire::{
    AdapterKind, AdapterSpec, CohortTerms, GridTerms, HeaderHash, ModelHash, NoiseTerms, Plan,
    Precision, Projection, Recipe, Round, ServerOptimizer, ServerRule, TaskId, TrainingOptimizer,
    VersionNumber, Windows,
};

pub const ONE_Q32: u64 = 1 << 32;

pub fn adapter() -> AdapterSpec {
    AdapterSpec {
        kind: AdapterKind::FfaLora,
        rank: 8,
        alpha: 16,
        targets: vec![Projection::Q, Projection::V],
        seed: [4; 32],
    }
}

pub fn plan(rule: ServerRule) -> Plan {
    Plan {
        task: TaskId([1; 32]),
        round: Round(1),
        base: ModelHash([2; 32]),
        head: HeaderHash([3; 32]),
        version: VersionNumber(0),
        adapter: adapter(),
        dimension: 6,
        grid: GridTerms {
            clip_q32: ONE_Q32,
            scale_q32: 1024 * ONE_Q32,
            modulus_bits: 20,
            rotation_seed: [5; 32],
        },
        noise: NoiseTerms { sigma_numerator: 2, sigma_denominator: 1, honest: 4 },
        cohort: CohortTerms {
            survivors_min: 4,
            corrupt_numerator: 1,
            corrupt_denominator: 4,
            dropout_numerator: 1,
            dropout_denominator: 4,
        },
        windows: Windows {
            train_ms: 1,
            advertise_ms: 1,
            shares_ms: 1,
            consistency_ms: 1,
            contribute_ms: 1,
            survivors_ms: 1,
            reveal_ms: 1,
        },
        recipe: Recipe {
            steps: 1,
            batch: 1,
            sequence: 8,
            optimizer: TrainingOptimizer::Sgd { momentum_q32: 0 },
            learning_rate_q32: ONE_Q32,
            precision: Precision::F32,
        },
        server: ServerOptimizer { rule, learning_rate_q32: ONE_Q32 },
    }
}
