//! A small base model: random weights or those of a model, a stream of tokens, Muon and AdamW with warm-up and a
//! cosine.
//!
//! The stream is one long row of token ids (documents joined by an end token, by the caller); rows of a batch are
//! windows of it, so nothing is padded.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tch::{Kind, Tensor};

use crate::ModelError;
use crate::config::Config;
use crate::device::{Device, Precision};
use crate::gradient::{Part, accumulate, rows_a_part};
use crate::loss::losses_and_hits;
use crate::model::LanguageModel;
use crate::muon::Muon;
use crate::optimizer::{Optimizer, Training};
use crate::random::{below, normal, permutation, short_generator};
use crate::safetensors_file::{Saved, write, write_file};
use crate::stop::StopToken;
use crate::threads::on_own_thread;
use crate::transformer::Transformer;

/// How to pre-train.
#[derive(Clone, Debug, PartialEq)]
pub struct PretrainingRecipe {
    /// Optimiser steps.
    pub steps: usize,
    /// Windows a step.
    pub batch: usize,
    /// Tokens a window.
    pub sequence_length: usize,
    /// Highest step size of AdamW (embeddings, norms), reached after the warm-up.
    pub learning_rate: f64,
    /// Highest step size of Muon (the matrices of the blocks).
    pub matrix_learning_rate: f64,
    /// Steps over which the step size rises from 0.
    pub warm_up_steps: usize,
    /// Share of the highest step size that is left at the end of the cosine.
    pub final_share: f64,
    /// Decay of matrices a step, times the step size.
    pub weight_decay: f64,
    /// Decay of AdamW's mean square.
    pub beta2: f64,
    /// Longest gradient in L2.
    pub max_gradient_norm: f64,
    /// Decides the weights at the start and the order of windows.
    pub seed: u64,
    /// Steps between two measurements on held-out tokens.
    pub measure_every: usize,
    /// Most threads that libtorch may use.
    pub threads: usize,
}

/// What has been reached, told after every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PretrainingProgress {
    /// Steps taken so far.
    pub step: usize,
    /// Mean loss of this step's batch, nats a token.
    pub loss: f64,
    /// Loss on the held-out tokens, nats a token, where it was measured after this step.
    pub held_out_loss: Option<f64>,
}

/// A model of which every weight is being trained.
pub struct Pretraining {
    model: Transformer,
    recipe: PretrainingRecipe,
}

impl Pretraining {
    /// Random weights for a configuration: normal with deviation 0.02, maps into the residual stream smaller by
    /// √(2·layers) (Radford et al. 2019, GPT-2, section 2.3), norms 1, biases 0.
    pub fn new(
        config: &Config,
        recipe: PretrainingRecipe,
        device: Device,
    ) -> Result<Pretraining, ModelError> {
        check(&recipe, config)?;
        let device = device.checked()?;
        let model = random_weights(config, recipe.seed, device);
        let model = model.map(|_, weight| weight.set_requires_grad(true));
        Ok(Pretraining { model, recipe })
    }

    /// The weights of a model that is there already, in f32 on its device; the model itself stays as it is.
    pub fn continued(
        model: &LanguageModel,
        recipe: PretrainingRecipe,
    ) -> Result<Pretraining, ModelError> {
        check(&recipe, model.config())?;
        let model =
            tch::no_grad(|| model.transformer.map(|_, weight| weight.to_kind(Kind::Float).copy()));
        let model = model.map(|_, weight| weight.set_requires_grad(true));
        Ok(Pretraining { model, recipe })
    }

    /// Trains on its own thread for all steps, or until stopped. `progress` hears of every step.
    ///
    /// `progress` may save the model as it is: it gets the training itself.
    pub fn run(
        &self,
        training: &[u32],
        held_out: &[u32],
        stop: &StopToken,
        progress: &mut (dyn FnMut(&Pretraining, PretrainingProgress) + Send),
    ) -> Result<(), ModelError> {
        check_stream(training, &self.model.config, self.recipe.sequence_length)?;
        check_stream(held_out, &self.model.config, self.recipe.sequence_length)?;
        let own =
            Pretraining { model: self.model.map(|_, tensor| tensor), recipe: self.recipe.clone() };
        on_own_thread("pretraining", self.recipe.threads, move || {
            own.steps(training, held_out, stop, progress)
        })
    }

