//! Rounds of the real mechanism in one process: clipped, quantised, noised at a recorded charge,
//! summed modulo 2^b, and made the next version by the shipped rule. Only masks and messages, which
//! cancel out, are left away.

use ed25519_dalek::SigningKey;
use grid::{Modulus, Q32, RotationSeed};
use privacy::{Budget, ChargeTerms, Clipped, Grid, Ledger, Limits, Quantized, Release, SavedState};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use version::State;
use wire::{
    AdapterKind, AdapterSpec, CohortTerms, ContentHash, GridTerms, HeaderHash, ModelHash,
    NoiseTerms, Plan, PlanHash, Precision, Recipe, Round, ServerOptimizer, ServerRule, TaskId,
    TrainingOptimizer, VersionNumber, Windows,
};

use crate::LearningError;

/// What an update goes through: the terms of a plan that decide a sum and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mechanism {
    /// L2 clip, parameter units.
    pub clip: f64,
    /// z: the noise of the honest sum, in multiples of the clip.
    pub noise_multiplier: f64,
    /// Honest shares of noise that z counts on.
    pub honest: u16,
    /// b.
    pub modulus_bits: u8,
    /// η of FedAvg.
    pub server_learning_rate: f64,
}

impl Mechanism {
    /// Grid units per parameter unit, and σ in grid units, as a coordinator derives them.
    ///
    /// # Errors
    /// If the grid has no room.
    pub fn scale_and_noise(&self, dimension: usize) -> Result<(Q32, grid::Ratio), LearningError> {
        let (clip, padded) = (Q32::from_f64_up(self.clip)?, grid::padded_dimension(dimension)?);
        let modulus = Modulus::new(self.modulus_bits.into())?;
        let per_clip = self.noise_multiplier / f64::from(self.honest).sqrt();
        let most = wire::MAX_MEMBERS as u32;
        let scale = grid::suggest_scale(modulus, most, clip, per_clip, padded)?;
        let bound = grid::squared_norm_bound(clip, scale, padded)?;
        let multiplier = Q32::from_f64_up(self.noise_multiplier)?;
        Ok((scale, privacy::sigma_for(multiplier, bound, self.honest.into())?))
    }

    /// How many nodes a round would need to give each of them (`epsilon`, `delta`) over `rounds`
    /// rounds, with no more noise in the mean than `nodes` nodes have under this mechanism.
    ///
    /// # Errors
    /// If the grid has no room, or ε or δ has no budget.
    pub fn nodes_needed(
        &self,
        dimension: usize,
        nodes: u32,
        rounds: u32,
        (epsilon, delta): (f64, f64),
    ) -> Result<u64, LearningError> {
        let (scale, sigma) = self.scale_and_noise(dimension)?;
        let noise_tolerated = privacy::mean_noise(sigma, scale, nodes);
        let clip = self.clip;
        let wanted = privacy::NodesNeeded { epsilon, delta, rounds, clip, noise_tolerated };
        Ok(privacy::nodes_needed(&wanted)?)
    }
}

/// The parameters after one round for each number of survivors. `update` gives the raw update of a
/// node from (parameters, round from 0, node).
///
/// # Errors
/// What `update` returns; terms that make no grid; no entropy.
pub fn simulate(
    start: Vec<f32>,
    mechanism: &Mechanism,
    survivors: &[usize],
    mut update: impl FnMut(&[f32], usize, usize) -> Result<Vec<f32>, LearningError>,
) -> Result<Vec<f32>, LearningError> {
    let mut rng = ChaCha20Rng::from_rng(&mut rand::rng());
    let mut state = State::initial(start);
    for (index, &survivors) in survivors.iter().enumerate() {
        let round = RoundTerms::new(mechanism, state.parameters().len(), index, &mut rng)?;
        let mut sum = vec![0; round.grid.padded()];
        for node in 0..survivors {
            let raw = update(state.parameters(), index, node)?;
            let values = round.release(&raw, &mut rng)?;
            round.grid.modulus().add_assign(&mut sum, &values)?;
        }
        let sum = grid::pack(&sum, round.grid.modulus())?;
        state = version::next_state(&state, &round.plan, survivors, &sum)?;
    }
    Ok(state.parameters().to_vec())
}

struct RoundTerms {
    plan: Plan,
    grid: Grid,
    charge: ChargeTerms,
}

