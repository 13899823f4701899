//! What is refused or warned about before anything runs, with the number that would work.

use grid::{Q32, Q40};
use model::{Config, GroupRecipe, Optimizer, TrainingRecipe, bytes_a_node};
use wire::{ServerOptimizer, ServerRule};

use super::{Correlation, LocalTerms, MechanismName, OptimizerName, RuleName, Sampling, Scenario};
use crate::federation::correlation::Correlated;
use crate::federation::mechanism::Mechanism;
use crate::federation::sum::SumTerms;
use crate::{Invalid, LearningError};

pub use crate::machine::Machine;

/// A scenario that can run here, with what follows from it.
#[derive(Debug)]
pub struct Checked {
    /// Every node's training.
    pub(crate) recipe: GroupRecipe,
    /// What updates go through.
    pub(crate) mechanism: Mechanism,
    /// Worker threads.
    pub threads: usize,
    /// Most nodes of a group for which there is memory.
    pub group_max: usize,
    /// ε of a node that takes part as often as it can, at the scenario's δ; infinite without noise.
    pub epsilon: f64,
    /// The same against whoever sees each node's own contribution, unmasked and unsummed; infinite where that is the
    /// What a person should know before believing a number.
    pub warnings: Vec<String>,
}

/// Larger groups were never faster.
const LARGEST_GROUP: usize = 64;
/// More threads only wait for each other.
const THREADS_A_CORE: usize = 4;

impl Scenario {
    /// Refuses what cannot work with so many nodes, a model of this shape and this machine; each number by itself has been
    /// looked at before ([`Scenario::check_numbers`]).
    ///
    /// # Errors
    /// [`Invalid`], with the number that would work; what the model or the grid refuses.
    pub(crate) fn check(
        &self,
        config: &Config,
        nodes: usize,
        people: usize,
        machine: &Machine,
    ) -> Result<Checked, LearningError> {
        self.check_schedule()?;
        self.check_cohort(nodes, people)?;
        let spec = self.adapter_spec();
        spec.check()?;
        let recipe = self.recipe_in(1);
        self.check_model(config)?;
        let threads = if self.machine.threads > 0 { self.machine.threads } else { machine.threads };
        let most = THREADS_A_CORE * machine.threads;
        if threads > most {
            return Err(Invalid::Threads { found: threads, most }.into());
        }
        let bytes = |batch: usize| {
            let training = TrainingRecipe { batch, ..recipe.training.clone() };
            bytes_a_node(config, &spec, &GroupRecipe { training, ..recipe.clone() })
        };
        let group_max = self.group_max(&bytes, threads, machine)?;
        for round in 1..=self.rounds {
            server(&self.server_in(round))?;
        }
        let server = server(&self.server)?;
        let (mechanism, rho) = self.mechanism(spec.parameter_count(config), server)?;
        let spent = rho.saturating_mul(self.participations().into());
        let epsilon = privacy::zcdp_epsilon(spent, self.privacy.delta)?;
        let warnings = self.warnings(epsilon, people, nodes)?;
        Ok(Checked { recipe, mechanism, threads, group_max, epsilon, warnings })
    }

    /// How often one node takes part at most.
    pub fn participations(&self) -> u32 {
        match self.cohort.sampling {
            Sampling::Separated { rounds } => self.rounds.div_ceil(rounds.max(1)),
            Sampling::Fixed | Sampling::Poisson => self.rounds,
        }
    }

    /// Most nodes of a group that the memory holds on every thread at once.
    fn group_max(
        &self,
        bytes: &dyn Fn(usize) -> u64,
        threads: usize,
        machine: &Machine,
    ) -> Result<usize, Invalid> {
        let limit = match self.machine.memory_mb {
            0 => machine.free_bytes.map(|bytes| bytes / 5 * 4),
            megabytes => Some(megabytes.saturating_mul(MEGABYTE)),
        };
        let Some(limit) = limit else { return Ok(self.machine.group.max(1)) };
        let (share, batch) = (limit / threads as u64, self.local.batch);
        let fits = (share / bytes(batch).max(1)) as usize;
        let (needed_mb, limit_mb) = (bytes(batch).div_ceil(MEGABYTE), limit / MEGABYTE);
        if fits == 0 {
            let fits = largest_below(batch, |batch| bytes(batch) <= share);
            if fits == 0 {
                return Err(Invalid::Row { needed_mb: bytes(1).div_ceil(MEGABYTE), threads });
            }
            return Err(Invalid::Node { needed_mb, limit_mb: share / MEGABYTE, fits });
        }
        let group = self.machine.group;
        if group > fits {
            let needed_mb = needed_mb * (group * threads) as u64;
            return Err(Invalid::Group { group, threads, needed_mb, limit_mb, fits });
        }
        Ok(if group > 0 { group } else { fits.min(LARGEST_GROUP) })
    }

