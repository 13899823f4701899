//! A plan, read: every number of the round that both sides compute alike, so that neither has
//! to believe the other.

use grid::{GridError, Modulus, Q32, Q40, Ratio, RotationSeed, SumShape};
use privacy::{ChargeTerms, Grid};
use secagg::{SecaggError, Thresholds, thresholds};
use thiserror::Error;
use wire::{Checked, Genesis, MAX_MEMBERS, Plan, PlanHash, Round};

/// The smallest roster (ARCHITECTURE.md, *A round*: thresholds).
pub const ROSTER_MIN: usize = 4;

/// The smallest σ of a node, in grid units: below it the sum of discrete Gaussians is no longer
/// close to one (Kairouz, Liu & Steinke 2021, arXiv:2102.06387, theorem 1).
pub const SIGMA_MIN: u64 = 2;

/// Why a plan makes no round, whatever the policy.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PlanFault {
    /// Made for another task, base model, adapter or dimension than the genesis fixes.
    #[error("the plan's {0} is not the one of the task's genesis")]
    NotOfTheTask(&'static str),
    /// A number of the grid makes no sense.
    #[error("the plan's grid: {0}")]
    Grid(GridError),
    /// γ and dropout make no threshold.
    #[error("the plan's cohort: {0}")]
    Cohort(SecaggError),
    /// The noise is below what the accounting holds for.
    #[error("the plan's noise of {sigma} grid units is below {SIGMA_MIN}")]
    TooLittleNoise {
        /// σ in grid units.
        sigma: Ratio,
    },
    /// The sum would wrap around.
    #[error(
        "a sum of {nodes} contributions does not fit {bits} bits with the plan's scale and noise"
    )]
    SumDoesNotFit {
        /// The most contributions.
        nodes: u32,
        /// b.
        bits: u32,
    },
    /// No message can carry the contribution.
    #[error(
        "the plan's contributions of {bytes} bytes do not fit a message of {most}: fewer parameters, or fewer bits"
    )]
    TooLarge {
        /// Bytes of the packed values.
        bytes: usize,
        /// Bytes that a message carries.
        most: usize,
    },
    /// Fewer survivors than honest shares, or fewer than a roster must have.
    #[error(
        "the plan asks for {survivors} survivors with {honest} honest shares of noise: it needs at least {ROSTER_MIN} survivors and no more honest shares than survivors"
    )]
    Survivors {
        /// The fewest survivors.
        survivors: u16,
        /// Honest noise shares.
        honest: u16,
    },
    /// The server's rule has terms without a meaning: no version could follow from the sum.
    #[error("the plan's server rule: {0}")]
    Server(version::VersionError),
    /// The cost cannot be computed.
    #[error("the plan's cost: {0}")]
    Cost(privacy::PrivacyError),
}

/// A checked plan with what follows from it.
#[derive(Clone, Debug)]
pub struct Terms {
    plan: Checked<Plan>,
    /// The shared grid.
    pub grid: Grid,
    /// σ in grid units.
    pub sigma: Ratio,
    corrupt: Ratio,
    dropout: Ratio,
    /// What one contribution costs a node.
    pub charge: ChargeTerms,
    /// Its zCDP parameter ρ, rounded up.
    pub rho: Q40,
}

impl Terms {
    /// Computes everything from a plan of this task.
    pub fn read(plan: Checked<Plan>, genesis: &Genesis) -> Result<Self, PlanFault> {
        check_task(&plan, genesis)?;
        let grid = read_grid(&plan)?;
        let noise = plan.noise;
        let sigma =
            Ratio::new(noise.sigma_numerator, noise.sigma_denominator).map_err(PlanFault::Grid)?;
        if !sigma.at_least(SIGMA_MIN) {
            return Err(PlanFault::TooLittleNoise { sigma });
        }
        let (corrupt, dropout) = check_cohort(&plan)?;
        check_room(&grid, sigma)?;
        check_length(&grid)?;
        version::check_server(plan.server).map_err(PlanFault::Server)?;
        let charge = ChargeTerms {
            task: plan.task,
            round: plan.round,
            plan: plan.hash(),
            squared_norm_bound: grid.squared_norm_bound(),
            sigma,
            honest: u32::from(noise.honest),
            padded: grid.padded() as u32,
        };
        let rho = charge.rho().map_err(PlanFault::Cost)?;
        Ok(Self { plan, grid, sigma, corrupt, dropout, charge, rho })
    }

    /// The signed plan.
    pub fn plan(&self) -> &Checked<Plan> {
        &self.plan
    }

    /// The hash that names the plan.
    pub fn plan_hash(&self) -> PlanHash {
        self.plan.hash()
    }

    /// Which round.
    pub fn round(&self) -> Round {
        self.plan.round
    }

