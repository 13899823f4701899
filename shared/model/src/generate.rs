//! What the model says next.

use std::ops::ControlFlow;

use rand_chacha::ChaCha20Rng;

use crate::ModelError;
use crate::adapter::Adapter;
use crate::loss::floats;
use crate::model::LanguageModel;
use crate::random::{short_generator, uniform};
use crate::threads::on_own_thread;
use crate::train::Resources;
use crate::transformer::{BlockAdapter, Cache, Transformer};

/// How to choose tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationRecipe {
    /// Scores are divided by it; 0 always takes the most likely token.
    pub temperature: f64,
    /// Only the most likely tokens that together have this probability are drawn from; 1 for all
    /// (Holtzman et al. 2020, arXiv:1904.09751).
    pub top_p: f64,
    /// Most tokens to say.
    pub maximum_tokens: usize,
    /// Decides what is drawn.
    pub seed: u64,
}

impl LanguageModel {
    /// Continues `prompt` until an end token, the most tokens, the model's last position, or `heard` says break.
    ///
    /// Runs on a thread of its own. `heard` is told each piece of text as it is complete. Returns the tokens said,
    /// without the end token.
    pub fn generate(
        &self,
        adapter: Option<&Adapter>,
        prompt: &[u32],
        recipe: &GenerationRecipe,
        resources: &Resources,
        heard: &mut (dyn FnMut(&str) -> ControlFlow<()> + Send),
    ) -> Result<Vec<u32>, ModelError> {
        check(recipe)?;
        self.check_tokens(prompt)?;
        if prompt.is_empty() {
            let (found, expected) = ("empty".to_owned(), "at least one token");
            return Err(ModelError::Recipe { key: "prompt", found, expected });
        }
        let room = self.config().maximum_positions - prompt.len();
        let speaker = Speaker {
            adapter: adapter.map(|adapter| adapter.on(&self.transformer)).transpose()?,
            transformer: self.transformer.map(|_, weight| weight),
            most: recipe.maximum_tokens.min(room),
            ends: self.end_tokens(),
            recipe,
        };
        let mut text = self.tokenizer().inner().decode_stream(true);
        on_own_thread("generation", resources.threads, move || {
            tch::no_grad(|| {
                speaker.run(prompt, &mut |token| {
                    resources.stop.check()?;
                    match text.step(token).map_err(|source| ModelError::Encode { source })? {
                        Some(piece) => Ok(heard(&piece)),
                        None => Ok(ControlFlow::Continue(())),
                    }
                })
            })
        })
    }

    /// Tokens that end a text or a turn: those that the folder's files name, and `eos_token`.
    pub fn end_tokens(&self) -> Vec<u32> {
        let mut ends = self.config().end_tokens.clone();
        ends.extend(self.tokenizer().end_token());
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

struct Speaker<'a> {
    transformer: Transformer,
    adapter: Option<Vec<BlockAdapter>>,
    most: usize,
    ends: Vec<u32>,
    recipe: &'a GenerationRecipe,
}

type Said<'a> = dyn FnMut(u32) -> Result<ControlFlow<()>, ModelError> + 'a;

impl Speaker<'_> {
    fn run(&self, prompt: &[u32], said: &mut Said<'_>) -> Result<Vec<u32>, ModelError> {
        let mut cache = Cache::new(&self.transformer, 1, prompt.len() + self.most);
        let mut generator = short_generator(self.recipe.seed, 0);
        let mut tokens = Vec::new();
        let mut next = prompt.to_vec();
        while tokens.len() < self.most {
            let scores = self.scores_after(&next, &mut cache);
            let token = choose(&scores, self.recipe, &mut generator);
            if self.ends.contains(&token) {
                break;
            }
            tokens.push(token);
            if said(token)?.is_break() {
                break;
            }
            next = vec![token];
        }
        Ok(tokens)
    }

    fn scores_after(&self, tokens: &[u32], cache: &mut Cache) -> Vec<f32> {
        let row: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
        let row = tch::Tensor::from_slice(&row).unsqueeze(0).to_device(self.transformer.device());
        let hidden = self.transformer.hidden(&row, self.adapter.as_deref(), Some(cache));
        let last = hidden.select(1, tokens.len() as i64 - 1);
        floats(&self.transformer.scores(&last))
    }
}

