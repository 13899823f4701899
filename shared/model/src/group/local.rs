//! All optimiser steps of one group of nodes.

use tch::{Kind, Tensor};

use super::layout::Layout;
use super::pass::Pass;
use super::processor::{Processor, Texts};
use super::site::Flat;
use super::{GroupRecipe, Member, Outcome};
use crate::ModelError;
use crate::attention::Heads;
use crate::gradient::Part;
use crate::loss::floats;
use crate::optimizer::Training;
use crate::sampling::{Row, Rows};
use crate::stop::StopToken;
use crate::train::{LocalLoss, Update};
use crate::transformer::Transformer;

/// Trains the members together; one outcome for each, in their order. With a `processor`, our own kernels compute the
/// gradients, else libtorch does.
pub(super) fn train(
    model: &Transformer,
    layout: &Layout,
    members: &[Member<'_>],
    recipe: &GroupRecipe,
    processor: Option<&mut Processor>,
    stop: &StopToken,
) -> Result<Vec<Outcome>, ModelError> {
    let drawn: Vec<Result<Rows, ModelError>> =
        members.iter().map(|member| member.drawn(recipe)).collect();
    let starts = members.iter().zip(&drawn).filter(|(_, rows)| rows.is_ok());
    let starts: Vec<&[f32]> = starts.map(|(member, _)| member.start).collect();
    let mut outcomes: Vec<Result<Option<Rows>, ModelError>> =
        drawn.into_iter().map(|rows| rows.map(Some)).collect();
    let rows = outcomes.iter_mut().flatten().filter_map(Option::take).collect();
    let mut trained = match starts.is_empty() {
        true => Vec::new(),
        false => Group::new(model, layout, &starts, rows, recipe).train(processor, stop)?,
    }
    .into_iter();
    let finish = |outcome: Result<Option<Rows>, ModelError>| {
        outcome.and_then(|_| trained.next().expect("one for each member with rows"))
    };
    Ok(outcomes.into_iter().map(finish).collect())
}

/// Nodes that all have something to train on.
struct Group<'a> {
    model: &'a Transformer,
    layout: &'a Layout,
    recipe: &'a GroupRecipe,
    rows: Vec<Rows>,
    /// [nodes, dimension]
    start: Tensor,
}

impl<'a> Group<'a> {
    fn new(
        model: &'a Transformer,
        layout: &'a Layout,
        starts: &[&[f32]],
        rows: Vec<Rows>,
        recipe: &'a GroupRecipe,
    ) -> Group<'a> {
        let shape = [starts.len() as i64, layout.dimension as i64];
        let start = Tensor::from_slice(&starts.concat()).view(shape).to_device(model.device());
        Group { model, layout, recipe, rows, start }
    }

    fn train(
        mut self,
        processor: Option<&mut Processor>,
        stop: &StopToken,
    ) -> Result<Vec<Outcome>, ModelError> {
        let training = &self.recipe.training;
        let mut flat = Flat { parameters: self.start.copy(), gradients: self.start.zeros_like() };
        let mut optimizer =
            Training::new(training.optimizer, vec![flat.parameters.shallow_clone()]);
        let mut gradients = match processor {
            Some(processor) => Gradients::Slices(processor),
            None => {
                let heads = Heads::new(self.model, training.sequence_length as i64);
                let (model, layout, precision) = (self.model, self.layout, training.precision);
                Gradients::Tensors(Pass { model, layout, heads, precision, stop })
            }
        };
        let mut losses: Vec<Losses> = self.rows.iter().map(|_| Losses::default()).collect();
        for step in 1..=training.steps {
            let batch = self.next_batch();
            for (losses, loss) in losses.iter_mut().zip(gradients.at(&mut flat, &batch, stop)?) {
                losses.note(step, loss);
            }
            self.adjust(&mut flat);
            optimizer.apply(&[flat.gradients.shallow_clone()], 1.0);
        }
        Ok(self.outcomes(&flat.parameters, losses))
    }

    /// The proximal term, then every node's own longest gradient.
    fn adjust(&self, flat: &mut Flat) {
        if self.recipe.proximal > 0.0 {
            let away = &flat.parameters - &self.start;
            let _ = flat.gradients.g_add_(&(away * self.recipe.proximal));
        }
        if let Some(longest) = self.recipe.training.max_gradient_norm {
            let length = flat.gradients.norm_scalaropt_dim(2.0, [1i64], true);
            let factor = (length.reciprocal() * longest).clamp_max(1.0);
            let _ = flat.gradients.g_mul_(&factor);
        }
    }

    /// Every node's next rows; weights share 1 among the trained tokens of each node's batch.
    fn next_batch(&mut self) -> Batch {
        let training = &self.recipe.training;
        let (batch, length) = (training.batch, training.sequence_length);
        let count = self.rows.len() * batch;
        let mut tokens = Vec::with_capacity(count * length);
        let mut targets = Vec::with_capacity(count * length);
        let mut weights: Vec<f32> = Vec::with_capacity(count * length);
        for rows in &mut self.rows {
            let first = weights.len();
            for _ in 0..batch {
                let row: &Row = rows.next();
                tokens.extend_from_slice(&row.tokens);
                targets.extend_from_slice(&row.targets);
                weights.extend(row.trained.iter().map(|&trained| f32::from(u8::from(trained))));
            }
            let own = &mut weights[first..];
            let share = 1.0 / own.iter().sum::<f32>();
            own.iter_mut().for_each(|weight| *weight *= share);
        }
        Batch { tokens, targets, weights, length }
    }

    fn outcomes(&self, end: &Tensor, losses: Vec<Losses>) -> Vec<Outcome> {
        let steps = self.recipe.training.steps;
        let moved = floats(&(end - &self.start));
        let updates = moved.chunks(self.layout.dimension).zip(losses);
        let outcome = |(values, losses): (&[f32], Losses)| {
            if let Some(step) = losses.diverged {
                return Err(ModelError::Diverged { step });
            }
            if values.iter().any(|value| !value.is_finite()) {
                return Err(ModelError::Diverged { step: steps });
            }
            Ok((Update { values: values.to_vec() }, losses.local))
        };
        updates.map(outcome).collect()
    }
}

