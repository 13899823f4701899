//! What the model says next.

use std::ops::ControlFlow;

use rand_chacha::ChaCha20Rng;

use crate::ModelError;
use crate::adapter::Adapter;
use crate::decode::Decoder;
use crate::loss::floats;
use crate::model::LanguageModel;
use crate::random::{short_generator, uniform};
use crate::stop::StopToken;
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
            transformer: self.transformer.share(),
            most: recipe.maximum_tokens.min(room),
            ends: self.end_tokens(),
            threads: resources.threads,
            stop: &resources.stop,
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
    threads: usize,
    stop: &'a StopToken,
    recipe: &'a GenerationRecipe,
}

type Said<'a> = dyn FnMut(u32) -> Result<ControlFlow<()>, ModelError> + 'a;

impl Speaker<'_> {
    fn run(&self, prompt: &[u32], said: &mut Said<'_>) -> Result<Vec<u32>, ModelError> {
        let capacity = prompt.len() + self.most;
        let mut reader = Reader::new(self, capacity)?;
        let mut generator = short_generator(self.recipe.seed, 0);
        let mut tokens = Vec::new();
        let mut next = prompt.to_vec();
        while tokens.len() < self.most {
            let scores = reader.scores_after(&next, self)?;
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

    /// The state after the last of some tokens: [1, h].
    fn read(&self, tokens: &[u32], cache: &mut Cache) -> Result<tch::Tensor, ModelError> {
        let row: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
        let row = tch::Tensor::from_slice(&row).unsqueeze(0).to_device(self.transformer.device());
        let (adapter, cache) = (self.adapter.as_deref(), Some(cache));
        let hidden = self.transformer.hidden_unless_stopped(&row, adapter, cache, self.stop)?;
        Ok(hidden.select(1, tokens.len() as i64 - 1))
    }
}

/// What reads tokens.
enum Reader<'a> {
    /// A processor: libtorch reads the prompt, our own decoder one token after the other.
    Decoder(Decoder<'a>),
    /// Another device: libtorch reads everything.
    Device(Cache),
}

impl<'a> Reader<'a> {
    fn new(speaker: &'a Speaker<'_>, capacity: usize) -> Result<Reader<'a>, ModelError> {
        let (transformer, adapter) = (&speaker.transformer, speaker.adapter.as_deref());
        let decoder = Decoder::new(transformer, adapter, capacity, speaker.threads)?;
        Ok(match decoder {
            Some(decoder) => Reader::Decoder(decoder),
            None => Reader::Device(Cache::new(transformer, 1, capacity)),
        })
    }

    /// Scores of the token after all that was read, `tokens` last.
    fn scores_after(
        &mut self,
        tokens: &[u32],
        speaker: &Speaker<'_>,
    ) -> Result<Vec<f32>, ModelError> {
        Ok(match self {
            Reader::Decoder(decoder) if decoder.length() > 0 => {
                let [token] = tokens else { unreachable!("after the prompt, one token at a time") };
                decoder.step(*token)
            }
            Reader::Decoder(decoder) => {
                let mut cache = Cache::new(&speaker.transformer, 1, tokens.len());
                let state = speaker.read(tokens, &mut cache)?;
                decoder.take(&cache);
                decoder.scores(&floats(&state))
            }
            Reader::Device(cache) => {
                let state = speaker.read(tokens, cache)?;
                floats(&speaker.transformer.scores(&state))
            }
        })
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

/// One token by its score; of equal ones, the first.
fn choose(scores: &[f32], recipe: &GenerationRecipe, generator: &mut ChaCha20Rng) -> u32 {
    let highest = scores.iter().copied().max_by(f32::total_cmp).unwrap_or(0.0);
    if recipe.temperature == 0.0 {
        let place = scores.iter().position(|score| score.total_cmp(&highest).is_eq());
        return place.unwrap_or(0) as u32;
    }
    let highest = f64::from(highest);
    let weight = |&score: &f32| ((f64::from(score) - highest) / recipe.temperature).exp();
    let weights: Vec<f64> = scores.iter().map(weight).collect();
    let kept = nucleus(&weights, recipe.top_p);
    let sum: f64 = kept.iter().map(|&token| weights[token as usize]).sum();
    let mut left = f64::from(uniform(generator)) * sum;
    for &token in &kept {
        left -= weights[token as usize];
        if left < 0.0 {
            return token;
        }
    }
    kept[kept.len() - 1]
}

/// The places of the fewest weights that together have a share of the sum of all, largest first, at least one.
///
/// Only the largest few are sorted, and more of them as long as they are not enough.
fn nucleus(weights: &[f64], share: f64) -> Vec<u32> {
    let wanted = share * weights.iter().sum::<f64>();
    let by_weight = |left: &u32, right: &u32| {
        let weight = |place: &u32| weights[*place as usize];
        weight(right).total_cmp(&weight(left)).then(left.cmp(right))
    };
    let mut order: Vec<u32> = (0..weights.len() as u32).collect();
    let (mut sum, mut sorted) = (0.0, 0);
    while sorted < order.len() {
        let some = (2 * sorted).max(FIRST_SORTED).min(order.len() - sorted);
        let rest = &mut order[sorted..];
        if some < rest.len() {
            rest.select_nth_unstable_by(some, by_weight);
        }
        rest[..some].sort_unstable_by(by_weight);
        for place in sorted..sorted + some {
            sum += weights[order[place] as usize];
            if sum >= wanted {
                order.truncate(place + 1);
                return order;
            }
        }
        sorted += some;
    }
    order
}

/// As many tokens are mostly enough.
const FIRST_SORTED: usize = 256;

#[cfg(test)]
mod tests {
    use super::{GenerationRecipe, choose, nucleus};
    use crate::random::{short_generator, uniform};

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
        let weights = [1.0, 4.0, 1.0, 2.0];
        assert_eq!(nucleus(&weights, 0.01), [1]);
        assert_eq!(nucleus(&weights, 0.5), [1]);
        assert_eq!(nucleus(&weights, 0.51), [1, 3]);
        assert_eq!(nucleus(&weights, 0.8), [1, 3, 0]);
        assert_eq!(nucleus(&weights, 1.0), [1, 3, 0, 2]);
    }

    /// With more tokens than are sorted at first, of which many weigh the same.
    #[test]
    fn a_nucleus_is_the_start_of_the_sorted_whole() {
        let mut generator = short_generator(8, 0);
        let weights: Vec<f64> =
            (0..5_000).map(|_| (f64::from(uniform(&mut generator)) * 50.0).floor()).collect();
        let mut order: Vec<u32> = (0..5_000).collect();
        order.sort_by(|left, right| weights[*right as usize].total_cmp(&weights[*left as usize]));
        let total: f64 = weights.iter().sum();
        for share in [0.001, 0.1, 0.5, 0.97, 1.0] {
            let found = nucleus(&weights, share);
            assert_eq!(found[..], order[..found.len()], "{share}");
            let sum = |places: &[u32]| -> f64 { places.iter().map(|&p| weights[p as usize]).sum() };
            assert!(sum(&found) >= share * total && sum(&found[..found.len() - 1]) < share * total);
        }
    }
}