    /// The mechanism, and what one participation costs.
    fn mechanism(
        &self,
        dimension: usize,
        server: ServerOptimizer,
    ) -> Result<(Mechanism, Q40), LearningError> {
        let terms = &self.privacy;
        self.correlated()?;
        if terms.mechanism == MechanismName::None {
            return Ok((Mechanism::None { clip: terms.clip }, Q40::MAXIMUM));
        }
        let clip = terms.clip.ok_or(Invalid::NoClip)?;
        let noise_multiplier = self.noise_multiplier()? * self.noise_share();
        if self.noise_share() == 0.0 {
            return Ok((Mechanism::None { clip: Some(clip) }, Q40::MAXIMUM));
        }
        if terms.mechanism == MechanismName::Central {
            let correlated = self.correlated()?;
            let mechanism = Mechanism::Central { clip, noise_multiplier, correlated };
            return Ok((mechanism, mechanism.rho_of_one()));
        }
        let sum = SumTerms {
            clip,
            noise_multiplier,
            honest: (((self.cohort.nodes + self.always()) as f64 * terms.honest).floor() as u16)
                .max(1),
            modulus_bits: terms.modulus_bits,
            nodes: self.largest_cohort(),
            server,
        };
        if !sum.fits(dimension) {
            let wider = |bits: &u8| SumTerms { modulus_bits: *bits, ..sum }.fits(dimension);
            let enough = (terms.modulus_bits.saturating_add(1)..=32).find(wider);
            return Err(Invalid::Wraps { nodes: sum.nodes, bits: sum.modulus_bits, enough }.into());
        }
        let mechanism = Mechanism::Distributed(sum);
        Ok((mechanism, mechanism.rho_of_one()))
    }

    /// The correlation of noise that is asked for, if it can be had: its sensitivity is known for who takes part once,
    /// and a canary is looked for in the noise of single rounds.
    fn correlated(&self) -> Result<Option<Correlated>, Invalid> {
        if self.privacy.correlation == Correlation::Independent {
            return Ok(None);
        }
        let possible = self.privacy.mechanism == MechanismName::Central
            && self.participations() == 1
            && self.canaries.is_none();
        let run = Correlated { seed: self.seed, rounds: self.rounds };
        possible.then_some(Some(run)).ok_or(Invalid::Correlation { rounds: self.rounds })
    }

    /// Most contributions in one sum: six standard deviations above the mean of `poisson`.
    fn largest_cohort(&self) -> u32 {
        let (nodes, always) = (self.cohort.nodes as f64, self.always() as u32);
        match self.cohort.sampling {
            Sampling::Poisson => (nodes + 6.0 * nodes.sqrt()).ceil() as u32 + always,
            Sampling::Fixed | Sampling::Separated { .. } => self.cohort.nodes as u32 + always,
        }
    }

    /// ρ of one participation with all the noise that is claimed, whatever is added; none without a claim.
    pub(crate) fn claimed_rho(
        &self,
        dimension: usize,
        server: ServerOptimizer,
    ) -> Result<Option<Q40>, LearningError> {
        let mut honest = self.clone();
        honest.canaries.iter_mut().for_each(|terms| terms.noise_share = 1.0);
        let (_, rho) = honest.mechanism(dimension, server)?;
        Ok((rho < Q40::MAXIMUM).then_some(rho))
    }

    /// z that is claimed; none without a mechanism.
    pub(crate) fn claimed_noise(&self) -> Option<f64> {
        let private = self.privacy.mechanism != MechanismName::None;
        self.noise_multiplier().ok().filter(|_| private)
    }

    fn noise_multiplier(&self) -> Result<f64, LearningError> {
        match (self.privacy.noise_multiplier, self.privacy.epsilon) {
            (Some(multiplier), None) => Ok(multiplier),
            (None, Some(epsilon)) => self.noise_for(epsilon),
            _ => Err(Invalid::NoiseOrEpsilon.into()),
        }
    }

    /// The z for which a node that takes part as often as it can spends `epsilon`.
    fn noise_for(&self, epsilon: f64) -> Result<f64, LearningError> {
        let rho = privacy::zcdp_rho(epsilon, self.privacy.delta)?.to_f64();
        Ok((f64::from(self.participations()) / (2.0 * rho)).sqrt())
    }

