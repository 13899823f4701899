//! A federation on one machine: many virtual nodes, the real training, the real mechanism, the real server rule.
//!
//! Each round draws a cohort, trains its nodes from the global parameters (many at once: [`model::GroupTrainer`]),
//! sends every update through the mechanism, and lets the shipped server rule make the next parameters. There is no
//! network and no secure aggregation: masks cancel out in the sum.

pub(crate) mod canaries;
mod checkpoint;
pub(crate) mod correlation;
pub(crate) mod mechanism;
mod personal;
pub(crate) mod sampling;
pub(crate) mod sum;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Instant;

use grid::Q40;
use model::{
    Adapter, AdapterSpec, Config, Device, Family, GroupTrainer, LanguageModel, Member, Messages,
    ModelError, Outcome, Rope, Spread, StopToken, TrainingRows, matmul_operations_a_node,
    matmul_peak,
};
use privacy::Adversary;
use version::State;

use crate::held_out::{Exam, Measured};
use crate::population::Population;
use crate::scenario::{self, Checked, Machine, ModelTerms, RowsName, Scenario, ShapeTerms, Tokens};
use crate::{Invalid, LearningError, backdoor};
pub use checkpoint::Checkpoint;
use mechanism::{Aggregate, length};
pub use personal::Personal;
use sampling::{Purpose, Sampler, generator, noise_generator};

/// A scenario made ready: model, people and terms are there and fit each other; nothing has been trained.
pub struct Federation {
    scenario: Scenario,
    model: LanguageModel,
    spec: AdapterSpec,
    population: Population,
    checked: Checked,
    attackers: BTreeSet<usize>,
    noise: [u8; 32],
    trainer: GroupTrainer,
    stop: StopToken,
}

/// One round, for whoever watches. Figures over many people's data: a simulation only.
#[derive(Clone, Debug, Default)]
pub struct RoundFigures {
    /// From 1; 0 before the first one.
    pub round: u32,
    /// Nodes whose updates are in the result.
    pub nodes: usize,
    /// Nodes without anything to train on, or whose training diverged; they contributed zeros.
    pub failed: usize,
    /// Whether too few were left for a result; then nothing changed and nothing was spent.
    pub aborted: bool,
    /// Mean over nodes of the loss on the first local batch, nats a token.
    pub local_loss: f64,
    /// Median L2 length of the raw updates.
    pub update_length: f64,
    /// ε of the node that has spent most so far; infinite without noise.
    pub epsilon: f64,
    /// The same against whoever sees each node's own contribution.
    pub epsilon_alone: f64,
    /// ε of the node that took part most, against each adversary from whom noise protects; infinite where none does.
    pub adversaries: Vec<(Adversary, f64)>,
    /// Seconds of training and mechanism.
    pub seconds: f64,
    /// Held-out people, where measured after this round.
    pub measured: Option<Measured>,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Rounds with a result.
    pub rounds: u32,
    /// Nodes trained in all rounds together.
    pub trained: usize,
    /// Seconds of all rounds together, measurements left out.
    pub seconds: f64,
    /// Nodes trained together on one thread.
    pub group: usize,
    /// Worker threads.
    pub threads: usize,
    /// Trained parameters of one node.
    pub dimension: usize,
    /// Tokens that one node trains on in a round; the mean where steps change from round to round.
    pub tokens_a_node: usize,
    /// Share of the machine's own rate of f32 matrix multiplication that went into the model's, with all else that a
    /// round takes counted as time. Above 1 if the machine was less free when its rate was measured.
    pub matmul_peak_share: f64,
    /// Held-out people before anything was learned.
    pub before: Measured,
    /// And after the last round.
    pub after: Measured,
    /// ε of the node that spent most; infinite without noise.
    pub epsilon: f64,
    /// How often each node took part.
    pub participations: Vec<u32>,
    /// What going on alone gave, where the scenario asks for it.
    pub personal: Option<Personal>,
    /// The trained parameters.
    pub parameters: Vec<f32>,
}

