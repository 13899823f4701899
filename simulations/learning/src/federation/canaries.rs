//! What is planted in a run to be looked for afterwards, and what is seen of it.
//!
//! Two kinds, in runs of their own. *Canary nodes* are the worst case that the claim of ε is about: an update as long as
//! the clip, in a direction that the adversary knows, or zeros (the neighbouring input of zero-out adjacency), by a coin
//! that follows from the seed. They stand for whoever has the first and the last version. *Secrets* are texts that one
//! node's chats say; they stand for whoever has the last version and knows the sentence around the digits.

mod directions;
mod secrets;

use audit::{
    Arm, ArmName, CANARY_FORMAT, CanaryClaim, CanaryRecord, Fixed, PlantedSecret, RunTerms, coin,
};
use model::{Adapter, EvaluationRecipe, Messages, Resources};

use super::Federation;
use super::mechanism::Aggregate;
use crate::population::{Population, VirtualNode};
use crate::scenario::{self, CanaryTerms, Scenario};
use crate::{Figures, Invalid, LearningError};
use directions::Directions;

/// How strongly the canary nodes of a run are seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// By canary: the release's product with its direction, in clips a round.
    pub scores: Vec<f64>,
    /// The release's length, in clips a round.
    pub length: f64,
}

/// What the last version of a run says of the planted secrets, nats.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretLosses {
    /// By secret.
    pub secrets: Vec<f64>,
    /// Of texts that nobody said.
    pub alternatives: Vec<f64>,
}

/// Adds a node for each secret, behind all others; they are in every cohort.
pub(super) fn plant_secrets(scenario: &Scenario, population: &mut Population) {
    let Some(terms) = &scenario.canaries else { return };
    for (place, &repeated) in terms.secrets.iter().enumerate() {
        let others = &population.nodes[place % population.nodes.len()].training;
        let training = secrets::conversations(scenario.seed, place, repeated, others);
        population.nodes.push(VirtualNode { person: None, training });
    }
}

/// The canary nodes' contributions to one round.
pub(super) fn contribute(
    scenario: &Scenario,
    sum: &mut Aggregate<'_>,
    dimension: usize,
) -> Result<(), LearningError> {
    let Some(terms) = &scenario.canaries else { return Ok(()) };
    let clip = scenario.privacy.clip.ok_or(Invalid::NoClip)?;
    let directions = Directions::new(scenario.seed, dimension);
    let zeros = vec![0.0; dimension];
    for canary in 0..terms.nodes as u64 {
        if coin(scenario.seed, canary) {
            let direction = directions.one(canary);
            let update: Vec<f32> = direction.iter().map(|&value| (value * clip) as f32).collect();
            sum.add(&update, true)?;
        } else {
            sum.add(&zeros, true)?;
        }
    }
    Ok(())
}

impl Federation {
    /// Nodes that are in every cohort: those of the secrets, behind all others.
    pub(super) fn always_chosen(&self) -> std::ops::Range<usize> {
        let nodes = self.population.nodes.len();
        let secrets = self.scenario.canaries.as_ref().map_or(0, |terms| terms.secrets.len());
        nodes - secrets..nodes
    }

    /// How strongly each canary node is seen by whoever has the first and the last version.
    ///
    /// # Errors
    /// [`Invalid::NothingReleased`] if no round had a result.
    pub fn canary_scores(&self, figures: &Figures) -> Result<Scores, LearningError> {
        let scenario = &self.scenario;
        let terms = scenario.canaries.as_ref().ok_or(Invalid::NoCanaries)?;
        let clip = scenario.privacy.clip.ok_or(Invalid::NoClip)?;
        let before = Adapter::initial(self.model.config(), &self.spec)?.to_flat();
        let contributions = (scenario.cohort.nodes + scenario.always()) as f64;
        let unit = clip * scenario.server.learning_rate * f64::from(figures.rounds) / contributions;
        let moved = figures.parameters.iter().zip(&before);
        let release: Vec<f64> =
            moved.map(|(&after, &before)| (f64::from(after) - f64::from(before)) / unit).collect();
        let length = release.iter().map(|value| value * value).sum::<f64>().sqrt();
        if !(length > 0.0 && length.is_finite()) {
            return Err(Invalid::NothingReleased.into());
        }
        let directions = Directions::new(scenario.seed, release.len());
        let product = |canary: u64| {
            directions.one(canary).iter().zip(&release).map(|(one, other)| one * other).sum()
        };
        Ok(Scores { scores: (0..terms.nodes as u64).map(product).collect(), length })
    }

