//! What a global version predicts of people whom nobody has trained on.

use std::collections::BTreeMap;

use model::{
    Adapter, Evaluation, EvaluationRecipe, LanguageModel, Messages, Resources, Score, StopToken,
};

use crate::LearningError;
use crate::backdoor::{Backdoor, Prompts};
use crate::population::Human;
use crate::scenario::{RowsName, Scenario};

/// The same conversations for every version.
pub(crate) struct Exam<'a> {
    /// (person, turns), person by person.
    conversations: Vec<(usize, Messages<'a>)>,
    people: Vec<&'a Human>,
    recipe: EvaluationRecipe,
    everything: bool,
    prompts: Option<Prompts>,
}

/// Loss and accuracy of the next token on held-out people.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Over all tokens of all people.
    pub all: Score,
    /// By person, in their order.
    pub people: Vec<Score>,
    /// By language, where the data names languages.
    pub languages: BTreeMap<String, Score>,
    /// How the attackers' trigger is answered, where there are such attackers.
    pub backdoor: Option<Backdoor>,
}

impl Measured {
    /// Nats a token; not a number without tokens.
    pub fn loss(&self) -> f64 {
        self.all.loss().unwrap_or(f64::NAN)
    }

    /// Share of tokens predicted; not a number without tokens.
    pub fn accuracy(&self) -> f64 {
        self.all.accuracy().unwrap_or(f64::NAN)
    }

    /// Standard deviation of the people's own losses, nats a token.
    pub fn spread(&self) -> f64 {
        let losses: Vec<f64> = self.people.iter().filter_map(Score::loss).collect();
        let count = losses.len().max(1) as f64;
        let mean = losses.iter().sum::<f64>() / count;
        (losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / count).sqrt()
    }
}

impl<'a> Exam<'a> {
    pub(crate) fn new(scenario: &Scenario, people: &'a [Human]) -> Self {
        let terms = scenario.evaluation;
        let most = |count: usize| if count == 0 { usize::MAX } else { count };
        let people: Vec<&Human> = people.iter().take(most(terms.people_max)).collect();
        let of_one = |(place, human): (usize, &&'a Human)| {
            let some = human.all().take(most(terms.conversations_max));
            some.map(move |conversation| (place, conversation.as_turns())).collect::<Vec<_>>()
        };
        let conversations = people.iter().enumerate().flat_map(of_one).collect();
        let sequence_length =
            if terms.sequence > 0 { terms.sequence } else { scenario.local.sequence };
        let roles = scenario.data.roles.clone();
        let recipe = EvaluationRecipe { sequence_length, batch: WINDOWS, roles };
        let everything = scenario.data.rows == RowsName::Packed;
        let backdoor = scenario.attack.is_some_and(|attack| attack.is_backdoor());
        let prompts = backdoor.then(|| Prompts::new(&people));
        Self { conversations, people, recipe, everything, prompts }
    }

    pub(crate) fn take(
        &self,
        model: &LanguageModel,
        adapter: &Adapter,
        threads: usize,
        stop: &StopToken,
    ) -> Result<Measured, LearningError> {
        let turns: Vec<Messages<'_>> =
            self.conversations.iter().map(|(_, turns)| turns.clone()).collect();
        let resources = Resources { threads, stop: stop.clone() };
        let scores = model.evaluate(Some(adapter), &turns, &self.recipe, &resources)?;
        let score = |one: &Evaluation| if self.everything { one.whole } else { one.roles };
        let mut by_person = vec![Vec::new(); self.people.len()];
        for ((person, _), one) in self.conversations.iter().zip(&scores) {
            by_person[*person].push(score(one));
        }
        let people: Vec<Score> =
            by_person.into_iter().map(|scores| scores.into_iter().sum()).collect();
        let mut by_language: BTreeMap<String, Vec<Score>> = BTreeMap::new();
        for (human, &score) in self.people.iter().zip(&people) {
            if let Some(language) = &human.language {
                by_language.entry(language.clone()).or_default().push(score);
            }
        }
        let languages = by_language.into_iter();
        let length = self.recipe.sequence_length;
        let backdoor = self.prompts.as_ref();
        let backdoor = backdoor.map(|all| all.measure(model, adapter, length, &resources));
        Ok(Measured {
            all: people.iter().copied().sum(),
            languages: languages.map(|(name, all)| (name, all.into_iter().sum())).collect(),
            people,
            backdoor: backdoor.transpose()?,
        })
    }
}

/// Windows computed together: so few that their activations stay near the processor.
const WINDOWS: usize = 16;
