//! How well a model predicts conversations: loss, perplexity and accuracy of the next token.

use tch::Tensor;

use crate::ModelError;
use crate::adapter::Adapter;
use crate::loss::losses_and_hits;
use crate::model::LanguageModel;
use crate::stop::StopToken;
use crate::threads::on_own_threads;
use crate::tokenizer::ChatTokenizer;
use crate::train::{Messages, Resources};
use crate::transformer::{BlockAdapter, Transformer};

/// How to evaluate.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationRecipe {
    /// Tokens a window; a longer conversation is cut into windows side by side.
    pub sequence_length: usize,
    /// Windows computed together.
    pub batch: usize,
    /// The roles counted apart.
    pub roles: Vec<String>,
}

/// Sums over predicted tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Tokens predicted.
    pub tokens: u64,
    /// Sum of −ln p(token), nats.
    pub total_loss: f64,
    /// Tokens to which the model gave the highest score.
    pub hits: u64,
}

/// One conversation's scores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Over every token but the first, the template's own included.
    pub whole: Score,
    /// Over the tokens of the roles named.
    pub roles: Score,
}

impl Score {
    /// Mean loss, nats a token. None without tokens.
    pub fn loss(&self) -> Option<f64> {
        (self.tokens > 0).then(|| self.total_loss / self.tokens as f64)
    }

    /// e^loss. None without tokens.
    pub fn perplexity(&self) -> Option<f64> {
        self.loss().map(f64::exp)
    }

    /// Share of tokens predicted. None without tokens.
    pub fn accuracy(&self) -> Option<f64> {
        (self.tokens > 0).then(|| self.hits as f64 / self.tokens as f64)
    }

    fn add(&mut self, loss: f32, hit: bool) {
        self.tokens += 1;
        self.total_loss += f64::from(loss);
        self.hits += u64::from(hit);
    }
}

impl std::iter::Sum for Score {
    fn sum<Scores: Iterator<Item = Score>>(scores: Scores) -> Score {
        scores.fold(Score::default(), |sum, score| Score {
            tokens: sum.tokens + score.tokens,
            total_loss: sum.total_loss + score.total_loss,
            hits: sum.hits + score.hits,
        })
    }
}

impl std::iter::Sum for Evaluation {
    fn sum<Evaluations: Iterator<Item = Evaluation>>(evaluations: Evaluations) -> Evaluation {
        let (whole, roles): (Vec<Score>, Vec<Score>) =
            evaluations.map(|one| (one.whole, one.roles)).unzip();
        Evaluation { whole: whole.into_iter().sum(), roles: roles.into_iter().sum() }
    }
}

impl LanguageModel {
    /// Evaluates each conversation, on threads of its own with a libtorch thread each (two threads on one
    /// multiplication wait for each other on a busy machine). One result for each, in their order.
    pub fn evaluate(
        &self,
        adapter: Option<&Adapter>,
        conversations: &[Messages<'_>],
        recipe: &EvaluationRecipe,
        resources: &Resources,
    ) -> Result<Vec<Evaluation>, ModelError> {
        let positions = self.config().maximum_positions;
        if recipe.sequence_length > positions {
            return Err(ModelError::TooLong { tokens: recipe.sequence_length, positions });
        }
        if recipe.sequence_length == 0 || recipe.batch == 0 {
            let (found, expected) = ("0".to_owned(), "at least 1");
            return Err(ModelError::Recipe { key: "sequence_length or batch", found, expected });
        }
        let (tokenizer, stop) = (self.tokenizer(), &resources.stop);
        let windows = windows(conversations, recipe, tokenizer, stop)?;
        let batches: Vec<&[Window]> = windows.chunks(recipe.batch).collect();
        let threads = resources.threads.max(1);
        let workers = threads.min(batches.len()).max(1);
        let shares = (0..workers).map(|worker| {
            let low_rank = adapter.map(|adapter| adapter.on(&self.transformer)).transpose()?;
            let batches = batches.iter().skip(worker).step_by(workers).copied().collect();
            Ok(Share { transformer: self.transformer.share(), low_rank, batches })
        });
        let shares = shares.collect::<Result<Vec<_>, ModelError>>()?;
        let count = conversations.len();
        let found = on_own_threads("evaluation", threads / workers, shares, |share| {
            let mut evaluations = vec![Evaluation::default(); count];
            let Share { transformer, low_rank, batches } = share;
            for batch in batches {
                evaluate_windows(&transformer, low_rank.as_deref(), batch, &mut evaluations, stop)?;
            }
            Ok(evaluations)
        })?;
        let of_one = |index: usize| found.iter().map(|evaluations| evaluations[index]).sum();
        Ok((0..count).map(of_one).collect())
    }
}

/// What one thread evaluates, with what it needs for that.
struct Share<'a> {
    transformer: Transformer,
    low_rank: Option<Vec<BlockAdapter>>,
    batches: Vec<&'a [Window]>,
}