/// The rows of every node, one after the other, each of `length` positions.
struct Batch {
    tokens: Vec<i64>,
    targets: Vec<i64>,
    weights: Vec<f32>,
    length: usize,
}

/// Who computes gradients.
enum Gradients<'a> {
    /// libtorch, all nodes at once.
    Tensors(Pass<'a>),
    /// Our own kernels, node after node.
    Slices(&'a mut Processor),
}

impl Gradients<'_> {
    /// Fills `flat.gradients` with every node's gradient; returns every node's weighted loss.
    fn at(
        &mut self,
        flat: &mut Flat,
        batch: &Batch,
        stop: &StopToken,
    ) -> Result<Vec<f64>, ModelError> {
        let nodes = flat.parameters.size()[0];
        match self {
            Self::Tensors(pass) => {
                let shaped = |tensor: Tensor| {
                    tensor.view([-1, batch.length as i64]).to_device(pass.model.device())
                };
                let part = Part {
                    tokens: shaped(Tensor::from_slice(&batch.tokens)),
                    targets: shaped(Tensor::from_slice(&batch.targets)),
                    weights: shaped(Tensor::from_slice(&batch.weights)),
                };
                let found = pass.run(flat, &part)?.view([nodes, -1]);
                Ok(doubles(&found.sum_dim_intlist([1i64].as_slice(), false, Kind::Double)))
            }
            Self::Slices(processor) => {
                let parameters = floats(&flat.parameters);
                let mut gradients = vec![0.0; parameters.len()];
                let dimension = parameters.len() / nodes as usize;
                let own = batch.tokens.len() / nodes as usize;
                let texts = |node: usize| Texts {
                    tokens: &batch.tokens[node * own..][..own],
                    targets: &batch.targets[node * own..][..own],
                    weights: &batch.weights[node * own..][..own],
                    length: batch.length,
                };
                let nodes =
                    parameters.chunks_exact(dimension).zip(gradients.chunks_exact_mut(dimension));
                let losses = nodes.enumerate().map(|(node, (parameters, gradient))| {
                    processor.run(parameters, gradient, texts(node), stop)
                });
                let losses = losses.collect::<Result<_, _>>()?;
                flat.gradients.copy_(&Tensor::from_slice(&gradients).view_as(&flat.gradients));
                Ok(losses)
            }
        }
    }
}

/// One node's losses so far.
struct Losses {
    local: LocalLoss,
    diverged: Option<usize>,
}

impl Default for Losses {
    fn default() -> Losses {
        Losses { local: LocalLoss { first: 0.0, last: 0.0 }, diverged: None }
    }
}

impl Losses {
    fn note(&mut self, step: usize, loss: f64) {
        if step == 1 {
            self.local.first = loss;
        }
        self.local.last = loss;
        if !loss.is_finite() {
            self.diverged.get_or_insert(step);
        }
    }
}

fn doubles(tensor: &Tensor) -> Vec<f64> {
    let mut values = vec![0.0; tensor.numel()];
    tensor.to_device(tch::Device::Cpu).contiguous().copy_data(&mut values, tensor.numel());
    values
}
