//! Supervised fine-tuning of an adapter: conversations → update.
//!
//! A training is a fixed number of optimiser steps on batches of fixed shape. How long it takes depends on the
//! recipe and the machine; it does not depend on how much there is to learn from (design promise 1): few
//! conversations come round again, padded positions are computed like all others.

use std::sync::Mutex;

use tch::{Kind, Tensor};

use crate::ModelError;
use crate::adapter::{Adapter, AdapterKind};
use crate::config::Config;
use crate::device::Precision;
use crate::fine_tuning::Pass;
use crate::gradient::{Part, rows_a_part};
use crate::loss::floats;
use crate::model::LanguageModel;
use crate::optimizer::{Optimizer, Training, shorten};
use crate::sampling::{Row, Rows};
use crate::stop::StopToken;
use crate::threads::{on_own_thread, on_own_threads};
use crate::transformer::{BlockAdapter, LowRank, Transformer};

/// A conversation as the model takes it: (role, text) of each message.
pub type Messages<'a> = Vec<(&'a str, &'a str)>;

/// How to train. All of it is known before any data is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingRecipe {
    /// Optimiser steps.
    pub steps: usize,
    /// Rows a step.
    pub batch: usize,
    /// Tokens a row.
    pub sequence_length: usize,
    /// How gradients move parameters.
    pub optimizer: Optimizer,
    /// Number format of frozen weights and activations.
    pub precision: Precision,
    /// Only what these roles say is learned.
    pub roles: Vec<String>,
    /// Decides the order of rows.
    pub seed: u64,
    /// Longest gradient in L2, if it is limited.
    pub max_gradient_norm: Option<f64>,
}

/// What the device grants a training.
#[derive(Clone, Debug)]
pub struct Resources {
    /// Most threads that the work may use.
    pub threads: usize,
    /// Ends the training within a second.
    pub stop: StopToken,
}

/// Steps taken so far, of how many. Holds nothing about the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainingProgress {
    /// Steps taken.
    pub step: usize,
    /// Steps of the recipe.
    pub steps: usize,
}

/// How far the trained parameters have moved, in their fixed order. Raw: it must be made private before it leaves.
pub struct Update {
    pub(crate) values: Vec<f32>,
}

impl Update {
    /// The numbers.
    pub fn as_slice(&self) -> &[f32] {
        &self.values
    }

    /// The numbers, given away.
    pub fn into_vec(self) -> Vec<f32> {
        self.values
    }
}

impl std::fmt::Debug for Update {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Update({} parameters)", self.values.len())
    }
}

/// Losses of a training, nats a token. About private text: for the device's owner alone, never to be sent.
pub struct LocalLoss {
    /// Mean loss of the first step's batch.
    pub first: f64,
    /// Mean loss of the last step's batch.
    pub last: f64,
}

impl std::fmt::Debug for LocalLoss {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LocalLoss(private)")
    }
}

impl LanguageModel {
    /// Trains an adapter on conversations, on a thread of its own; waits for it.
    ///
    /// The same model, adapter, conversations and recipe give the same update on one machine, whatever the number of
    /// threads as long as each has a part of the batch to itself.
    pub fn train(
        &self,
        adapter: &Adapter,
        conversations: &[Messages<'_>],
        recipe: &TrainingRecipe,
        resources: &Resources,
        progress: &mut (dyn FnMut(TrainingProgress) + Send),
    ) -> Result<(Update, LocalLoss), ModelError> {
        check(recipe, self.config())?;
        let local = LocalTraining::new(self, adapter, recipe, resources)?;
        let tokenizer = self.tokenizer();
        on_own_thread("training", resources.threads, move || {
            let rows = Rows::new(conversations, recipe, tokenizer, &resources.stop)?;
            tch::no_grad(|| local.run(rows, progress))
        })
    }
}

/// A model with an adapter under way.
struct LocalTraining<'a> {
    transformer: Transformer,
    adapter: &'a Adapter,
    /// The trained parameters, [1, parameters].
    parameters: Tensor,
    /// The same, as pairs.
    pairs: Vec<BlockAdapter>,
    recipe: &'a TrainingRecipe,
    resources: &'a Resources,
}

