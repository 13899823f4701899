//! One sum of the real mechanism in one process: clipped, quantised, noised at a recorded charge, summed modulo 2^b,
//! and made the next version by the shipped rule. Only masks and messages, which cancel out, are left away.

use ed25519_dalek::SigningKey;
use grid::{Modulus, Q32, Q40, Ratio, RotationSeed, SumShape};
use privacy::{Budget, ChargeTerms, Clipped, Grid, Ledger, Limits, Quantized, Release, SavedState};
use rand::Rng;
use version::State;
use wire::{
    AdapterKind, AdapterSpec, CohortTerms, ContentHash, GridTerms, HeaderHash, ModelHash,
    NoiseTerms, Plan, PlanHash, Precision, Recipe, Round, ServerOptimizer, TaskId,
    TrainingOptimizer, VersionNumber, Windows,
};

use crate::LearningError;

/// What decides a sum and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SumTerms {
    /// L2 clip, parameter units.
    pub(crate) clip: f64,
    /// z: the noise of the honest sum, in multiples of the clip.
    pub(crate) noise_multiplier: f64,
    /// Honest shares of noise that z counts on.
    pub(crate) honest: u16,
    /// b.
    pub(crate) modulus_bits: u8,
    /// Most contributions in a sum.
    pub(crate) nodes: u32,
    /// What follows from the mean.
    pub(crate) server: ServerOptimizer,
}

impl SumTerms {
    /// Grid units per parameter unit, and σ in grid units, as a coordinator derives them.
    pub(crate) fn scale_and_noise(&self, dimension: usize) -> Result<(Q32, Ratio), LearningError> {
        let (clip, padded) = (Q32::from_f64_up(self.clip)?, grid::padded_dimension(dimension)?);
        let modulus = Modulus::new(self.modulus_bits.into())?;
        let per_clip = self.noise_multiplier / f64::from(self.honest).sqrt();
        let scale = grid::suggest_scale(modulus, self.nodes, clip, per_clip, padded)?;
        let bound = grid::squared_norm_bound(clip, scale, padded)?;
        let multiplier = Q32::from_f64_up(self.noise_multiplier)?;
        Ok((scale, privacy::sigma_for(multiplier, bound, self.honest.into())?))
    }

    /// Whether the sum has room in 2^b with the least σ that the accounting allows.
    pub(crate) fn fits(&self, dimension: usize) -> bool {
        let shape = || -> Result<SumShape, LearningError> {
            let (scale, sigma) = self.scale_and_noise(dimension)?;
            let (clip, padded) = (Q32::from_f64_up(self.clip)?, grid::padded_dimension(dimension)?);
            let squared_norm_bound = grid::squared_norm_bound(clip, scale, padded)?;
            let modulus = Modulus::new(self.modulus_bits.into())?;
            Ok(SumShape { modulus, nodes: self.nodes, padded, squared_norm_bound, sigma })
        };
        shape().is_ok_and(|shape| grid::sum_fits(&shape))
    }
}

/// The terms of one round: a plan of which the sum's arithmetic is real.
pub(crate) struct RoundTerms {
    plan: Plan,
    grid: Grid,
    charge: ChargeTerms,
}

impl RoundTerms {
    /// Round `round` counts from 1.
    pub(crate) fn new(
        terms: &SumTerms,
        dimension: usize,
        round: u64,
        rng: &mut impl Rng,
    ) -> Result<Self, LearningError> {
        let (scale, sigma) = terms.scale_and_noise(dimension)?;
        let clip = Q32::from_f64_up(terms.clip)?;
        let modulus = Modulus::new(terms.modulus_bits.into())?;
        let mut rotation_seed = [0; 32];
        rng.fill_bytes(&mut rotation_seed);
        let grid = Grid::new(clip, scale, modulus, RotationSeed(rotation_seed), dimension)?;
        let charge = ChargeTerms {
            task: TaskId([0; 32]),
            round: Round(round),
            plan: PlanHash([0; 32]),
            squared_norm_bound: grid.squared_norm_bound(),
            sigma,
            honest: terms.honest.into(),
            padded: u32::try_from(grid.padded()).expect("at most 2^30 coordinates"),
        };
        let plan = plan(terms, &grid, rotation_seed, sigma);
        Ok(Self { plan, grid, charge })
    }