impl RoundTerms {
    fn new(
        mechanism: &Mechanism,
        dimension: usize,
        index: usize,
        rng: &mut impl Rng,
    ) -> Result<Self, LearningError> {
        let (scale, sigma) = mechanism.scale_and_noise(dimension)?;
        let clip = Q32::from_f64_up(mechanism.clip)?;
        let modulus = Modulus::new(mechanism.modulus_bits.into())?;
        let mut rotation_seed = [0; 32];
        rng.fill_bytes(&mut rotation_seed);
        let grid = Grid::new(clip, scale, modulus, RotationSeed(rotation_seed), dimension)?;
        let charge = ChargeTerms {
            task: TaskId([0; 32]),
            round: Round(index as u64 + 1),
            plan: PlanHash([0; 32]),
            squared_norm_bound: grid.squared_norm_bound(),
            sigma,
            honest: mechanism.honest.into(),
            padded: u32::try_from(grid.padded()).expect("at most 2^30 coordinates"),
        };
        let plan = plan(mechanism, &grid, rotation_seed, sigma)?;
        Ok(Self { plan, grid, charge })
    }

    /// One node's release, charged to a ledger of its own that lives as long as the release.
    fn release(&self, raw: &[f32], rng: &mut impl Rng) -> Result<Vec<u32>, LearningError> {
        let limits = Limits {
            lifetime: Budget::Unlimited,
            task: Budget::Unlimited,
            largest_charge: grid::Q40::MAXIMUM,
        };
        let key = SigningKey::from_bytes(&[1; 32]);
        let (mut ledger, _) = Ledger::open(&[], key, limits, SavedState::NothingSent, 0)?;
        let charge = ledger.admit(&self.charge)?;
        let update = Quantized::new(Clipped::new(raw, self.grid.clip())?, &self.grid, rng)?;
        let (values, charge) = Release::new(update, charge)?.into_parts();
        // The ledger ends here: there is no file whose durability would matter.
        drop(ledger.record(charge, ContentHash([0; 32]), 0)?);
        Ok(values)
    }
}

/// A plan of which the sum's arithmetic is real; what concerns messages is left empty.
fn plan(
    mechanism: &Mechanism,
    grid: &Grid,
    rotation_seed: [u8; 32],
    sigma: grid::Ratio,
) -> Result<Plan, LearningError> {
    let learning_rate_q32 = Q32::from_f64_up(mechanism.server_learning_rate)?.raw();
    Ok(Plan {
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
            modulus_bits: mechanism.modulus_bits,
            rotation_seed,
        },
        noise: NoiseTerms {
            sigma_numerator: sigma.numerator(),
            sigma_denominator: sigma.denominator(),
            honest: mechanism.honest,
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
        server: ServerOptimizer { rule: ServerRule::FedAvg, learning_rate_q32 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MECHANISM: Mechanism = Mechanism {
        clip: 1.0,
        noise_multiplier: 0.02,
        honest: 6,
        modulus_bits: 20,
        server_learning_rate: 1.0,
    };

    fn length(values: &[f32]) -> f64 {
        values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn updates_of_zero_leave_the_noise_of_the_mean() {
        let dimension = 4096;
        let end =
            simulate(vec![0.0; dimension], &MECHANISM, &[8, 8], |_, _, _| Ok(vec![0.0; dimension]))
                .unwrap();
        let (scale, sigma) = MECHANISM.scale_and_noise(dimension).unwrap();
        let noise = privacy::mean_noise(sigma, scale, 8);
        let expected = noise * (2.0 * dimension as f64).sqrt();
        let ratio = length(&end) / expected;
        // Of 8,192 squares: the length is within 1 % nearly always (standard deviation 0.8 %).
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
    }

    #[test]
    fn a_guarantee_needs_hundreds_of_nodes_where_eight_learn() {
        // rho(8, 1e-6) / 6 = 0.175; the noise of the honest sum, 0.02 clips times sqrt(8/6), over 8.
        let needed = MECHANISM.nodes_needed(4096, 8, 6, (8.0, 1e-6)).unwrap();
        assert!((560..=600).contains(&needed), "{needed}");
    }

    #[test]
    fn a_shared_direction_survives_the_noise_and_the_clip() {
        let dimension = 512;
        let update = vec![1.0; dimension];
        let end =
            simulate(vec![0.0; dimension], &MECHANISM, &[8], |_, _, _| Ok(update.clone())).unwrap();
        let along =
            end.iter().map(|&value| f64::from(value)).sum::<f64>() / (dimension as f64).sqrt();
        assert!((along - 1.0).abs() < 0.1, "{along}");
    }
}