impl<'a> LocalTraining<'a> {
    fn new(
        model: &LanguageModel,
        adapter: &'a Adapter,
        recipe: &'a TrainingRecipe,
        resources: &'a Resources,
    ) -> Result<LocalTraining<'a>, ModelError> {
        let transformer = model.transformer.held_in(recipe.precision);
        let start = Tensor::from_slice(&adapter.to_flat()).to_device(transformer.device());
        let parameters = start.unsqueeze(0);
        let pairs = adapter.over(&transformer, &parameters.select(0, 0))?;
        Ok(LocalTraining { transformer, adapter, parameters, pairs, recipe, resources })
    }

    /// All steps, also where an early one already gives no numbers: how long a training takes must not tell
    /// what it met. Returns how far the trained parameters moved.
    fn run(
        self,
        mut rows: Rows,
        progress: &mut (dyn FnMut(TrainingProgress) + Send),
    ) -> Result<(Update, LocalLoss), ModelError> {
        let steps = self.recipe.steps;
        let mut optimizer =
            Training::new(self.recipe.optimizer, vec![self.parameters.shallow_clone()]);
        let mut losses = LocalLoss { first: 0.0, last: 0.0 };
        let mut diverged = None;
        for step in 1..=steps {
            let (loss, gradient) = self.batch(&mut rows)?;
            losses.last = loss;
            if step == 1 {
                losses.first = loss;
            }
            if !loss.is_finite() {
                diverged.get_or_insert(step);
            }
            let gradients = [gradient.unsqueeze(0)];
            if let Some(longest) = self.recipe.max_gradient_norm {
                shorten(&gradients, longest);
            }
            optimizer.apply(&gradients, 1.0);
            progress(TrainingProgress { step, steps });
        }
        let end = floats(&self.parameters);
        if end.iter().any(|value| !value.is_finite()) {
            diverged.get_or_insert(steps);
        }
        if let Some(step) = diverged {
            return Err(ModelError::Diverged { step });
        }
        let start = self.adapter.to_flat();
        let values = end.iter().zip(&start).map(|(end, start)| end - start).collect();
        Ok((Update { values }, losses))
    }

    /// Mean loss of one batch over trained tokens, and its gradient [parameters].
    ///
    /// Threads take part after part, each with one libtorch thread (two threads on one multiplication wait for each
    /// other on a busy machine). Parts are added in their order, so that the sum does not depend on who took which.
    fn batch(&self, rows: &mut Rows) -> Result<(f64, Tensor), ModelError> {
        let parts = parts(rows, self.recipe, &self.transformer);
        let threads = self.resources.threads.max(1);
        let workers = threads.min(parts.len());
        let queue = Mutex::new(parts.into_iter().enumerate());
        let shares = (0..workers).map(|_| (self.transformer.share(), share(&self.pairs))).collect();
        let (adapter, stop) = (self.adapter, &self.resources.stop);
        let found = on_own_threads("training", threads / workers, shares, |(model, pairs)| {
            let mut found = Vec::new();
            loop {
                let next = queue.lock().expect("nothing panics with the queue in hand").next();
                let Some((index, part)) = next else { return Ok(found) };
                let (loss, gradient) = gradient_of(&part, &model, adapter, &pairs, stop)?;
                found.push((index, loss, gradient));
            }
        })?;
        let mut found: Vec<(usize, f64, Tensor)> = found.into_iter().flatten().collect();
        found.sort_by_key(|(index, ..)| *index);
        let mut sum = (0.0, Tensor::zeros_like(&self.parameters).squeeze_dim(0));
        for (_, loss, gradient) in found {
            sum.0 += loss;
            let _ = sum.1.g_add_(&gradient);
        }
        Ok(sum)
    }
}

