//! The terms that a coordinator offers, and the plan that they make.

use grid::{Modulus, Q32};
use thiserror::Error;
use version::Chain;
use wire::{CohortTerms, GridTerms, NoiseTerms, Plan, Recipe, Round, ServerOptimizer, Windows};

/// What every plan of a task has in common; the windows are where adaptation starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The L2 clip, in parameter units of 2⁻³².
    pub clip_q32: u64,
    /// Grid units per parameter unit, in 2⁻³².
    pub scale_q32: u64,
    /// b.
    pub modulus_bits: u8,
    /// The noise.
    pub noise: NoiseTerms,
    /// Who must take part.
    pub cohort: CohortTerms,
    /// The first round's windows.
    pub windows: Windows,
    /// What nodes train.
    pub recipe: Recipe,
    /// How the sum becomes a version.
    pub server: ServerOptimizer,
    /// How much worse than the best version a candidate may be, in 2⁻³² of its loss.
    pub gate_tolerance_q32: u64,
}

/// Why settings make no terms.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// The grid has no room, or a number does not fit.
    #[error("the configured clip, noise multiplier and modulus leave no grid: {0}")]
    Grid(#[from] grid::GridError),
    /// The noise cannot be computed.
    #[error("the configured noise: {0}")]
    Noise(#[from] privacy::PrivacyError),
}

impl Settings {
    /// The plan of one round.
    pub(super) fn plan(
        &self,
        chain: &Chain,
        round: Round,
        rotation_seed: [u8; 32],
        windows: Windows,
    ) -> Plan {
        let genesis = chain.genesis();
        Plan {
            task: chain.task(),
            round,
            base: genesis.base,
            head: chain.head(),
            version: chain.version(),
            adapter: genesis.adapter.clone(),
            dimension: genesis.dimension,
            grid: GridTerms {
                clip_q32: self.clip_q32,
                scale_q32: self.scale_q32,
                modulus_bits: self.modulus_bits,
                rotation_seed,
            },
            noise: self.noise,
            cohort: self.cohort,
            windows,
            recipe: self.recipe.clone(),
            server: self.server,
        }
    }

    /// Scale and noise from a clip, a noise multiplier z and a modulus: the finest scale whose
    /// sum fits, then σ = max(z·D2/√n_honest, 2) grid units, rounded up (ARCHITECTURE.md, *The privacy path*).
    ///
    /// # Errors
    /// If the grid has no room for it.
    pub fn noise_for(
        clip: Q32,
        noise_multiplier: Q32,
        honest: u16,
        modulus: Modulus,
        dimension: usize,
    ) -> Result<(Q32, NoiseTerms), SettingsError> {
        let padded = grid::padded_dimension(dimension)?;
        let nodes = wire::MAX_MEMBERS as u32;
        let per_clip = noise_multiplier.to_f64() / f64::from(honest).sqrt();
        let scale = grid::suggest_scale(modulus, nodes, clip, per_clip, padded)?;
        let bound = grid::squared_norm_bound(clip, scale, padded)?;
        let sigma = privacy::sigma_for(noise_multiplier, bound, u32::from(honest))?;
        let noise = NoiseTerms {
            sigma_numerator: sigma.numerator(),
            sigma_denominator: sigma.denominator(),
            honest,
        };
        Ok((scale, noise))
    }
}
