//! Personal adapters: every node goes on from the last global version by itself. What it learns then is never sent.

use chatlogs::Conversation;
use model::{
    Adapter, EvaluationRecipe, GroupRecipe, Member, Messages, Resources, Score, Spread,
    TrainingRecipe,
};
use version::State;

use super::Federation;
use crate::LearningError;
use crate::scenario::{LocalTerms, PersonalTerms, RowsName, Scenario};

/// What going on alone gives people on conversations of their own that were kept back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Personal {
    /// Each node's own held-out conversations: under the global version, and under its personal adapter.
    pub nodes: Vec<(Score, Score)>,
}

impl Personal {
    /// Nats a token over all nodes, under the global version and under the personal adapters.
    pub fn losses(&self) -> (Option<f64>, Option<f64>) {
        let (global, personal): (Vec<Score>, Vec<Score>) = self.nodes.iter().copied().unzip();
        (global.into_iter().sum::<Score>().loss(), personal.into_iter().sum::<Score>().loss())
    }

    /// Nodes for which the personal adapter is the better one.
    pub fn better(&self) -> usize {
        self.nodes.iter().filter(|(global, personal)| personal.loss() < global.loss()).count()
    }
}

impl Federation {
    /// Trains and measures the personal adapters of nodes whose people have conversations kept back.
    pub(super) fn personal(
        &self,
        terms: &PersonalTerms,
        state: &State,
        group: usize,
    ) -> Result<Personal, LearningError> {
        let most = if terms.nodes_max == 0 { usize::MAX } else { terms.nodes_max };
        let own = |node: &usize| !self.own_held_out(*node).is_empty();
        let nodes: Vec<usize> = (0..self.population.nodes.len()).filter(own).take(most).collect();
        let rows = nodes
            .iter()
            .map(|&node| self.rows(&self.population.nodes[node].training))
            .collect::<Result<Vec<_>, _>>()?;
        let start = state.parameters();
        let seed = u64::from(self.scenario.rounds) + 1;
        let members: Vec<Member<'_>> =
            rows.iter().map(|rows| Member { rows, start, seed }).collect();
        let trainer = self.trainer.with(&recipe(&self.scenario, &self.checked.recipe, terms))?;
        let spread = Spread { threads: self.checked.threads, group: group.max(1) };
        let mut adapters = Vec::with_capacity(members.len());
        trainer.train(&members, spread, &self.stop, |place, outcome| {
            match outcome {
                Ok((update, _)) => {
                    let moved = start.iter().zip(update.as_slice()).map(|(from, by)| from + by);
                    adapters.push((nodes[place], moved.collect::<Vec<f32>>()));
                }
                Err(error) if error.is_of_the_text() => {}
                Err(error) => return Err(LearningError::from(error)),
            }
            Ok(())
        })?;
        let pairs = adapters.into_iter().map(|(node, personal)| {
            Ok((self.own_score(node, start)?, self.own_score(node, &personal)?))
        });
        Ok(Personal { nodes: pairs.collect::<Result<_, LearningError>>()? })
    }

    fn own_held_out(&self, node: usize) -> &[Conversation] {
        let person = self.population.nodes[node].person;
        person.map_or(&[], |person| &self.population.own_held_out[person])
    }

    fn own_score(&self, node: usize, parameters: &[f32]) -> Result<Score, LearningError> {
        let adapter = Adapter::from_flat(self.model.config(), &self.spec, parameters)?;
        let turns: Vec<Messages<'_>> =
            self.own_held_out(node).iter().map(Conversation::as_turns).collect();
        let recipe = EvaluationRecipe {
            sequence_length: self.scenario.local.sequence,
            batch: WINDOWS,
            roles: self.scenario.data.roles.clone(),
        };
        let resources = Resources { threads: self.checked.threads, stop: self.stop.clone() };
        let scores = self.model.evaluate(Some(&adapter), &turns, &recipe, &resources)?;
        let packed = self.scenario.data.rows == RowsName::Packed;
        Ok(scores.into_iter().map(|one| if packed { one.whole } else { one.roles }).sum())
    }
}

/// As in the rounds, with steps and rate of their own.
pub(super) fn recipe(
    scenario: &Scenario,
    shared: &GroupRecipe,
    terms: &PersonalTerms,
) -> GroupRecipe {
    let (steps, learning_rate) = (terms.steps, terms.learning_rate);
    let local = LocalTerms { steps, learning_rate, ..scenario.local };
    let optimizer = scenario.optimizer(&local);
    let training = TrainingRecipe { steps, optimizer, ..shared.training.clone() };
    GroupRecipe { training, ..shared.clone() }
}

/// Windows computed together.
const WINDOWS: usize = 8;
