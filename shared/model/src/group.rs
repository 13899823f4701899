//! Many virtual nodes trained together: the base weights are shared, each node has its own small adapter.
//!
//! Without autograd: the base is frozen, so that only gradients of activations and of the low-rank pairs are computed.
//! On a processor this is done by our own kernels, node after node, with everything that stays the same laid out once
//! (`processor`); on any other device a group of nodes goes through libtorch's operators in one pass (`pass`).
//! Clipping and optimiser steps work on one table [nodes, parameters]. Each worker thread takes group after group
//! with one libtorch thread of its own (two threads on one multiplication wait for each other as soon as the machine
//! has anything else to do).
//!
//! What comes out equals [`LanguageModel::train`] of each node by itself but for the order of additions (a test).
//! For simulations; a device trains itself alone.

mod cost;
mod elementwise;
mod layout;
mod local;
mod pass;
mod peak;
mod processor;
mod site;
mod workers;

use std::sync::Arc;
use std::time::Instant;

use tch::Kind;

pub use cost::{bytes_a_node, matmul_operations_a_node};
use layout::Layout;
pub use peak::matmul_peak;
use processor::Weights;

use crate::ModelError;
use crate::adapter::AdapterSpec;
use crate::model::LanguageModel;
use crate::sampling::{Row, Rows, rendered_rows, windows};
use crate::stop::StopToken;
use crate::train::{LocalLoss, Messages, TrainingRecipe, Update, check};
use crate::transformer::Transformer;

/// How every node of a group trains.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRecipe {
    /// As for one node; `seed` is not used, each member has its own.
    ///
    /// With bf16, frozen matrices and what they are multiplied by (activations forth, gradients back) are rounded to bf16,
    /// and every product is summed in f32; adapters, norms, attention and the loss stay in f32. It shows what bf16 does
    /// to learning; on a processor it is no faster.
    pub training: TrainingRecipe,
    /// Weight μ of the proximal term μ/2 · |w − start|² (FedProx: Li et al. 2020, arXiv:1812.06127); 0 for none.
    pub proximal: f64,
}

/// One node's conversations as rows of tokens, made once and drawn from in every round. Private like their source.
pub struct TrainingRows {
    conversations: Vec<Vec<Row>>,
    length: usize,
}

impl std::fmt::Debug for TrainingRows {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "TrainingRows({} of {} tokens)", self.count(), self.length)
    }
}

impl TrainingRows {
    /// Rows in all conversations together.
    pub fn count(&self) -> usize {
        self.conversations.iter().map(Vec::len).sum()
    }
}

/// One node of a cohort.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// What it learns from.
    pub rows: &'a TrainingRows,
    /// Trained parameters to begin with, in their fixed order.
    pub start: &'a [f32],
    /// Decides the order of rows.
    pub seed: u64,
}

impl Member<'_> {
    fn drawn(&self, recipe: &GroupRecipe) -> Result<Rows, ModelError> {
        let conversations = &self.rows.conversations;
        let rows_of = |index: usize| Ok(conversations[index].clone());
        Rows::drawn(conversations.len(), &recipe.training, self.seed, rows_of)
    }
}

/// What one node has learned, or why nothing came out; the others of its group are not touched by that.
pub type Outcome = Result<(Update, LocalLoss), ModelError>;

/// How a cohort is spread over this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Worker threads, each with one group at a time.
    pub threads: usize,
    /// Nodes of a group.
    pub group: usize,
}

/// A model made ready for training many nodes.
pub struct GroupTrainer {
    model: Transformer,
    layout: Layout,
    recipe: GroupRecipe,
    /// Laid out for our own kernels; none where libtorch computes.
    weights: Option<Arc<Weights>>,
}