fn check(recipe: &GenerationRecipe) -> Result<(), ModelError> {
    if !(recipe.temperature >= 0.0 && recipe.temperature.is_finite()) {
        let found = recipe.temperature.to_string();
        return Err(ModelError::Recipe { key: "temperature", found, expected: "at least 0" });
    }
    if !(recipe.top_p > 0.0 && recipe.top_p <= 1.0) {
        let found = recipe.top_p.to_string();
        return Err(ModelError::Recipe { key: "top_p", found, expected: "above 0 and at most 1" });
    }
    Ok(())
}

/// One token by its score.
fn choose(scores: &[f32], recipe: &GenerationRecipe, generator: &mut ChaCha20Rng) -> u32 {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    let by_score =
        |left: &u32, right: &u32| scores[*right as usize].total_cmp(&scores[*left as usize]);
    if recipe.temperature == 0.0 {
        return order.into_iter().min_by(by_score).unwrap_or(0);
    }
    order.sort_by(by_score);
    let highest = f64::from(scores[order[0] as usize]);
    let weight =
        |token: u32| ((f64::from(scores[token as usize]) - highest) / recipe.temperature).exp();
    let weights: Vec<f64> = order.iter().map(|&token| weight(token)).collect();
    let kept = kept(&weights, recipe.top_p);
    let mut left = f64::from(uniform(generator)) * weights[..kept].iter().sum::<f64>();
    for (&token, weight) in order[..kept].iter().zip(&weights) {
        left -= weight;
        if left < 0.0 {
            return token;
        }
    }
    order[kept - 1]
}

/// How many of the weights, largest first, are needed for a share of their sum: at least one.
fn kept(weights: &[f64], share: f64) -> usize {
    let wanted = share * weights.iter().sum::<f64>();
    let mut sum = 0.0;
    for (index, weight) in weights.iter().enumerate() {
        sum += weight;
        if sum >= wanted {
            return index + 1;
        }
    }
    weights.len()
}

#[cfg(test)]
mod tests {
    use super::{GenerationRecipe, choose, kept};
    use crate::random::short_generator;

    fn recipe(temperature: f64, top_p: f64) -> GenerationRecipe {
        GenerationRecipe { temperature, top_p, maximum_tokens: 1, seed: 1 }
    }

    /// Shares of 4 tokens over 20,000 draws; e^score is 1, 2, 4, 1.
    fn shares(temperature: f64, top_p: f64) -> Vec<f64> {
        let scores = [0.0, 2f32.ln(), 4f32.ln(), 0.0];
        let mut generator = short_generator(3, 0);
        let mut counts = [0; 4];
        for _ in 0..20_000 {
            counts[choose(&scores, &recipe(temperature, top_p), &mut generator) as usize] += 1;
        }
        counts.iter().map(|&count| f64::from(count) / 20_000.0).collect()
    }

    #[test]
    fn draws_follow_the_scores() {
        let close = |shares: Vec<f64>, expected: [f64; 4]| {
            assert!(
                shares
                    .iter()
                    .zip(expected)
                    .all(|(share, expected)| (share - expected).abs() < 0.02),
                "{shares:?}"
            );
        };
        close(shares(1.0, 1.0), [0.125, 0.25, 0.5, 0.125]);
        close(shares(0.5, 1.0), [1.0 / 22.0, 4.0 / 22.0, 16.0 / 22.0, 1.0 / 22.0]);
        close(shares(1.0, 0.7), [0.0, 1.0 / 3.0, 2.0 / 3.0, 0.0]);
        close(shares(0.0, 1.0), [0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn at_least_one_is_kept_and_never_too_few() {
        assert_eq!(kept(&[4.0, 2.0, 1.0, 1.0], 0.01), 1);
        assert_eq!(kept(&[4.0, 2.0, 1.0, 1.0], 0.5), 1);
        assert_eq!(kept(&[4.0, 2.0, 1.0, 1.0], 0.51), 2);
        assert_eq!(kept(&[4.0, 2.0, 1.0, 1.0], 1.0), 4);
    }
}
