//! What is simulated: the terms of the task, how many nodes, which mix of faults, for how long.

use std::sync::LazyLock;

use ed25519_dalek::SigningKey;
use grid::{Modulus, Q32, Q40};
use privacy::Budget;
use protocol::{
    Policy, Preset,
    coordinator::{Settings, coordinator_id},
};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use version::State;
use wire::{
    AdapterKind, AdapterSpec, CohortTerms, Genesis, ModelHash, NodeId, Precision, Projection,
    Recipe, ServerOptimizer, ServerRule, TrainingOptimizer, Windows,
};

use crate::{effects::Boundary, faults::FaultMix, workload::Masking};

/// Trained parameters: few, so that real cryptography stays cheap; enough for one coordinate per node
/// and some noise.
pub const DIMENSION: usize = 128;
/// Coordinates that stand for a node each: a node's own is 1 in everything that it contributes. In
/// swarms of more nodes than a roster holds, every 64th node shares one.
pub const ONE_HOT: usize = wire::MAX_MEMBERS;
/// b.
pub const MODULUS_BITS: u8 = 20;
/// The loss of version 0 and of every candidate that passes the gate, in millionths of a nat.
pub const LOSS_MICRO: u64 = 4_000_000;
/// The loss of a candidate that does not pass.
pub const BAD_LOSS_MICRO: u64 = 9_000_000;
/// How many nodes the seeds of a campaign have: half of them 4 to 6, one in sixteen 16 or 24.
const SIZES: [usize; 32] = [
    4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 8, 8, 8, 8, 9, 9, 10, 10, 12, 12,
    16, 24,
];
/// One.
const ONE_Q32: u64 = 1 << 32;

/// What a run is made of, besides its seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What goes wrong.
    pub mix: FaultMix,
    /// How many nodes: one of these, drawn by the seed.
    pub sizes: Vec<usize>,
    /// Which masks and seals.
    pub masking: Masking,
    /// How long things go wrong, in virtual milliseconds.
    pub faulty_ms: u32,
    /// Within how much calm after that a version must come, in virtual milliseconds.
    pub calm_ms: u32,
    /// Crashes besides those of the mix: at this edge, once it has been passed so often.
    pub crashes: &'static [(Boundary, u32)],
}

impl Scenario {
    /// The names of all mixes, for [`Scenario::named`], the one that every campaign uses first.
    pub const NAMES: [&str; 3] = ["rough", "stormy", "calm"];

    /// The scenario with the fault mix of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "rough" => Some(Self::rough()),
            "stormy" => Some(Self::stormy()),
            "calm" => Some(Self::calm()),
            _ => None,
        }
    }

    /// The default fault mix over a handful of rounds, small swarms more often than larger ones.
    pub fn rough() -> Self {
        Self {
            name: "rough",
            mix: FaultMix::ROUGH,
            sizes: SIZES.to_vec(),
            masking: Masking::Real,
            faulty_ms: 40_000,
            calm_ms: 120_000,
            crashes: &[],
        }
    }

    /// Far more of everything: hardly a round in which nobody stops.
    pub fn stormy() -> Self {
        Self { name: "stormy", mix: FaultMix::STORMY, ..Self::rough() }
    }

    /// A few rounds in which nothing goes wrong, with eight nodes.
    pub fn calm() -> Self {
        Self {
            name: "calm",
            mix: FaultMix::CALM,
            sizes: vec![8],
            faulty_ms: 25_000,
            ..Self::rough()
        }
    }

    /// The same with so many nodes.
    pub fn sized(self, sizes: &[usize]) -> Self {
        Self { sizes: sizes.to_vec(), ..self }
    }

    /// The same with these masks and seals.
    pub fn masked(self, masking: Masking) -> Self {
        Self { masking, ..self }
    }

    /// The same with these crashes besides.
    pub fn crashing(self, crashes: &'static [(Boundary, u32)]) -> Self {
        Self { crashes, ..self }
    }

    pub(crate) fn draw_size(&self, rng: &mut ChaCha20Rng) -> usize {
        self.sizes[rng.random_range(0..self.sizes.len())]
    }
}