impl Federation {
    /// Loads or draws the model, reads or makes the people, and refuses what cannot work.
    ///
    /// # Errors
    /// [`Invalid`] with the number that would work; whatever model or data refuse.
    pub fn new(
        scenario: Scenario,
        machine: &Machine,
        stop: StopToken,
    ) -> Result<Self, LearningError> {
        scenario.check_numbers()?;
        let device = scenario.machine.device.device();
        let model = load(&scenario.model, scenario.seed, device)?;
        let mut population = Population::new(&scenario.data, scenario.seed)?;
        let (nodes, people) = (population.nodes.len(), population.people);
        let checked = scenario.check(model.config(), nodes, people, &machine.with(device));
        let mut checked = checked.map_err(|error| enough_pieces(error, &population))?;
        checked.warnings.extend(population.skipped.clone());
        let spec = scenario.adapter_spec();
        let trainer = model.group_trainer(&spec, &checked.recipe)?;
        // What a recipe of a later round or of personal adapters asks for is refused before anything runs.
        for round in 1..=scenario.rounds {
            trainer.with(&scenario.recipe_in(round))?;
        }
        if let Some(terms) = &scenario.personal {
            trainer.with(&personal::recipe(&scenario, &checked.recipe, terms))?;
        }
        let attackers = attackers(&scenario, nodes);
        canaries::plant_secrets(&scenario, &mut population);
        let noise = rand::random();
        Ok(Self { scenario, model, spec, population, checked, attackers, noise, trainer, stop })
    }

    /// Model and data in one hash: a run goes on with what it began with.
    fn inputs(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("murmuration 2026-11 simulation inputs");
        hasher.update(&self.model.hash()).update(&self.population.hash());
        *hasher.finalize().as_bytes()
    }

    /// The same with the noise of an earlier run of the same scenario ([`Checkpoint::noise`]): it gives the same bits.
    #[must_use]
    pub fn with_noise(self, noise: [u8; 32]) -> Self {
        Self { noise, ..self }
    }

    /// What follows from the scenario, its warnings among it.
    pub fn checked(&self) -> &Checked {
        &self.checked
    }

    /// Whose conversations there are.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Trained parameters of one node.
    pub fn dimension(&self) -> usize {
        self.spec.parameter_count(self.model.config())
    }

    /// All rounds, or those after a checkpoint of the same scenario; `hear` is told of each, with all that is needed to
    /// go on from there; of a new run's beginning too, as round 0.
    ///
    /// # Errors
    /// [`ModelError::Stopped`] when stopped; what the model or the mechanism refuses; what `hear` returns.
    pub fn run(
        &self,
        from: Option<Checkpoint>,
        hear: &mut dyn FnMut(&RoundFigures, &Checkpoint) -> Result<(), LearningError>,
    ) -> Result<Figures, LearningError> {
        let start = Adapter::initial(self.model.config(), &self.spec)?.to_flat();
        let fresh = from.is_none();
        let mut run = Run::new(self, start.clone(), from)?;
        let exam = Exam::new(&self.scenario, &self.population.held_out);
        let before = self.measured(&exam, &State::initial(start))?;
        if before.all.tokens == 0 {
            return Err(Invalid::NothingToMeasure.into());
        }
        let device = self.scenario.machine.device.device();
        let mut peak = matmul_peak(device, self.checked.threads)?;
        if fresh {
            hear(&RoundFigures::before(before.clone()), &run.done)?;
        }
        let mut last = None;
        for round in run.done.round + 1..=self.scenario.rounds {
            let mut figures = run.round(round)?;
            if self.measures_after(round) {
                figures.measured = Some(self.measured(&exam, &run.done.state)?);
            }
            hear(&figures, &run.done)?;
            last = figures.measured.or(last);
        }
        let done = run.done;
        let after = last.map_or_else(|| self.measured(&exam, &done.state), Ok)?;
        let personal = self.scenario.personal.as_ref();
        let personal =
            personal.map(|terms| self.personal(terms, &done.state, done.group)).transpose()?;
        // Others may have used the machine at the beginning: the limit is the better of two measurements.
        if done.seconds > LONG {
            peak = peak.max(matmul_peak(device, self.checked.threads)?);
        }
        let mut a_step = self.checked.recipe.clone();
        a_step.training.steps = 1;
        let operations = matmul_operations_a_node(self.model.config(), &a_step) * done.steps as f64;
        let tokens_a_step = a_step.training.batch * a_step.training.sequence_length;
        Ok(Figures {
            rounds: done.rounds,
            trained: done.trained,
            seconds: done.seconds,
            group: done.group,
            threads: self.checked.threads,
            dimension: self.dimension(),
            tokens_a_node: tokens_a_step * done.steps / done.trained.max(1),
            matmul_peak_share: operations / done.seconds.max(f64::MIN_POSITIVE) / peak,
            after,
            before,
            personal,
            epsilon: done.epsilon(self.scenario.privacy.delta)?,
            participations: done.participations,
            parameters: done.state.parameters().to_vec(),
        })
    }