    fn steps(
        &self,
        training: &[u32],
        held_out: &[u32],
        stop: &StopToken,
        progress: &mut (dyn FnMut(&Pretraining, PretrainingProgress) + Send),
    ) -> Result<(), ModelError> {
        let recipe = &self.recipe;
        let rule = Optimizer::AdamW {
            learning_rate: recipe.learning_rate,
            beta1: 0.9,
            beta2: recipe.beta2,
            epsilon: 1e-8,
            weight_decay: recipe.weight_decay,
        };
        let (matrices, others): (Vec<_>, Vec<_>) =
            self.model.tensors().into_iter().partition(is_matrix_of_block);
        let tensors =
            |named: Vec<(String, Tensor)>| named.into_iter().map(|(_, tensor)| tensor).collect();
        let mut optimizer = Training::new(rule, tensors(others));
        let mut muon =
            Muon::new(tensors(matrices), recipe.matrix_learning_rate, recipe.weight_decay);
        let mut windows = Windows::new(training, recipe);
        for step in 1..=recipe.steps {
            let loss = self.batch(&mut windows, stop)?;
            if !loss.is_finite() {
                return Err(ModelError::Diverged { step });
            }
            optimizer.step(schedule(recipe, step), Some(recipe.max_gradient_norm));
            muon.step(schedule(recipe, step));
            let measured = step % recipe.measure_every == 0 || step == recipe.steps;
            let held_out_loss = if measured { Some(self.measure(held_out, stop)?) } else { None };
            progress(self, PretrainingProgress { step, loss, held_out_loss });
        }
        Ok(())
    }

    /// Gradient of one batch; returns its mean loss.
    fn batch(&self, windows: &mut Windows, stop: &StopToken) -> Result<f64, ModelError> {
        let (batch, length) = (self.recipe.batch, self.recipe.sequence_length);
        let rows = rows_a_part(&self.model.config, batch, length);
        let mut loss = 0.0;
        let mut left = batch;
        while left > 0 {
            let count = rows.min(left);
            left -= count;
            let tokens: Vec<i64> = (0..count).flat_map(|_| windows.next()).collect();
            let (tokens, targets) = inputs_and_targets(&tokens, count, length, &self.model);
            let share = 1.0 / (batch * length) as f64;
            let weights = Tensor::full(targets.size(), share, (Kind::Float, targets.device()));
            let part = Part { tokens, targets, weights };
            loss += accumulate(&self.model, &part, stop)?;
        }
        Ok(loss)
    }

    /// The model's shape.
    pub fn config(&self) -> &Config {
        &self.model.config
    }

    /// Mean loss on a stream of tokens, nats a token, in windows side by side.
    pub fn measure(&self, stream: &[u32], stop: &StopToken) -> Result<f64, ModelError> {
        let length = self.recipe.sequence_length;
        check_stream(stream, &self.model.config, length)?;
        let windows: Vec<&[u32]> = stream.windows(length + 1).step_by(length).collect();
        let (mut total, mut count) = (0.0, 0);
        tch::no_grad(|| {
            for some in windows.chunks(self.recipe.batch) {
                let tokens: Vec<i64> =
                    some.iter().flat_map(|window| window.iter().map(|&id| i64::from(id))).collect();
                let (tokens, targets) =
                    inputs_and_targets(&tokens, some.len(), length, &self.model);
                let hidden = self.model.hidden(&tokens, None, None);
                let hidden = hidden.view([-1, hidden.size()[2]]);
                let (losses, _) =
                    losses_and_hits(self.model.head(), &hidden, &targets.view(-1), stop)?;
                total += losses.iter().map(|&loss| f64::from(loss)).sum::<f64>();
                count += losses.len();
            }
            Ok(total / count as f64)
        })
    }

    /// Writes a Hugging Face folder: config.json, model.safetensors in the given precision, and the tokenizer.
    pub fn save(
        &self,
        folder: &Path,
        precision: Precision,
        tokenizer_json: &[u8],
        tokenizer_config: &Value,
    ) -> Result<(), ModelError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| ModelError::Write { file: folder.to_owned(), source })?;
        save_weights(&self.model, folder, precision)?;
        let config = self.model.config.to_json(precision.name());
        write_file(&folder.join("config.json"), pretty(&config).as_bytes())?;
        write_file(&folder.join("tokenizer.json"), tokenizer_json)?;
        write_file(&folder.join("tokenizer_config.json"), pretty(tokenizer_config).as_bytes())
    }
}

/// Writes model.safetensors.
pub(crate) fn save_weights(
    model: &Transformer,
    folder: &Path,
    precision: Precision,
) -> Result<(), ModelError> {
    let tensors = model.tensors().into_iter();
    let saved: BTreeMap<String, Saved> = tensors
        .map(|(name, tensor)| (name, Saved::from_tensor(&tensor.to_kind(precision.kind()))))
        .collect();
    write(&folder.join("model.safetensors"), &saved, &[("format", "pt".to_owned())])
}

/// JSON for people to read.
pub(crate) fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Whether Muon trains this weight.
fn is_matrix_of_block((name, tensor): &(String, Tensor)) -> bool {
    name.starts_with("model.layers.") && tensor.dim() == 2
}