impl LanguageModel {
    /// A node's rows: each conversation by itself, only what the recipe's roles say is learned.
    ///
    /// A conversation that the template or the tokenizer refuses is passed over, as on a device.
    ///
    /// # Errors
    /// Whatever is not of the text. Nothing to train on is not an error here, but in training.
    pub fn training_rows(
        &self,
        conversations: &[Messages<'_>],
        recipe: &TrainingRecipe,
    ) -> Result<TrainingRows, ModelError> {
        let rows = conversations.iter().map(|one| rendered_rows(one, recipe, self.tokenizer()));
        let passed = |rows: &Result<_, ModelError>| !matches!(rows, Err(e) if e.is_of_the_text());
        let conversations = rows.filter(passed).collect::<Result<_, _>>()?;
        Ok(TrainingRows { conversations, length: recipe.sequence_length })
    }

    /// A node's rows: all conversations one after the other in one stream, cut into full rows, at most `most` of
    /// them; every token is learned, whoever speaks it.
    ///
    /// # Errors
    /// As [`LanguageModel::training_rows`].
    pub fn packed_rows(
        &self,
        conversations: &[Messages<'_>],
        length: usize,
        most: usize,
    ) -> Result<TrainingRows, ModelError> {
        let mut stream = Vec::new();
        for messages in conversations {
            if stream.len() > most.saturating_mul(length) {
                break;
            }
            match self.tokenizer().render(messages) {
                Ok(rendered) => stream.extend(rendered.tokens),
                Err(error) if error.is_of_the_text() => {}
                Err(error) => return Err(error),
            }
        }
        let full = (stream.len().saturating_sub(1) / length).min(most);
        stream.truncate(full * length + usize::from(full > 0));
        let rows = windows(&stream, &vec![true; stream.len()], length);
        Ok(TrainingRows { conversations: vec![rows], length })
    }

    /// Makes the model ready for training many adapters of one specification.
    ///
    /// # Errors
    /// [`ModelError::Recipe`] for a recipe that makes no sense.
    pub fn group_trainer(
        &self,
        spec: &AdapterSpec,
        recipe: &GroupRecipe,
    ) -> Result<GroupTrainer, ModelError> {
        check(&recipe.training, self.config())?;
        if !(recipe.proximal >= 0.0 && recipe.proximal.is_finite()) {
            let found = recipe.proximal.to_string();
            return Err(ModelError::Recipe { key: "proximal", found, expected: "at least 0" });
        }
        let precision = recipe.training.precision;
        let model = self.transformer.map(|_, weight| match weight.dim() {
            1 => weight.to_kind(Kind::Float),
            _ => precision.rounded(&weight.to_kind(Kind::Float)),
        });
        let layout = Layout::new(self.config(), spec, model.device())?;
        let ours = model.device() == tch::Device::Cpu && processor::is_able();
        let weights = ours.then(|| Arc::new(Weights::new(&model, &layout, precision)));
        Ok(GroupTrainer { model, layout, recipe: recipe.clone(), weights })
    }
}

impl GroupTrainer {
    /// Trained parameters of one node.
    pub fn dimension(&self) -> usize {
        self.layout.dimension
    }

    /// The same model and adapters for another recipe, as a schedule changes it from round to round.
    ///
    /// # Errors
    /// [`ModelError::Recipe`] for a recipe that makes no sense, or for another precision: weights are rounded already.
    pub fn with(&self, recipe: &GroupRecipe) -> Result<GroupTrainer, ModelError> {
        check(&recipe.training, &self.model.config)?;
        if recipe.training.precision != self.recipe.training.precision {
            let found = recipe.training.precision.name().to_owned();
            let expected = "the precision that the trainer was made with";
            return Err(ModelError::Recipe { key: "precision", found, expected });
        }
        Ok(GroupTrainer { recipe: recipe.clone(), ..self.share() })
    }

    /// The same, computed by libtorch's operators as on any device that is not this processor: to compare with.
    #[must_use]
    pub fn on_libtorch(self) -> GroupTrainer {
        GroupTrainer { weights: None, ..self }
    }

    /// The same for another thread or recipe; shares memory with this one.
    fn share(&self) -> GroupTrainer {
        let (model, layout) = (self.model.share(), self.layout.share());
        GroupTrainer { model, layout, recipe: self.recipe.clone(), weights: self.weights.clone() }
    }

    /// Trains every member. `each` hears of the outcomes in the order of members, on the calling thread, while the
    /// workers go on.
    ///
    /// The same members, recipe and group size give the same bits on one machine, whatever the number of threads.
    ///
    /// # Errors
    /// [`ModelError::Stopped`]; a start or rows that do not fit; what `each` returns ends the training.
    pub fn train<E: From<ModelError>>(
        &self,
        members: &[Member<'_>],
        spread: Spread,
        stop: &StopToken,
        each: impl FnMut(usize, Outcome) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check(members)?;
        workers::run(self, members, spread, stop, each)
    }

    /// The group size of 1, 2, 4 … `most` that trains the most nodes a second here, found by trying each twice on
    /// these members with one step, until one is hardly faster than the size before it.
    ///
    /// # Errors
    /// As [`GroupTrainer::train`].
    pub fn fastest_group(
        &self,
        members: &[Member<'_>],
        threads: usize,
        most: usize,
        stop: &StopToken,
    ) -> Result<usize, ModelError> {
        let training = TrainingRecipe { steps: 1, ..self.recipe.training.clone() };
        let recipe = GroupRecipe { training, ..self.recipe.clone() };
        let trial = self.with(&recipe)?;
        let most = most.min(members.len().div_ceil(threads.max(1)));
        let seconds_a_node = |group: usize| {
            let some = &members[..(group * threads.max(1)).min(members.len())];
            let began = Instant::now();
            trial.train(some, Spread { threads, group }, stop, |_, _| Ok::<_, ModelError>(()))?;
            Ok::<f64, ModelError>(began.elapsed().as_secs_f64() / some.len() as f64)
        };
        // The first try warms up.
        seconds_a_node(1)?;
        let mut best = (f64::INFINITY, 1);
        for group in std::iter::successors(Some(1), |size| Some(size * 2)) {
            if group > most {
                break;
            }
            let seconds = seconds_a_node(group)?.min(seconds_a_node(group)?);
            if seconds > best.0 / WORTHWHILE {
                break;
            }
            best = (seconds, group);
        }
        Ok(best.1)
    }

    fn check(&self, members: &[Member<'_>]) -> Result<(), ModelError> {
        for member in members {
            let (found, expected) = (member.start.len(), self.layout.dimension);
            if found != expected {
                return Err(ModelError::ParameterCount { found, expected });
            }
            if member.rows.length != self.recipe.training.sequence_length {
                let found = self.recipe.training.sequence_length.to_string();
                let expected = "the length that the rows were made with";
                return Err(ModelError::Recipe { key: "sequence_length", found, expected });
            }
        }
        Ok(())
    }
}

/// How much faster a group of twice the size must be to be taken.
const WORTHWHILE: f64 = 1.03;