    fn measures_after(&self, round: u32) -> bool {
        let every = self.scenario.evaluation.every;
        round == self.scenario.rounds || (every > 0 && round.is_multiple_of(every))
    }

    fn measured(&self, exam: &Exam, state: &State) -> Result<Measured, LearningError> {
        let adapter = Adapter::from_flat(self.model.config(), &self.spec, state.parameters())?;
        exam.take(&self.model, &adapter, self.checked.threads, &self.stop)
    }

    /// What a node trains on in a round; an attacker with a backdoor, its poisoned twins too.
    fn rows_of(&self, node: usize) -> Result<TrainingRows, ModelError> {
        let own = &self.population.nodes[node].training;
        let backdoor = self.scenario.attack.is_some_and(|attack| attack.is_backdoor());
        if backdoor && self.attackers.contains(&node) {
            return self.rows(&backdoor::poisoned(own));
        }
        self.rows(own)
    }

    /// What a node contributes, and whether it clips it. One whose text gave no update contributes zeros and pays, as on
    /// a device (`node/src/local_round.rs`): to stay away would tell something of that text.
    fn contribution(
        &self,
        node: usize,
        outcome: Outcome,
        heard: &mut Heard,
    ) -> Result<(Vec<f32>, bool), ModelError> {
        let (update, loss) = match outcome {
            Ok(done) => done,
            Err(error) if error.is_of_the_text() => {
                heard.failed += 1;
                return Ok((vec![0.0; self.dimension()], true));
            }
            Err(error) => return Err(error),
        };
        let mut update = update.into_vec();
        let attack = self.scenario.attack.filter(|_| self.attackers.contains(&node));
        if let Some(attack) = attack {
            attack.turn(&mut update);
        }
        heard.lengths.push(length(&update));
        heard.losses.push(loss.first);
        Ok((update, attack.is_none_or(|attack| attack.clips)))
    }

    fn rows(&self, conversations: &[chatlogs::Conversation]) -> Result<TrainingRows, ModelError> {
        let training = &self.checked.recipe.training;
        let turns: Vec<Messages<'_>> =
            conversations.iter().map(chatlogs::Conversation::as_turns).collect();
        match self.scenario.data.rows {
            RowsName::Conversations => self.model.training_rows(&turns, training),
            RowsName::Packed => {
                let most = self.scenario.steps_max() * training.batch;
                self.model.packed_rows(&turns, training.sequence_length, most)
            }
        }
    }
}

/// What changes from round to round.
struct Run<'a> {
    federation: &'a Federation,
    trainer: GroupTrainer,
    sampler: Sampler,
    /// Made when a node takes part for the first time.
    rows: Vec<Option<TrainingRows>>,
    done: Checkpoint,
}

