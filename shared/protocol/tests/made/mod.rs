//! A task and a plan, as honest as they come; tests change what they are about.

use ed25519_dalek::SigningKey;
use grid::{Modulus, Q32};
use protocol::coordinator::{Settings, coordinator_id};
use version::State;
use wire::{
    AdapterKind, AdapterSpec, CohortTerms, Genesis, GridTerms, ModelHash, Plan, Precision,
    Projection, Recipe, Round, ServerOptimizer, ServerRule, TrainingOptimizer, VersionNumber,
    Windows,
};

/// Version 0.
pub fn initial() -> State {
    State::initial(vec![0.0; 1000])
}

pub const ONE_Q32: u64 = 1 << 32;

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

pub fn genesis() -> Genesis {
    Genesis {
        name: "test".to_owned(),
        coordinator: coordinator_id(&key()),
        base: ModelHash([1; 32]),
        adapter: AdapterSpec {
            kind: AdapterKind::FfaLora,
            rank: 4,
            alpha: 8,
            targets: vec![Projection::Q],
            seed: [2; 32],
        },
        dimension: 1000,
        initial: initial().hash(),
    }
}

pub fn plan() -> Plan {
    let genesis = genesis();
    let (clip, modulus) = (Q32::from_raw(ONE_Q32), Modulus::new(20).expect("a modulus"));
    let (scale, noise) =
        Settings::noise_for(clip, Q32::from_raw(ONE_Q32), 3, modulus, 1000).expect("there is room");
    Plan {
        task: genesis.task(),
        round: Round(1),
        base: genesis.base,
        head: genesis.head(),
        version: VersionNumber(0),
        adapter: genesis.adapter,
        dimension: genesis.dimension,
        grid: GridTerms {
            clip_q32: clip.raw(),
            scale_q32: scale.raw(),
            modulus_bits: 20,
            rotation_seed: [4; 32],
        },
        noise,
        cohort: CohortTerms {
            survivors_min: 5,
            corrupt_numerator: 1,
            corrupt_denominator: 10,
            dropout_numerator: 1,
            dropout_denominator: 10,
        },
        windows: Windows {
            train_ms: 1000,
            advertise_ms: 1000,
            shares_ms: 1000,
            consistency_ms: 1000,
            contribute_ms: 1000,
            survivors_ms: 1000,
            reveal_ms: 1000,
        },
        recipe: Recipe {
            steps: 10,
            batch: 4,
            sequence: 64,
            optimizer: TrainingOptimizer::Sgd { momentum_q32: 0 },
            learning_rate_q32: ONE_Q32 / 10,
            precision: Precision::F32,
        },
        server: ServerOptimizer { rule: ServerRule::FedAvg, learning_rate_q32: ONE_Q32 },
    }
}