fn check(recipe: &PretrainingRecipe, config: &Config) -> Result<(), ModelError> {
    let counts = [
        ("steps", recipe.steps),
        ("batch", recipe.batch),
        ("sequence_length", recipe.sequence_length),
        ("measure_every", recipe.measure_every),
        ("threads", recipe.threads),
    ];
    if let Some((key, _)) = counts.into_iter().find(|&(_, count)| count == 0) {
        return Err(ModelError::Recipe { key, found: "0".to_owned(), expected: "at least 1" });
    }
    if recipe.sequence_length > config.maximum_positions {
        let (tokens, positions) = (recipe.sequence_length, config.maximum_positions);
        return Err(ModelError::TooLong { tokens, positions });
    }
    if recipe.max_gradient_norm.is_nan() || recipe.max_gradient_norm <= 0.0 {
        let found = recipe.max_gradient_norm.to_string();
        return Err(ModelError::Recipe { key: "max_gradient_norm", found, expected: "above 0" });
    }
    let rate = recipe.matrix_learning_rate;
    if rate.is_nan() || rate <= 0.0 {
        let (key, found) = ("matrix_learning_rate", rate.to_string());
        return Err(ModelError::Recipe { key, found, expected: "above 0" });
    }
    Optimizer::AdamW {
        learning_rate: recipe.learning_rate,
        beta1: 0.9,
        beta2: recipe.beta2,
        epsilon: 1e-8,
        weight_decay: recipe.weight_decay,
    }
    .check()
}

fn check_stream(stream: &[u32], config: &Config, length: usize) -> Result<(), ModelError> {
    if stream.len() <= length {
        let found = format!("{length} for a stream of {} tokens", stream.len());
        return Err(ModelError::Recipe {
            key: "sequence_length",
            found,
            expected: "shorter than the stream",
        });
    }
    match stream.iter().find(|&&token| token as usize >= config.vocabulary) {
        Some(&token) => Err(ModelError::Token { token, vocabulary: config.vocabulary }),
        None => Ok(()),
    }
}

/// Weights at the start, as [`Pretraining::new`] says.
pub(crate) fn random_weights(config: &Config, seed: u64, device: tch::Device) -> Transformer {
    let random = config.tensors().into_iter().enumerate().map(|(index, (name, shape))| {
        let values = initial(config, &name, &shape, seed, index as u64);
        let shape: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
        (name, Tensor::from_slice(&values).view(&*shape).to_device(device))
    });
    Transformer::from_tensors(config.clone(), random.collect())
}

fn initial(config: &Config, name: &str, shape: &[usize], seed: u64, stream: u64) -> Vec<f32> {
    let count = shape.iter().product();
    if name.ends_with("norm.weight") {
        return vec![1.0; count];
    }
    if name.ends_with(".bias") {
        return vec![0.0; count];
    }
    let into_residual = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
    let deviation = if into_residual { 0.02 / (2.0 * config.layers as f32).sqrt() } else { 0.02 };
    let mut generator = short_generator(seed, stream);
    (0..count).map(|_| deviation * normal(&mut generator)).collect()
}

/// Share of the highest step size at a step: a straight rise, then half a cosine down to `final_share`.
fn schedule(recipe: &PretrainingRecipe, step: usize) -> f64 {
    if step <= recipe.warm_up_steps {
        return step as f64 / recipe.warm_up_steps as f64;
    }
    let span = (recipe.steps - recipe.warm_up_steps).max(1) as f64;
    let done = (step - recipe.warm_up_steps) as f64 / span;
    recipe.final_share
        + (1.0 - recipe.final_share) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// [count · (length + 1)] tokens → inputs and targets, each [count, length].
fn inputs_and_targets(
    tokens: &[i64],
    count: usize,
    length: usize,
    model: &Transformer,
) -> (Tensor, Tensor) {
    let all = Tensor::from_slice(tokens)
        .view([count as i64, length as i64 + 1])
        .to_device(model.device());
    let inputs = all.narrow(1, 0, length as i64).contiguous();
    let targets = all.narrow(1, 1, length as i64).contiguous();
    (inputs, targets)
}

/// Windows of a stream in random order; each pass over the stream starts at another offset.
struct Windows<'a> {
    stream: &'a [u32],
    length: usize,
    generator: rand_chacha::ChaCha20Rng,
    starts: Vec<usize>,
}

impl<'a> Windows<'a> {
    fn new(stream: &'a [u32], recipe: &PretrainingRecipe) -> Windows<'a> {
        let generator = short_generator(recipe.seed, u64::MAX);
        Windows { stream, length: recipe.sequence_length, generator, starts: Vec::new() }
    }

    /// The next window: length + 1 tokens.
    fn next(&mut self) -> Vec<i64> {
        if self.starts.is_empty() {
            self.starts = self.new_pass();
        }
        let start = self.starts.pop().expect("a pass has at least one window");
        self.stream[start..=start + self.length].iter().map(|&id| i64::from(id)).collect()
    }

    fn new_pass(&mut self) -> Vec<usize> {
        let longest_offset = (self.stream.len() - self.length).min(self.length);
        let offset = below(&mut self.generator, longest_offset);
        let count = (self.stream.len() - offset - 1) / self.length;
        let order = permutation(&mut self.generator, count);
        order.into_iter().map(|index| offset + index * self.length).collect()
    }
}
