//! From the operator's configuration to the terms that every plan offers.

use anyhow::{Context as _, bail};
use ed25519_dalek::SigningKey;
use grid::{Modulus, Q32, Q40};
use protocol::{
    Coordinator, Time,
    coordinator::{Conduct, CoordinatorStart, Effect, Event, Input, Record, Settings},
    terms::{ROSTER_MIN, Terms},
};
use version::{Chain, State};
use wire::{
    AdapterSpec, CohortTerms, Genesis, MAX_MEMBERS, Recipe, ServerOptimizer, ServerRule,
    TrainingOptimizer, Windows,
};

use crate::config::{
    AdapterConfig, AdapterKind, CoordinatorConfig, Optimizer, Precision, Rule, WindowsConfig,
};

/// The adapter of a new task; `seed` draws its frozen factors.
///
/// # Errors
/// If a projection is named twice.
pub fn adapter(config: &AdapterConfig, seed: [u8; 32]) -> anyhow::Result<AdapterSpec> {
    let mut targets = config.targets.clone();
    targets.sort();
    if targets.windows(2).any(|pair| pair[0] == pair[1]) {
        bail!("`targets` under [adapter] names a projection twice: name each once");
    }
    let kind = match config.kind {
        AdapterKind::FfaLora => wire::AdapterKind::FfaLora,
        AdapterKind::Lora => wire::AdapterKind::Lora,
    };
    Ok(AdapterSpec { kind, rank: config.rank, alpha: config.alpha, targets, seed })
}

/// What every plan of the task has in common.
///
/// # Errors
/// If clip, noise multiplier and modulus leave no grid for so many parameters.
pub fn settings(config: &CoordinatorConfig, dimension: u32) -> anyhow::Result<Settings> {
    let privacy = &config.privacy;
    let (clip, noise_multiplier) = (privacy.clip.get(), privacy.noise_multiplier.get());
    let clip = Q32::from_f64_down(clip).context("`clip` under [privacy]")?;
    let noise_multiplier =
        Q32::from_f64_up(noise_multiplier).context("`noise_multiplier` under [privacy]")?;
    let modulus =
        Modulus::new(u32::from(privacy.modulus_bits)).context("`modulus_bits` under [privacy]")?;
    if privacy.honest == 0 {
        bail!("`honest` under [privacy] is 0: the cost counts on the noise of at least one node");
    }
    let (scale, noise) =
        Settings::noise_for(clip, noise_multiplier, privacy.honest, modulus, dimension as usize)
            .context("[privacy]: use more `modulus_bits`, or less `noise_multiplier`")?;
    let (corrupt_numerator, corrupt_denominator) = privacy.corrupt.parts();
    let (dropout_numerator, dropout_denominator) = privacy.dropout.parts();
    Ok(Settings {
        clip_q32: clip.raw(),
        scale_q32: scale.raw(),
        modulus_bits: privacy.modulus_bits,
        noise,
        cohort: CohortTerms {
            survivors_min: privacy.survivors_min,
            corrupt_numerator,
            corrupt_denominator,
            dropout_numerator,
            dropout_denominator,
        },
        windows: windows(&config.windows),
        recipe: recipe(config),
        server: ServerOptimizer {
            rule: rule(config.server.rule),
            learning_rate_q32: config.server.learning_rate.to_q32(),
        },
        gate_tolerance_q32: config.gate.tolerance.to_q32(),
    })
}

/// Whether rounds can be made of the configuration at all: signs a plan with the shipped machine,
/// sends it nowhere, and reads it as a node would. What one contribution costs: ρ.
///
/// # Errors
/// If a node would find a fault in the plan, whatever its policy; or if `members_min` nodes are
/// never enough.
pub fn rehearse(
    config: &CoordinatorConfig,
    genesis: &Genesis,
    key: &SigningKey,
    state: State,
) -> anyhow::Result<Q40> {
    let members_min = usize::from(config.round.members_min);
    if !(ROSTER_MIN..=MAX_MEMBERS).contains(&members_min) {
        bail!(
            "`members_min` under [round] is {members_min}: a roster has {ROSTER_MIN} to {MAX_MEMBERS} members"
        );
    }
    let start = CoordinatorStart {
        key: key.clone(),
        settings: settings(config, genesis.dimension)?,
        chain: Chain::new(genesis.clone()),
        state,
        base_loss_micro: 0,
        round: None,
        heads: Vec::new(),
        conduct: Conduct::default(),
    };
    let mut effects = Vec::new();
    let mut machine = Coordinator::start(start, Time(0), &mut effects);
    machine.handle(Input::Begin { rotation_seed: [0; 32] }, Time(0), &mut effects);
    for effect in effects {
        match effect {
            Effect::Report(Event::Unplannable(fault)) => {
                return Err(fault).context("the configuration makes no round");
            }
            Effect::Persist(Record::Round(transcript)) => {
                let plan = transcript.plan.check(genesis.coordinator)?;
                return enough(&Terms::read(plan, genesis)?, members_min);
            }
            _ => {}
        }
    }
    bail!("the configuration makes no round")
}

fn enough(terms: &Terms, members_min: usize) -> anyhow::Result<Q40> {
    let needed = terms.survivors_needed(members_min);
    if needed > members_min {
        bail!(
            "`members_min` under [round] is {members_min}, but of so many {needed} would have to survive: raise it, or lower `survivors_min`, `honest` or `corrupt` under [privacy]"
        );
    }
    // Whoever is present when a round begins makes its roster, so that every size must do.
    for members in members_min..=MAX_MEMBERS {
        terms.thresholds(members).with_context(|| {
            format!("`dropout` or `corrupt` under [privacy] makes a roster of {members} impossible (1/6 and 1/10 suit every size)")
        })?;
    }
    Ok(terms.rho)
}

