//! A federation on one machine: many virtual nodes, the real training, the real mechanism, the real server rule.
//!
//! Each round draws a cohort, trains its nodes from the global parameters (many at once: [`model::GroupTrainer`]),
//! sends every update through the mechanism, and lets the shipped server rule make the next parameters. There is no
//! network and no secure aggregation: masks cancel out in the sum.

pub(crate) mod mechanism;
pub(crate) mod sampling;
pub(crate) mod sum;

use std::time::Instant;

use grid::Q40;
use model::{
    Adapter, AdapterSpec, Config, Device, Family, GroupTrainer, LanguageModel, Member, Messages,
    ModelError, Rope, Spread, StopToken, TrainingRows, matmul_operations_a_node, matmul_peak,
};
use version::State;

use crate::held_out::{Exam, Measured};
use crate::population::Population;
use crate::scenario::{Checked, Machine, ModelTerms, RowsName, Scenario, ShapeTerms, Tokens};
use crate::{Invalid, LearningError};
use mechanism::{Aggregate, length};
use sampling::{Purpose, Sampler, generator};

/// A scenario made ready: model, people and terms are there and fit each other; nothing has been trained.
pub struct Federation {
    scenario: Scenario,
    model: LanguageModel,
    spec: AdapterSpec,
    population: Population,
    checked: Checked,
    stop: StopToken,
}

/// One round, for whoever watches. Figures over many people's data: a simulation only.
#[derive(Clone, Debug)]
pub struct RoundFigures {
    /// From 1.
    pub round: u32,
    /// Nodes whose updates are in the result.
    pub nodes: usize,
    /// Nodes without anything to train on, or whose training diverged.
    pub failed: usize,
    /// Whether too few were left for a result; then nothing changed and nothing was spent.
    pub aborted: bool,
    /// Mean over nodes of the loss on the first local batch, nats a token.
    pub local_loss: f64,
    /// Median L2 length of the raw updates.
    pub update_length: f64,
    /// ε of the node that has spent most so far; infinite without noise.
    pub epsilon: f64,
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
    /// Tokens that one node trains on in a round.
    pub tokens_a_node: usize,
    /// Share of the machine's own rate of f32 matrix multiplication that went into the model's, with all else that a
    /// round takes counted as time.
    pub matmul_peak_share: f64,
    /// Held-out people before anything was learned.
    pub before: Measured,
    /// And after the last round.
    pub after: Measured,
    /// ε of the node that spent most; infinite without noise.
    pub epsilon: f64,
    /// Most participations of one node.
    pub participations: u32,
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
        let model = load(&scenario.model, scenario.seed)?;
        let population = Population::new(&scenario.data, scenario.seed)?;
        let (nodes, people) = (population.nodes.len(), population.people);
        let checked = scenario.check(model.config(), nodes, people, machine)?;
        let spec = scenario.adapter_spec();
        Ok(Self { scenario, model, spec, population, checked, stop })
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

    /// All rounds; `hear` is told of each.
    ///
    /// # Errors
    /// [`ModelError::Stopped`] when stopped; what the model or the mechanism refuses.
    pub fn run(&self, hear: &mut dyn FnMut(&RoundFigures)) -> Result<Figures, LearningError> {
        let start = Adapter::initial(self.model.config(), &self.spec)?.to_flat();
        let exam = Exam::new(&self.scenario, &self.population.held_out);
        let before = self.measured(&exam, &start)?;
        let peak = matmul_peak(self.checked.threads)?;
        let mut run = Run::new(self, start)?;
        let mut seconds = 0.0;
        let mut last = None;
        for round in 1..=self.scenario.rounds {
            let mut figures = run.round(round)?;
            seconds += figures.seconds;
            if self.measures_after(round) {
                figures.measured = Some(self.measured(&exam, run.state.parameters())?);
            }
            hear(&figures);
            last = figures.measured.or(last);
        }
        let recipe = &self.checked.recipe;
        let operations = matmul_operations_a_node(self.model.config(), recipe) * run.trained as f64;
        let training = &recipe.training;
        Ok(Figures {
            rounds: run.rounds,
            trained: run.trained,
            seconds,
            group: run.spread.map_or(0, |spread| spread.group),
            threads: self.checked.threads,
            dimension: self.dimension(),
            tokens_a_node: training.steps * training.batch * training.sequence_length,
            matmul_peak_share: operations / seconds.max(f64::MIN_POSITIVE) / peak,
            after: last.unwrap_or_else(|| before.clone()),
            before,
            epsilon: run.epsilon()?,
            participations: run.participations.iter().copied().max().unwrap_or(0),
            parameters: run.state.parameters().to_vec(),
        })
    }

    fn measures_after(&self, round: u32) -> bool {
        let every = self.scenario.evaluation.every;
        round == self.scenario.rounds || (every > 0 && round.is_multiple_of(every))
    }

    fn measured(&self, exam: &Exam, parameters: &[f32]) -> Result<Measured, LearningError> {
        let adapter = Adapter::from_flat(self.model.config(), &self.spec, parameters)?;
        exam.take(&self.model, &adapter, self.checked.threads, &self.stop)
    }