    fn warnings(
        &self,
        epsilon: f64,
        people: usize,
        nodes: usize,
    ) -> Result<Vec<String>, LearningError> {
        let mut warnings = Vec::new();
        if self.privacy.mechanism == MechanismName::None {
            warnings.push("mechanism none: no privacy guarantee".to_owned());
            if self.privacy.epsilon.or(self.privacy.noise_multiplier).is_some() {
                warnings.push(
                    "mechanism none adds no noise: privacy.epsilon and noise_multiplier are not used".to_owned(),
                );
            }
        } else if epsilon > privacy::MEANINGFUL_EPSILON {
            let better = (100.0 * self.noise_for(8.0)?).ceil() / 100.0;
            warnings.push(format!(
                "ε would be {epsilon:.1} at δ = {:e}: no meaningful guarantee; privacy.noise_multiplier = {better:.2} \
                 would make it 8",
                self.privacy.delta
            ));
        }
        if let Some(attack) = self.attack {
            let attackers = attack.attackers(nodes);
            warnings.push(format!("{attackers} of {nodes} nodes attack"));
            let honest = 1.0 - attackers as f64 / nodes.max(1) as f64;
            if self.privacy.mechanism == MechanismName::Distributed && self.privacy.honest > honest
            {
                warnings.push(format!(
                    "ε counts on the noise of attackers, who need not add any: privacy.honest = {:.2} would not",
                    (100.0 * honest).floor() / 100.0
                ));
            }
        }
        self.warn_of_aborts(&mut warnings);
        if let Some(canaries) = &self.canaries
            && canaries.noise_share < 1.0
        {
            warnings.push(format!(
                "a control: {} % of the claimed noise is added",
                100.0 * canaries.noise_share
            ));
        }
        if self.data.split != super::SplitName::Users {
            warnings.push(format!(
                "conversations of {people} people are mixed in {nodes} nodes: ε is that of one node, which is nobody; it \
                 bounds no person"
            ));
        } else if nodes > people {
            warnings.push(format!(
                "{people} people are cut into {nodes} nodes: ε is that of one node, not of a person"
            ));
        }
        Ok(warnings)
    }

    /// By chance a cohort can be too small for the noise that is counted on.
    fn warn_of_aborts(&self, warnings: &mut Vec<String>) {
        let drawn = self.cohort.sampling == Sampling::Poisson;
        if !drawn || self.privacy.mechanism != MechanismName::Distributed {
            return;
        }
        // Two standard deviations below the mean: one round in forty.
        let nodes = self.cohort.nodes as f64;
        let most = ((nodes - 2.0 * nodes.sqrt()).max(1.0) / nodes * 100.0).floor() / 100.0;
        if self.privacy.honest > most {
            warnings.push(format!(
                "rounds with fewer than {:.0} nodes end without a result, and poisson sampling draws {} on average: \
                 with privacy.honest = {most:.2} one round in forty does",
                (nodes * self.privacy.honest).floor(),
                self.cohort.nodes
            ));
        }
    }

    /// Every node's training in this round, from 1.
    pub(crate) fn recipe_in(&self, round: u32) -> GroupRecipe {
        let local = self.local_in(round);
        let optimizer = self.optimizer(&local);
        let training = TrainingRecipe {
            steps: local.steps,
            batch: local.batch,
            sequence_length: local.sequence,
            optimizer,
            precision: self.model.precision.into(),
            roles: self.data.roles.clone(),
            seed: 0,
            max_gradient_norm: local.gradient_max,
        };
        GroupRecipe { training, proximal: local.proximal }
    }

    pub(crate) fn optimizer(&self, local: &LocalTerms) -> Optimizer {
        let learning_rate = local.learning_rate;
        match local.optimizer {
            OptimizerName::Sgd { momentum } => Optimizer::Sgd { learning_rate, momentum },
            OptimizerName::Adamw { weight_decay } => Optimizer::AdamW {
                learning_rate,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                weight_decay,
            },
        }
    }

    pub(crate) fn adapter_spec(&self) -> model::AdapterSpec {
        let terms = &self.adapter;
        let seed = *blake3::Hasher::new_derive_key("murmuration 2026-11 simulated adapter")
            .update(&self.seed.to_le_bytes())
            .finalize()
            .as_bytes();
        model::AdapterSpec {
            kind: terms.kind.into(),
            rank: terms.rank,
            alpha: terms.alpha,
            targets: terms.targets.clone(),
            seed,
        }
    }
}

/// In the fixed-point numbers that ship.
pub(crate) fn server(terms: &super::ServerTerms) -> Result<ServerOptimizer, LearningError> {
    let fixed = |value: f64| Ok::<u64, LearningError>(Q32::from_f64_up(value)?.raw());
    let rule = match terms.rule {
        RuleName::FedAvg => ServerRule::FedAvg,
        RuleName::FedAvgM { momentum } => ServerRule::FedAvgM { momentum_q32: fixed(momentum)? },
        RuleName::FedAdagrad { tau } => ServerRule::FedAdagrad { tau_q32: fixed(tau)? },
        RuleName::FedAdam { beta1, beta2, tau } => ServerRule::FedAdam {
            beta1_q32: fixed(beta1)?,
            beta2_q32: fixed(beta2)?,
            tau_q32: fixed(tau)?,
        },
        RuleName::FedYogi { beta1, beta2, tau } => ServerRule::FedYogi {
            beta1_q32: fixed(beta1)?,
            beta2_q32: fixed(beta2)?,
            tau_q32: fixed(tau)?,
        },
    };
    Ok(ServerOptimizer { rule, learning_rate_q32: fixed(terms.learning_rate)? })
}

/// The largest number below `end` that holds, where all smaller ones hold too; 0 if none does.
fn largest_below(end: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut good, mut bad) = (0, end);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if holds(middle) { good = middle } else { bad = middle }
    }
    good
}

const MEGABYTE: u64 = 1 << 20;
