//! All optimiser steps of one group of nodes.

use tch::{Kind, Tensor};

use super::attention::Heads;
use super::layout::Layout;
use super::pass::Pass;
use super::site::Flat;
use super::{GroupRecipe, Member, Outcome};
use crate::ModelError;
use crate::gradient::Part;
use crate::loss::floats;
use crate::optimizer::Training;
use crate::sampling::{Row, Rows};
use crate::stop::StopToken;
use crate::train::{LocalLoss, Update};
use crate::transformer::Transformer;

/// Trains the members together; one outcome for each, in their order.
pub(super) fn train(
    model: &Transformer,
    layout: &Layout,
    members: &[Member<'_>],
    recipe: &GroupRecipe,
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
        false => Group::new(model, layout, &starts, rows, recipe).train(stop)?,
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

    fn train(mut self, stop: &StopToken) -> Result<Vec<Outcome>, ModelError> {
        let training = &self.recipe.training;
        let rotation = self.model.rotation(0, training.sequence_length as i64);
        let heads = Heads::new(&self.model.config, training.sequence_length, rotation);
        let pass = Pass { model: self.model, layout: self.layout, heads, stop };
        let mut flat = Flat { parameters: self.start.copy(), gradients: self.start.zeros_like() };
        let mut optimizer =
            Training::new(training.optimizer, vec![flat.parameters.shallow_clone()]);
        let mut losses: Vec<Losses> = self.rows.iter().map(|_| Losses::default()).collect();
        for step in 1..=training.steps {
            let part = self.next_batch();
            let found = pass.run(&mut flat, &part)?;
            let nodes = self.rows.len() as i64;
            let sums =
                found.view([nodes, -1]).sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
            for (losses, loss) in losses.iter_mut().zip(doubles(&sums)) {
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
    fn next_batch(&mut self) -> Part {
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
        let shape = [count as i64, length as i64];
        let shaped = |tensor: Tensor| tensor.view(shape).to_device(self.model.device());
        Part {
            tokens: shaped(Tensor::from_slice(&tokens)),
            targets: shaped(Tensor::from_slice(&targets)),
            weights: shaped(Tensor::from_slice(&weights)),
        }
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