    fn rows_of(&self, node: usize) -> Result<TrainingRows, ModelError> {
        let training = &self.checked.recipe.training;
        let conversations = &self.population.nodes[node].training;
        let turns: Vec<Messages<'_>> =
            conversations.iter().map(chatlogs::Conversation::as_turns).collect();
        match self.scenario.data.rows {
            RowsName::Conversations => self.model.training_rows(&turns, training),
            RowsName::Packed => {
                let most = training.steps * training.batch;
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
    state: State,
    /// Made when a node takes part for the first time.
    rows: Vec<Option<TrainingRows>>,
    spent: Vec<Q40>,
    participations: Vec<u32>,
    spread: Option<Spread>,
    rounds: u32,
    trained: usize,
}

impl<'a> Run<'a> {
    fn new(federation: &'a Federation, start: Vec<f32>) -> Result<Self, LearningError> {
        let Federation { scenario, model, spec, checked, population, .. } = federation;
        let nodes = population.nodes.len();
        Ok(Self {
            federation,
            trainer: model.group_trainer(spec, &checked.recipe)?,
            sampler: Sampler::new(scenario.cohort, scenario.seed, nodes),
            state: State::initial(start),
            rows: (0..nodes).map(|_| None).collect(),
            spent: vec![Q40::ZERO; nodes],
            participations: vec![0; nodes],
            spread: None,
            rounds: 0,
            trained: 0,
        })
    }

    fn round(&mut self, round: u32) -> Result<RoundFigures, LearningError> {
        let federation = self.federation;
        let cohort = self.sampler.draw(round);
        for &node in &cohort {
            if self.rows[node].is_none() {
                self.rows[node] = Some(federation.rows_of(node)?);
            }
        }
        let members = self.members(&cohort, round);
        let spread = match self.spread {
            Some(spread) => spread,
            None => self.fastest_spread(&members)?,
        };
        let began = Instant::now();
        let Federation { scenario, checked, stop, .. } = federation;
        let rng = generator(scenario.seed, round, Purpose::Mechanism);
        let dimension = self.trainer.dimension();
        let mut sum = Aggregate::new(&checked.mechanism, checked.server, dimension, round, rng)?;
        let mut heard = Heard::default();
        self.trainer.train(&members, spread, stop, |place, outcome| {
            let (update, loss) = match outcome {
                Ok(done) => done,
                Err(ModelError::NothingToTrain { .. } | ModelError::Diverged { .. }) => {
                    heard.failed += 1;
                    return Ok(());
                }
                Err(error) => return Err(LearningError::from(error)),
            };
            heard.lengths.push(length(update.as_slice()));
            heard.losses.push(loss.first);
            heard.charges.push((cohort[place], sum.add(update.as_slice())?));
            Ok(())
        })?;
        self.spread = Some(spread);
        self.trained += sum.count();
        let aborted = sum.count() < checked.mechanism.fewest();
        if !aborted {
            self.state = sum.finish(&self.state)?;
            self.rounds += 1;
            for &(node, rho) in &heard.charges {
                self.spent[node] = self.spent[node].saturating_add(rho);
                self.participations[node] += 1;
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        Ok(heard.figures(round, aborted, self.epsilon()?, seconds))
    }

    /// Everybody starts from the global parameters; the round decides the order of rows, as on a device.
    fn members<'m>(&'m self, cohort: &[usize], round: u32) -> Vec<Member<'m>> {
        let start = self.state.parameters();
        let rows = cohort.iter().filter_map(|&node| self.rows[node].as_ref());
        rows.map(|rows| Member { rows, start, seed: round.into() }).collect()
    }

    fn fastest_spread(&self, members: &[Member<'_>]) -> Result<Spread, LearningError> {
        let Federation { scenario, checked, stop, .. } = self.federation;
        let threads = checked.threads;
        let group = match scenario.machine.group {
            0 => self.trainer.fastest_group(members, threads, checked.group_max, stop)?,
            group => group,
        };
        Ok(Spread { threads, group })
    }

    fn epsilon(&self) -> Result<f64, LearningError> {
        let most = self.spent.iter().copied().max().unwrap_or(Q40::ZERO);
        Ok(privacy::zcdp_epsilon(most, self.federation.scenario.privacy.delta)?)
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
    fn figures(mut self, round: u32, aborted: bool, epsilon: f64, seconds: f64) -> RoundFigures {
        let nodes = self.losses.len();
        self.lengths.sort_by(f64::total_cmp);
        RoundFigures {
            round,
            nodes,
            failed: self.failed,
            aborted,
            local_loss: self.losses.iter().sum::<f64>() / nodes.max(1) as f64,
            update_length: self.lengths.get(nodes / 2).copied().unwrap_or(0.0),
            epsilon,
            seconds,
            measured: None,
        }
    }
}

fn load(terms: &ModelTerms, seed: u64) -> Result<LanguageModel, LearningError> {
    let model = match (&terms.folder, terms.shape, terms.tokens) {
        (Some(folder), None, Tokens::Folder) => LanguageModel::load(folder, Device::Cpu)?,
        (Some(folder), None, Tokens::Bytes) => LanguageModel::load_for_bytes(folder, Device::Cpu)?,
        (None, Some(shape), Tokens::Bytes) => {
            LanguageModel::drawn(&config(shape), seed, Device::Cpu)?
        }
        _ => return Err(Invalid::FolderOrShape.into()),
    };
    Ok(model)
}

/// Llama layout, tied embeddings, no biases.
fn config(shape: ShapeTerms) -> Config {
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