fn windows(config: &WindowsConfig) -> Windows {
    Windows {
        train_ms: config.train_s.to_ms(),
        advertise_ms: config.advertise_s.to_ms(),
        shares_ms: config.shares_s.to_ms(),
        consistency_ms: config.consistency_s.to_ms(),
        contribute_ms: config.contribute_s.to_ms(),
        survivors_ms: config.survivors_s.to_ms(),
        reveal_ms: config.reveal_s.to_ms(),
    }
}

fn recipe(config: &CoordinatorConfig) -> Recipe {
    let training = &config.training;
    Recipe {
        steps: training.steps,
        batch: training.batch,
        sequence: training.sequence,
        optimizer: match training.optimizer {
            Optimizer::Sgd { momentum } => {
                TrainingOptimizer::Sgd { momentum_q32: momentum.to_q32() }
            }
            Optimizer::AdamW { weight_decay } => {
                TrainingOptimizer::AdamW { weight_decay_q32: weight_decay.to_q32() }
            }
        },
        learning_rate_q32: training.learning_rate.to_q32(),
        precision: match training.precision {
            Precision::F32 => wire::Precision::F32,
            Precision::Bf16 => wire::Precision::Bf16,
        },
    }
}

fn rule(rule: Rule) -> ServerRule {
    match rule {
        Rule::FedAvg => ServerRule::FedAvg,
        Rule::FedAvgM { momentum } => ServerRule::FedAvgM { momentum_q32: momentum.to_q32() },
        Rule::FedAdagrad { tau } => ServerRule::FedAdagrad { tau_q32: tau.to_q32() },
        Rule::FedAdam { beta1, beta2, tau } => ServerRule::FedAdam {
            beta1_q32: beta1.to_q32(),
            beta2_q32: beta2.to_q32(),
            tau_q32: tau.to_q32(),
        },
        Rule::FedYogi { beta1, beta2, tau } => ServerRule::FedYogi {
            beta1_q32: beta1.to_q32(),
            beta2_q32: beta2.to_q32(),
            tau_q32: tau.to_q32(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use protocol::coordinator::coordinator_id;
    use wire::ModelHash;

    use super::*;

    const DIMENSION: u32 = 1000;

    fn config(change: &str, to: &str) -> CoordinatorConfig {
        let shipped = include_str!("../../configs/coordinator.toml");
        assert!(change.is_empty() || shipped.contains(change), "{change} stands in the file");
        program::parse_toml(&shipped.replace(change, to), Path::new("coordinator.toml")).unwrap()
    }

    fn rehearsed(config: &CoordinatorConfig) -> anyhow::Result<Q40> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let state = State::initial(vec![0.0; DIMENSION as usize]);
        let genesis = Genesis {
            name: "test".into(),
            coordinator: coordinator_id(&key),
            base: ModelHash([1; 32]),
            adapter: adapter(&config.adapter, [2; 32]).unwrap(),
            dimension: DIMENSION,
            initial: state.hash(),
        };
        rehearse(config, &genesis, &key, state)
    }

    #[test]
    fn the_shipped_configuration_makes_rounds_at_about_the_stated_cost() {
        let rho = rehearsed(&config("members_min = 4", "members_min = 5")).unwrap().to_f64();
        let stated = 1.0 / (2.0 * 2.2 * 2.2);
        assert!(rho >= 0.99 * stated && rho < 1.1 * stated, "{rho} is not about {stated}");
    }

    #[test]
    fn what_makes_no_round_is_refused_with_the_key() {
        for (change, to, names) in [
            ("\nmembers_min = 4", "\nmembers_min = 3", "`members_min`"),
            ("\nmembers_min = 4", "\nmembers_min = 65", "`members_min`"),
            ("\nhonest = 3", "\nhonest = 0", "`honest`"),
            ("\nhonest = 3", "\nhonest = 4", "`members_min`"),
            ("\nsurvivors_min = 4", "\nsurvivors_min = 3", "survivors"),
            ("\ncorrupt = \"1/10\"", "\ncorrupt = \"1/2\"", "cohort"),
            ("\ndropout = \"1/6\"", "\ndropout = \"3/10\"", "a roster of 4 impossible"),
            ("\nmodulus_bits = 20", "\nmodulus_bits = 40", "`modulus_bits`"),
            ("\nmodulus_bits = 20", "\nmodulus_bits = 8", "does not fit 8 bits"),
        ] {
            let error = rehearsed(&config(change, to)).unwrap_err();
            assert!(format!("{error:#}").contains(names), "{to}: {error:#}");
        }
    }

    #[test]
    fn a_projection_is_adapted_once() {
        let twice = config("targets = [\"q\", \"v\"]", "targets = [\"q\", \"v\", \"q\"]");
        assert!(adapter(&twice.adapter, [0; 32]).is_err());
        let sorted = config("targets = [\"q\", \"v\"]", "targets = [\"down\", \"q\"]");
        let targets = adapter(&sorted.adapter, [0; 32]).unwrap().targets;
        assert_eq!(targets, [wire::Projection::Q, wire::Projection::Down]);
    }
}