    /// The last version's loss of each secret and of the alternatives.
    ///
    /// # Errors
    /// Whatever the model refuses.
    pub fn secret_losses(&self, figures: &Figures) -> Result<SecretLosses, LearningError> {
        let scenario = &self.scenario;
        let terms = scenario.canaries.as_ref().ok_or(Invalid::NoCanaries)?;
        let planted = terms.secrets.len();
        let texts = secrets::texts(scenario.seed, planted + terms.alternatives);
        let conversations: Vec<_> = texts.iter().map(|text| secrets::said(text)).collect();
        let turns: Vec<Messages<'_>> =
            conversations.iter().map(chatlogs::Conversation::as_turns).collect();
        let adapter = Adapter::from_flat(self.model.config(), &self.spec, &figures.parameters)?;
        let recipe = EvaluationRecipe {
            sequence_length: scenario.local.sequence,
            batch: WINDOWS,
            roles: Vec::new(),
        };
        let resources = Resources { threads: self.checked.threads, stop: self.stop.clone() };
        let scores = self.model.evaluate(Some(&adapter), &turns, &recipe, &resources)?;
        let mut losses: Vec<f64> = scores.iter().map(|one| one.whole.total_loss).collect();
        let alternatives = losses.split_off(planted);
        Ok(SecretLosses { secrets: losses, alternatives })
    }

    /// What the scenario claims for one node that takes part in every round, whatever noise is really added.
    ///
    /// # Errors
    /// Whatever the scenario's checks refuse.
    fn canary_claim(&self) -> Result<CanaryClaim, LearningError> {
        let delta = self.scenario.privacy.delta;
        let server = scenario::server(&self.scenario.server)?;
        let rho = self.scenario.claimed_rho(self.dimension(), server)?;
        let Some(rho) = rho.map(|rho| rho.saturating_mul(self.scenario.rounds.into())) else {
            return Ok(CanaryClaim { epsilon: None, delta, rho: None });
        };
        let epsilon = privacy::zcdp_epsilon(rho, delta)?;
        Ok(CanaryClaim { epsilon: Some(epsilon), delta, rho: Some(rho.to_f64_up()) })
    }

    /// The record of a scenario's runs, for `murmur-audit empirical`.
    ///
    /// # Errors
    /// [`Invalid::NoCanaries`] if the scenario plants none; whatever its checks refuse.
    pub fn canary_record(
        &self,
        scenario: &Scenario,
        arms: Vec<Arm>,
    ) -> Result<CanaryRecord, LearningError> {
        let terms = scenario.canaries.as_ref().ok_or(Invalid::NoCanaries)?;
        let canaries = terms.nodes as u64;
        let digit = |canary| if coin(scenario.seed, canary) { '1' } else { '0' };
        Ok(CanaryRecord {
            format: CANARY_FORMAT.to_owned(),
            title: scenario.title.clone(),
            adversary: ADVERSARY.to_owned(),
            claim: self.canary_claim()?,
            fixed: fixed(scenario.seed, terms),
            run: self.run_terms(),
            included: (0..canaries).map(digit).collect(),
            secrets: terms
                .secrets
                .iter()
                .map(|&repeated| PlantedSecret { repeated: repeated as u64 })
                .collect(),
            arms,
        })
    }

    fn run_terms(&self) -> RunTerms {
        let scenario = &self.scenario;
        RunTerms {
            mechanism: format!("{:?}", scenario.privacy.mechanism).to_lowercase(),
            noise_multiplier: scenario.claimed_noise(),
            clip: scenario.privacy.clip.unwrap_or(f64::INFINITY),
            rounds: scenario.rounds,
            contributions: (scenario.cohort.nodes + scenario.always()) as u64,
            dimension: self.dimension() as u64,
        }
    }
}

fn fixed(seed: u64, terms: &CanaryTerms) -> Fixed {
    Fixed {
        seed,
        canaries: terms.nodes as u64,
        guesses: terms.guesses as u64,
        threshold: 0.5,
        confidence: 0.95,
    }
}

/// One arm of a record: a run of the canary nodes, and with secrets one of these.
pub fn arm(
    name: ArmName,
    noise_share: f64,
    nodes: Scores,
    of: &Figures,
    secrets: Option<SecretLosses>,
) -> Arm {
    let secrets = secrets.unwrap_or(SecretLosses { secrets: Vec::new(), alternatives: Vec::new() });
    let finite = |value: f64| value.is_finite().then_some(value);
    Arm {
        arm: name,
        noise_share,
        scores: nodes.scores,
        release_length: nodes.length,
        loss_before: finite(of.before.loss()),
        loss_after: finite(of.after.loss()),
        secrets: secrets.secrets,
        alternatives: secrets.alternatives,
    }
}

const ADVERSARY: &str = "whoever has the first and the last version and knows each canary's direction (of a secret: the \
    sentence, not its digits), while masks hold and every node adds its noise";

/// Windows computed together.
const WINDOWS: usize = 16;

#[cfg(test)]
mod tests;