impl<'a> Run<'a> {
    fn new(
        federation: &'a Federation,
        start: Vec<f32>,
        from: Option<Checkpoint>,
    ) -> Result<Self, LearningError> {
        let Federation { scenario, checked, population, .. } = federation;
        let nodes = population.nodes.len();
        let trainer = federation.trainer.with(&checked.recipe)?;
        let inputs = federation.inputs();
        let done = from.unwrap_or_else(|| Checkpoint::new(start, nodes, federation.noise, inputs));
        let fits = done.inputs == inputs
            && done.spent.len() == nodes
            && done.participations.len() == nodes
            && done.state.parameters().len() == trainer.dimension();
        if !fits {
            return Err(Invalid::Checkpoint.into());
        }
        let drawn = federation.always_chosen().start;
        let mut sampler = Sampler::new(scenario.cohort, scenario.seed, drawn);
        (1..=done.round).for_each(|round| drop(sampler.draw(round)));
        let rows = (0..nodes).map(|_| None).collect();
        Ok(Self { federation, trainer, sampler, rows, done })
    }

    fn round(&mut self, round: u32) -> Result<RoundFigures, LearningError> {
        let federation = self.federation;
        let mut cohort = self.sampler.draw(round);
        cohort.extend(federation.always_chosen());
        for &node in &cohort {
            if self.rows[node].is_none() {
                self.rows[node] = Some(federation.rows_of(node)?);
            }
        }
        let members = self.members(&cohort, round);
        let Federation { scenario, checked, stop, .. } = federation;
        let recipe = scenario.recipe_in(round);
        let trainer = self.trainer.with(&recipe)?;
        let spread = self.spread(&trainer, &members)?;
        let began = Instant::now();
        let rng = generator(scenario.seed, round, Purpose::Mechanism);
        let noise = noise_generator(&self.done.noise, round);
        let server = scenario::server(&scenario.server_in(round))?;
        let mechanism = checked.mechanism.with_server(server);
        let mut sum = Aggregate::new(&mechanism, server, trainer.dimension(), round, rng, noise)?;
        let mut heard = Heard::default();
        trainer.train(&members, spread, stop, |place, outcome| {
            let node = cohort[place];
            let (update, clips) = federation.contribution(node, outcome, &mut heard)?;
            heard.charges.push((node, sum.add(&update, clips)?));
            Ok::<(), LearningError>(())
        })?;
        let trained = heard.losses.len();
        canaries::contribute(scenario, &mut sum, trainer.dimension())?;
        let aborted = sum.count() < checked.mechanism.fewest();
        let done = &mut self.done;
        done.trained += trained;
        done.steps += trained * recipe.training.steps;
        (done.round, done.group) = (round, spread.group);
        if !aborted {
            done.state = sum.finish(&done.state)?;
            done.rounds += 1;
            for &(node, rho) in &heard.charges {
                done.spent[node] = done.spent[node].saturating_add(rho);
                done.participations[node] += 1;
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        done.seconds += seconds;
        let mut figures = heard.figures(round, seconds);
        figures.aborted = aborted;
        figures.epsilon = done.epsilon(scenario.privacy.delta)?;
        figures.adversaries = done.adversaries(&checked.mechanism, scenario.privacy.delta)?;
        let alone = figures.adversaries.iter().find(|(who, _)| *who == Adversary::MasksBroken);
        figures.epsilon_alone = alone.map_or(f64::INFINITY, |(_, epsilon)| *epsilon);
        Ok(figures)
    }

    /// Everybody starts from the global parameters; the round decides the order of rows, as on a device.
    fn members<'m>(&'m self, cohort: &[usize], round: u32) -> Vec<Member<'m>> {
        let start = self.done.state.parameters();
        let rows = cohort.iter().filter_map(|&node| self.rows[node].as_ref());
        rows.map(|rows| Member { rows, start, seed: round.into() }).collect()
    }