    /// The share threshold for a roster of this size.
    pub fn thresholds(&self, members: usize) -> Result<Thresholds, SecaggError> {
        thresholds(members, self.corrupt, self.dropout)
    }

    /// Whether so many survivors out of a roster are enough for the charge to hold: at least
    /// n_min, and after taking away every corrupt member still n_honest.
    pub fn survivors_suffice(&self, survivors: usize, roster: usize) -> bool {
        let cohort = &self.plan.cohort;
        let corrupt = corrupt_members(&self.plan, roster);
        let honest = usize::from(self.plan.noise.honest);
        survivors >= usize::from(cohort.survivors_min)
            && survivors.saturating_sub(corrupt) >= honest
    }

    /// ⌊γ·|roster|⌋: how many members of a roster may lie.
    pub fn corrupt_most(&self, roster: usize) -> usize {
        let cohort = &self.plan.cohort;
        usize::from(cohort.corrupt_numerator) * roster / usize::from(cohort.corrupt_denominator)
    }

    /// The fewest survivors for a roster of this size.
    pub fn survivors_needed(&self, roster: usize) -> usize {
        let honest = usize::from(self.plan.noise.honest) + corrupt_members(&self.plan, roster);
        honest.max(usize::from(self.plan.cohort.survivors_min))
    }
}

/// ⌈γ·|roster|⌉.
fn corrupt_members(plan: &Plan, roster: usize) -> usize {
    let cohort = &plan.cohort;
    let numerator = usize::from(cohort.corrupt_numerator) * roster;
    numerator.div_ceil(usize::from(cohort.corrupt_denominator))
}

fn check_task(plan: &Plan, genesis: &Genesis) -> Result<(), PlanFault> {
    let same = [
        (plan.task == genesis.task(), "task"),
        (plan.base == genesis.base, "base model"),
        (plan.adapter == genesis.adapter, "adapter"),
        (plan.dimension == genesis.dimension, "dimension"),
    ];
    match same.iter().find(|(equal, _)| !equal) {
        Some((_, what)) => Err(PlanFault::NotOfTheTask(what)),
        None => Ok(()),
    }
}

fn read_grid(plan: &Plan) -> Result<Grid, PlanFault> {
    let terms = &plan.grid;
    let modulus = Modulus::new(u32::from(terms.modulus_bits)).map_err(PlanFault::Grid)?;
    let (clip, scale) = (Q32::from_raw(terms.clip_q32), Q32::from_raw(terms.scale_q32));
    let seed = RotationSeed(terms.rotation_seed);
    Grid::new(clip, scale, modulus, seed, plan.dimension as usize).map_err(PlanFault::Cost)
}

/// γ and the tolerated dropout.
fn fractions(plan: &Plan) -> Result<(Ratio, Ratio), GridError> {
    let cohort = &plan.cohort;
    let of = |numerator, denominator| Ratio::new(u64::from(numerator), u64::from(denominator));
    let corrupt = of(cohort.corrupt_numerator, cohort.corrupt_denominator)?;
    let dropout = of(cohort.dropout_numerator, cohort.dropout_denominator)?;
    Ok((corrupt, dropout))
}

fn check_cohort(plan: &Plan) -> Result<(Ratio, Ratio), PlanFault> {
    let (corrupt, dropout) = fractions(plan).map_err(PlanFault::Grid)?;
    thresholds(MAX_MEMBERS, corrupt, dropout).map_err(PlanFault::Cohort)?;
    let (survivors, honest) = (plan.cohort.survivors_min, plan.noise.honest);
    if usize::from(survivors) < ROSTER_MIN || honest == 0 || honest > survivors {
        return Err(PlanFault::Survivors { survivors, honest });
    }
    Ok((corrupt, dropout))
}

/// What is charged must be able to arrive.
fn check_length(grid: &Grid) -> Result<(), PlanFault> {
    let (bytes, most) = (grid::packed_length(grid.padded(), grid.modulus()), CONTRIBUTION_MAX);
    if bytes > most { Err(PlanFault::TooLarge { bytes, most }) } else { Ok(()) }
}

/// Bytes of a contribution, without the room that its message leaves for what stands around them.
const CONTRIBUTION_MAX: usize = <wire::Contribution as wire::Signable>::LIMIT - 256;

fn check_room(grid: &Grid, sigma: Ratio) -> Result<(), PlanFault> {
    let nodes = MAX_MEMBERS as u32;
    let shape = SumShape {
        modulus: grid.modulus(),
        nodes,
        padded: grid.padded(),
        squared_norm_bound: grid.squared_norm_bound(),
        sigma,
    };
    if grid::sum_fits(&shape) {
        return Ok(());
    }
    Err(PlanFault::SumDoesNotFit { nodes, bits: grid.modulus().bits() })
}