/// The key of a node of a made world.
pub fn node_key(node: usize) -> SigningKey {
    let context = "murmuration swarm node key";
    SigningKey::from_bytes(&blake3::derive_key(context, &(node as u64).to_le_bytes()))
}

/// Its identity.
pub fn node_id(node: usize) -> NodeId {
    NodeId(node_key(node).verifying_key().to_bytes())
}

/// The key of the coordinator of a made world.
pub fn coordinator_key() -> SigningKey {
    SigningKey::from_bytes(&blake3::derive_key("murmuration swarm coordinator key", &[]))
}

/// Version 0.
pub fn initial_state() -> State {
    State::initial(vec![0.0; DIMENSION])
}

/// The task of a made world.
pub fn genesis() -> Genesis {
    GENESIS.clone()
}

static GENESIS: LazyLock<Genesis> = LazyLock::new(make_genesis);

fn make_genesis() -> Genesis {
    Genesis {
        name: "a made world".to_owned(),
        coordinator: coordinator_id(&coordinator_key()),
        base: ModelHash([7; 32]),
        adapter: AdapterSpec {
            kind: AdapterKind::FfaLora,
            rank: 4,
            alpha: 8,
            targets: vec![Projection::Q, Projection::V],
            seed: [3; 32],
        },
        dimension: DIMENSION as u32,
        initial: initial_state().hash(),
    }
}

/// The terms that its coordinator offers: any roster of 4 to 64 does, three honest shares of noise.
pub fn settings() -> Settings {
    SETTINGS.clone()
}

static SETTINGS: LazyLock<Settings> = LazyLock::new(make_settings);

fn make_settings() -> Settings {
    let clip = Q32::from_raw(ONE_Q32);
    let modulus = Modulus::new(u32::from(MODULUS_BITS)).expect("20 bits are a modulus");
    let (scale, noise) = Settings::noise_for(clip, Q32::from_raw(ONE_Q32), 3, modulus, DIMENSION)
        .expect("20 bits have room for 64 nodes of 128 coordinates");
    Settings {
        clip_q32: clip.raw(),
        scale_q32: scale.raw(),
        modulus_bits: MODULUS_BITS,
        noise,
        cohort: CohortTerms {
            survivors_min: 4,
            corrupt_numerator: 1,
            corrupt_denominator: 10,
            dropout_numerator: 1,
            dropout_denominator: 10,
        },
        windows: Windows {
            train_ms: 2_000,
            advertise_ms: 1_000,
            shares_ms: 1_500,
            consistency_ms: 1_500,
            contribute_ms: 2_000,
            survivors_ms: 1_500,
            reveal_ms: 1_500,
        },
        recipe: Recipe {
            steps: 8,
            batch: 4,
            sequence: 64,
            optimizer: TrainingOptimizer::Sgd { momentum_q32: 0 },
            learning_rate_q32: ONE_Q32 / 10,
            precision: Precision::F32,
        },
        server: ServerOptimizer {
            rule: ServerRule::FedAvgM { momentum_q32: ONE_Q32 / 2 },
            learning_rate_q32: ONE_Q32,
        },
        gate_tolerance_q32: ONE_Q32 / 50,
    }
}

/// The policy of its nodes: no lifetime budget, so that a run never ends for lack of one, and a bound
/// on what one round may cost.
pub fn policy() -> Policy {
    let preset = Policy::preset(Preset::None).expect("a preset is a policy");
    Policy {
        lifetime: Budget::Unlimited,
        task: Budget::Unlimited,
        rho_per_round_max: Q40::from_raw(LARGEST_CHARGE_Q40),
        ..preset
    }
}

/// ρ = 1.
const LARGEST_CHARGE_Q40: u64 = 1 << 40;