    /// A sum of nobody.
    pub(crate) fn empty_sum(&self) -> Vec<u32> {
        vec![0; self.grid.padded()]
    }

    /// Clips, rotates, rounds, adds the noise of a key, and adds up modulo 2^b; returns what it cost the node.
    pub(crate) fn add(
        &self,
        sum: &mut [u32],
        raw: &[f32],
        rng: &mut impl Rng,
        noise: &[u8; 32],
    ) -> Result<Q40, LearningError> {
        let (values, rho) = self.release(raw, rng, noise)?;
        self.grid.modulus().add_assign(sum, &values)?;
        Ok(rho)
    }

    /// The state that follows from the sum by the shipped rule.
    pub(crate) fn next_state(
        &self,
        state: &State,
        survivors: usize,
        sum: &[u32],
    ) -> Result<State, LearningError> {
        let packed = grid::pack(sum, self.grid.modulus())?;
        Ok(version::next_state(state, &self.plan, survivors, &packed)?)
    }

    /// One node's release, charged to a ledger of its own that lives as long as the release.
    #[expect(
        clippy::disallowed_methods,
        reason = "a simulation must be made again from its record"
    )]
    fn release(
        &self,
        raw: &[f32],
        rng: &mut impl Rng,
        noise: &[u8; 32],
    ) -> Result<(Vec<u32>, Q40), LearningError> {
        let limits = Limits {
            lifetime: Budget::Unlimited,
            task: Budget::Unlimited,
            largest_charge: Q40::MAXIMUM,
        };
        let key = SigningKey::from_bytes(&[1; 32]);
        let (mut ledger, _) = Ledger::open(&[], key, limits, SavedState::NothingSent, 0)?;
        let charge = ledger.admit(&self.charge)?;
        let rho = charge.rho();
        let update = Quantized::new(Clipped::new(raw, self.grid.clip())?, &self.grid, rng)?;
        let (values, charge) = Release::with_key(update, charge, noise)?.into_parts();
        // The ledger ends here: there is no file whose durability would matter.
        drop(ledger.record(charge, ContentHash([0; 32]), 0)?);
        Ok((values, rho))
    }
}

/// A plan of which the sum's arithmetic is real; what concerns messages is left empty.
fn plan(terms: &SumTerms, grid: &Grid, rotation_seed: [u8; 32], sigma: grid::Ratio) -> Plan {
    Plan {
        task: TaskId([0; 32]),
        round: Round(1),
        base: ModelHash([0; 32]),
        head: HeaderHash([0; 32]),
        version: VersionNumber(0),
        adapter: AdapterSpec {
            kind: AdapterKind::FfaLora,
            rank: 1,
            alpha: 1,
            targets: Vec::new(),
            seed: [0; 32],
        },
        dimension: u32::try_from(grid.dimension()).expect("at most 2^30 coordinates"),
        grid: GridTerms {
            clip_q32: grid.clip().raw(),
            scale_q32: grid.scale().raw(),
            modulus_bits: terms.modulus_bits,
            rotation_seed,
        },
        noise: NoiseTerms {
            sigma_numerator: sigma.numerator(),
            sigma_denominator: sigma.denominator(),
            honest: terms.honest,
        },
        cohort: CohortTerms {
            survivors_min: 0,
            corrupt_numerator: 0,
            corrupt_denominator: 1,
            dropout_numerator: 0,
            dropout_denominator: 1,
        },
        windows: Windows {
            train_ms: 0,
            advertise_ms: 0,
            shares_ms: 0,
            consistency_ms: 0,
            contribute_ms: 0,
            survivors_ms: 0,
            reveal_ms: 0,
        },
        recipe: Recipe {
            steps: 0,
            batch: 0,
            sequence: 0,
            optimizer: TrainingOptimizer::AdamW { weight_decay_q32: 0 },
            learning_rate_q32: 0,
            precision: Precision::F32,
        },
        server: terms.server,
    }
}
