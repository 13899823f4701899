//! Supervised fine-tuning of an adapter: conversations → update.
//!
//! A training is a fixed number of optimiser steps on batches of fixed shape. How long it takes depends on the
//! recipe and the machine; it does not depend on how much there is to learn from (design promise 1): few
//! conversations come round again, padded positions are computed like all others.

use tch::{Kind, Tensor};

use crate::ModelError;
use crate::adapter::{Adapter, AdapterKind};
use crate::config::Config;
use crate::device::Precision;
use crate::gradient::{Part, Trained, accumulate, rows_a_part};
use crate::loss::floats;
use crate::model::LanguageModel;
use crate::optimizer::{Optimizer, Training};
use crate::sampling::{Row, Rows};
use crate::stop::StopToken;
use crate::threads::on_own_thread;
use crate::transformer::{BlockAdapter, Transformer};

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
    /// Most threads that libtorch may use.
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
    /// The same model, adapter, conversations, recipe and number of threads give the same update on one machine.
    pub fn train(
        &self,
        adapter: &Adapter,
        conversations: &[Messages<'_>],
        recipe: &TrainingRecipe,
        resources: &Resources,
        progress: &mut (dyn FnMut(TrainingProgress) + Send),
    ) -> Result<(Update, LocalLoss), ModelError> {
        check(recipe, self.config())?;
        let transformer = self.transformer.map(|_, weight| weight.to_kind(recipe.precision.kind()));
        let leaves = Leaves::of(adapter, &transformer)?;
        let local = LocalTraining { transformer, leaves, recipe, stop: &resources.stop };
        let tokenizer = self.tokenizer();
        let (flat, loss) = on_own_thread("training", resources.threads, move || {
            let rows = Rows::new(conversations, recipe, tokenizer, local.stop)?;
            local.run(rows, progress)
        })?;
        let start = adapter.to_flat();
        let values = flat.iter().zip(&start).map(|(end, start)| end - start).collect();
        Ok((Update { values }, loss))
    }
}

/// An adapter's tensors; those that are trained require gradients.
struct Leaves {
    blocks: Vec<BlockAdapter>,
    /// In the fixed order of trained parameters.
    trained: Vec<Tensor>,
}

impl Leaves {
    fn of(adapter: &Adapter, transformer: &Transformer) -> Result<Leaves, ModelError> {
        let mut blocks = adapter.on(transformer)?;
        let mut trained = Vec::new();
        for low_rank in blocks.iter_mut().flatten().flatten() {
            if adapter.spec().kind == AdapterKind::Lora {
                low_rank.a = low_rank.a.set_requires_grad(true);
                trained.push(low_rank.a.shallow_clone());
            }
            low_rank.b = low_rank.b.set_requires_grad(true);
            trained.push(low_rank.b.shallow_clone());
        }
        Ok(Leaves { blocks, trained })
    }
}

struct LocalTraining<'a> {
    transformer: Transformer,
    leaves: Leaves,
    recipe: &'a TrainingRecipe,
    stop: &'a StopToken,
}

impl LocalTraining<'_> {
    /// All steps; returns the trained parameters, flat.
    fn run(
        self,
        mut rows: Rows,
        progress: &mut (dyn FnMut(TrainingProgress) + Send),
    ) -> Result<(Vec<f32>, LocalLoss), ModelError> {
        let steps = self.recipe.steps;
        let trained = self.leaves.trained.iter().map(Tensor::shallow_clone).collect();
        let mut optimizer = Training::new(self.recipe.optimizer, trained);
        let mut losses = LocalLoss { first: 0.0, last: 0.0 };
        for step in 1..=steps {
            losses.last = self.batch(&mut rows)?;
            if step == 1 {
                losses.first = losses.last;
            }
            if !losses.last.is_finite() {
                return Err(ModelError::Diverged { step });
            }
            optimizer.step(1.0, self.recipe.max_gradient_norm);
            progress(TrainingProgress { step, steps });
        }
        let flat: Vec<f32> = optimizer.parameters().iter().flat_map(floats).collect();
        match flat.iter().any(|value| !value.is_finite()) {
            true => Err(ModelError::Diverged { step: steps }),
            false => Ok((flat, losses)),
        }
    }

    /// Gradient of one batch, part by part; returns its mean loss over trained tokens.
    fn batch(&self, rows: &mut Rows) -> Result<f64, ModelError> {
        let (batch, length) = (self.recipe.batch, self.recipe.sequence_length);
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
        let rows_a_part = rows_a_part(&self.transformer.config, batch, length);
        let mut loss = 0.0;
        for start in (0..batch).step_by(rows_a_part) {
            let count = rows_a_part.min(batch - start);
            let cut = start * length..(start + count) * length;
            let device = self.transformer.device();
            let shaped =
                |tensor: Tensor| tensor.view([count as i64, length as i64]).to_device(device);
            let part = Part {
                tokens: shaped(Tensor::from_slice(&tokens[cut.clone()])),
                targets: shaped(Tensor::from_slice(&targets[cut.clone()])),
                weights: shaped(Tensor::from_slice(&weights[cut])).to_kind(Kind::Float),
            };
            loss += accumulate(
                &self.transformer,
                Trained::Adapter(&self.leaves.blocks),
                &part,
                self.stop,
            )?;
        }
        Ok(loss)
    }
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