/// Part of one conversation: inputs, the token after each, and whether a named role speaks it.
struct Window {
    conversation: usize,
    tokens: Vec<u32>,
    targets: Vec<u32>,
    named: Vec<bool>,
}

/// All windows, those of like length together, so that little is padded.
fn windows(
    conversations: &[Messages<'_>],
    recipe: &EvaluationRecipe,
    tokenizer: &ChatTokenizer,
    stop: &StopToken,
) -> Result<Vec<Window>, ModelError> {
    let mut windows = Vec::new();
    for (index, messages) in conversations.iter().enumerate() {
        stop.check()?;
        let rendered = tokenizer.render(messages)?;
        let mask = rendered.mask(messages, &recipe.roles);
        windows.extend(cut(index, &rendered.tokens, &mask, recipe.sequence_length));
    }
    windows.sort_by_key(|window| window.targets.len());
    Ok(windows)
}

fn cut(conversation: usize, tokens: &[u32], mask: &[bool], length: usize) -> Vec<Window> {
    let predicted = tokens.len().saturating_sub(1);
    let window = |start: usize| {
        let end = (start + length).min(predicted);
        Window {
            conversation,
            tokens: tokens[start..end].to_vec(),
            targets: tokens[start + 1..=end].to_vec(),
            named: mask[start + 1..=end].to_vec(),
        }
    };
    (0..predicted).step_by(length).map(window).collect()
}

fn evaluate_windows(
    transformer: &Transformer,
    adapter: Option<&[BlockAdapter]>,
    windows: &[Window],
    evaluations: &mut [Evaluation],
    stop: &StopToken,
) -> Result<(), ModelError> {
    stop.check()?;
    let longest = windows.iter().map(|window| window.tokens.len()).max().unwrap_or(0);
    let padded = windows.iter().flat_map(|window| {
        let ids = window.tokens.iter().map(|&token| i64::from(token));
        ids.chain(std::iter::repeat(0)).take(longest)
    });
    let tokens: Vec<i64> = padded.collect();
    let places: Vec<i64> = windows
        .iter()
        .enumerate()
        .flat_map(|(row, window)| {
            (0..window.tokens.len()).map(move |place| (row * longest + place) as i64)
        })
        .collect();
    let targets: Vec<i64> =
        windows.iter().flat_map(|window| &window.targets).map(|&id| i64::from(id)).collect();
    let device = transformer.device();
    let (losses, hits) = tch::no_grad(|| {
        let tokens = Tensor::from_slice(&tokens)
            .view([windows.len() as i64, longest as i64])
            .to_device(device);
        let hidden = transformer.hidden(&tokens, adapter, None);
        let hidden = hidden
            .view([-1, hidden.size()[2]])
            .index_select(0, &Tensor::from_slice(&places).to_device(device));
        losses_and_hits(
            transformer.head(),
            &hidden,
            &Tensor::from_slice(&targets).to_device(device),
            stop,
        )
    })?;
    let owners = windows
        .iter()
        .flat_map(|window| window.named.iter().map(|&named| (window.conversation, named)));
    for ((conversation, named), (loss, hit)) in owners.zip(losses.into_iter().zip(hits)) {
        evaluations[conversation].whole.add(loss, hit);
        if named {
            evaluations[conversation].roles.add(loss, hit);
        }
    }
    Ok(())
}