    /// The group size that the scenario names or a first round found; else it is measured.
    fn spread(
        &self,
        trainer: &GroupTrainer,
        members: &[Member<'_>],
    ) -> Result<Spread, LearningError> {
        let Federation { scenario, checked, stop, .. } = self.federation;
        let threads = checked.threads;
        let group = match (scenario.machine.group, self.done.group) {
            (0, 0) => trainer.fastest_group(members, threads, checked.group_max, stop)?,
            (0, found) => found,
            (named, _) => named,
        };
        Ok(Spread { threads, group })
    }
}

/// What is heard of a round's nodes.
#[derive(Default)]
struct Heard {
    failed: usize,
    lengths: Vec<f64>,
    losses: Vec<f64>,
    charges: Vec<(usize, Q40)>,
}

impl Heard {
    fn figures(mut self, round: u32, seconds: f64) -> RoundFigures {
        let trained = self.losses.len();
        self.lengths.sort_by(f64::total_cmp);
        RoundFigures {
            round,
            nodes: self.charges.len(),
            failed: self.failed,
            local_loss: self.losses.iter().sum::<f64>() / trained.max(1) as f64,
            update_length: self.lengths.get(trained / 2).copied().unwrap_or(0.0),
            seconds,
            ..RoundFigures::default()
        }
    }
}

impl RoundFigures {
    /// Round 0: nothing has been learned or spent.
    fn before(measured: Measured) -> Self {
        Self { measured: Some(measured), ..Self::default() }
    }
}

/// A refusal of too large a cohort, with the pieces of each person that would do.
fn enough_pieces(error: LearningError, population: &Population) -> LearningError {
    match error {
        LearningError::Invalid(Invalid::Cohort { wanted, nodes, people, .. }) => {
            let pieces = population.pieces_for(wanted);
            Invalid::Cohort { wanted, nodes, people, pieces }.into()
        }
        other => other,
    }
}

/// Nodes that attack, drawn by the seed.
fn attackers(scenario: &Scenario, nodes: usize) -> BTreeSet<usize> {
    let count = scenario.attack.map_or(0, |attack| attack.attackers(nodes));
    let mut rng = generator(scenario.seed, 0, Purpose::Attack);
    rand::seq::index::sample(&mut rng, nodes, count).iter().collect()
}

fn load(terms: &ModelTerms, seed: u64, device: Device) -> Result<LanguageModel, LearningError> {
    let model = match (&terms.folder, terms.shape, terms.tokens) {
        (Some(folder), None, Tokens::Folder) => LanguageModel::load(folder, device)?,
        (Some(folder), None, Tokens::Bytes) => LanguageModel::load_for_bytes(folder, device)?,
        (None, Some(shape), Tokens::Bytes) => LanguageModel::drawn(&config(shape), seed, device)?,
        _ => return Err(Invalid::FolderOrShape.into()),
    };
    Ok(model)
}

/// Llama layout, tied embeddings, no biases.
pub(crate) fn config(shape: ShapeTerms) -> Config {
    Config {
        family: Family::Llama,
        vocabulary: shape.vocabulary,
        hidden: shape.hidden,
        intermediate: shape.intermediate,
        layers: shape.layers,
        heads: shape.heads,
        key_value_heads: shape.key_value_heads,
        head_dimension: shape.hidden / shape.heads.max(1),
        maximum_positions: shape.context,
        norm_epsilon: 1e-5,
        rope: Rope { theta: 10_000.0, scaling: None },
        tied_embeddings: true,
        query_key_value_bias: false,
        output_bias: false,
        feed_forward_bias: false,
        end_tokens: Vec::new(),
    }
}

/// Seconds of rounds after which the machine's rate is measured once more.
const LONG: f64 = 10.0;