/// With as many positions a multiplication is at its best; more would only need more memory.
const GOOD_POSITIONS: usize = 256;

/// Weighted sum of the losses of one part, and its gradient [parameters].
fn gradient_of(
    part: &Part,
    model: &Transformer,
    adapter: &Adapter,
    pairs: &[BlockAdapter],
    stop: &StopToken,
) -> Result<(f64, Tensor), ModelError> {
    let count = adapter.spec().parameter_count(&model.config) as i64;
    let gradient = Tensor::zeros([count], (Kind::Float, model.device()));
    let gradients = adapter.over(model, &gradient)?;
    let trains_a = adapter.spec().kind == AdapterKind::Lora;
    let pass = Pass { model, adapter: pairs, gradients: &gradients, trains_a, stop };
    Ok((pass.run(part)?, gradient))
}

/// The rows of one batch, cut into parts that depend on shapes alone.
fn parts(rows: &mut Rows, recipe: &TrainingRecipe, transformer: &Transformer) -> Vec<Part> {
    let (batch, length) = (recipe.batch, recipe.sequence_length);
    let mut tokens = Vec::with_capacity(batch * length);
    let mut targets = Vec::with_capacity(batch * length);
    let mut trained = Vec::with_capacity(batch * length);
    for _ in 0..batch {
        let row: &Row = rows.next();
        tokens.extend_from_slice(&row.tokens);
        targets.extend_from_slice(&row.targets);
        trained.extend_from_slice(&row.trained);
    }
    let share = 1.0 / trained.iter().filter(|&&trained| trained).count() as f32;
    let weights: Vec<f32> =
        trained.iter().map(|&trained| if trained { share } else { 0.0 }).collect();
    let good = (GOOD_POSITIONS / length).max(1);
    let rows_a_part = rows_a_part(&transformer.config, batch, length).min(good);
    let part = |start: usize| {
        let count = rows_a_part.min(batch - start);
        let cut = start * length..(start + count) * length;
        let shape = [count as i64, length as i64];
        let shaped = |tensor: Tensor| tensor.view(shape).to_device(transformer.device());
        Part {
            tokens: shaped(Tensor::from_slice(&tokens[cut.clone()])),
            targets: shaped(Tensor::from_slice(&targets[cut.clone()])),
            weights: shaped(Tensor::from_slice(&weights[cut])),
        }
    };
    (0..batch).step_by(rows_a_part).map(part).collect()
}

fn share(pairs: &[BlockAdapter]) -> Vec<BlockAdapter> {
    let shared =
        |block: &BlockAdapter| block.each_ref().map(|pair| pair.as_ref().map(LowRank::share));
    pairs.iter().map(shared).collect()
}

pub(crate) fn check(recipe: &TrainingRecipe, config: &Config) -> Result<(), ModelError> {
    let counts = [
        ("steps", recipe.steps),
        ("batch", recipe.batch),
        ("sequence_length", recipe.sequence_length),
    ];
    if let Some((key, _)) = counts.into_iter().find(|&(_, count)| count == 0) {
        return Err(ModelError::Recipe { key, found: "0".to_owned(), expected: "at least 1" });
    }
    let positions = config.maximum_positions;
    if recipe.sequence_length > positions {
        return Err(ModelError::TooLong { tokens: recipe.sequence_length, positions });
    }
    if recipe.roles.is_empty() {
        return Err(ModelError::Recipe {
            key: "roles",
            found: "empty".to_owned(),
            expected: "at least one role",
        });
    }
    if let Some(longest) =
        recipe.max_gradient_norm.filter(|longest| longest.is_nan() || *longest <= 0.0)
    {
        let found = longest.to_string();
        return Err(ModelError::Recipe { key: "max_gradient_norm", found, expected: "above 0" });
    }
    recipe.optimizer.check()
}
