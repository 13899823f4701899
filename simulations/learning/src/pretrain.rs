//! Pre-trains the base model: free texts → a byte-level BPE → a small Llama → a Hugging Face
//! folder with a model card that says where everything came from.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Instant,
};

use model::{
    ChatTokenizer, Config, Device, Family, LanguageModel, ModelError, Precision, Pretraining,
    PretrainingProgress, PretrainingRecipe, Rope, StopToken, train_byte_level_bpe,
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha20Rng;
use serde_json::json;
use thiserror::Error;

use crate::{
    corpus::{self, Corpus, CorpusError, Document, Source},
    ngram::Counts,
};

const START: &str = "<|start|>";
const END: &str = "<|end|>";
const ROLES: [&str; 5] = ["<|system|>", "<|user|>", "<|assistant|>", "<|partner|>", "<|text|>"];
const TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}\
{{ '<|' + message.role + '|>' + message.content + '<|end|>' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/// How the base model is made.
#[derive(Clone, Debug)]
pub struct Pretrain {
    /// JSON lines in the data sets' schema.
    pub files: Vec<PathBuf>,
    /// Where the model folder is written.
    pub folder: PathBuf,
    /// The model folder to go on from: its weights, its shape and its tokenizer.
    pub from: Option<PathBuf>,
    /// Passes over the training tokens.
    pub epochs: f64,
    /// Most threads.
    pub threads: usize,
    /// Decides everything that is random.
    pub seed: u64,
}

/// Why no base model came out.
#[derive(Debug, Error)]
pub enum PretrainError {
    /// In reading the texts.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// In the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Nothing passed the filters.
    #[error(
        "none of the {left_out} conversations may be used: give files with gutenberg, oasst, English xpersona or irc"
    )]
    NothingFree {
        /// How many were read.
        left_out: usize,
    },
    /// The model to go on from cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The card could not be written.
    #[error("cannot write {file}")]
    Write {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What was made, for the model card and whoever watches.
#[derive(Clone, Debug)]
pub struct Report {
    /// Tokens and documents per source, of the training part.
    pub sources: BTreeMap<Source, (usize, usize)>,
    /// Held-out loss at steps, nats a token.
    pub curve: Vec<(usize, f64)>,
    /// Held-out loss of counting single tokens.
    pub unigram_loss: f64,
    /// Held-out loss of counting three in a row.
    pub trigram_loss: f64,
    /// Parameters.
    pub parameters: usize,
    /// Training tokens.
    pub training_tokens: usize,
    /// Held-out tokens.
    pub held_out_tokens: usize,
    /// Wall-clock seconds of training.
    pub seconds: f64,
    /// What was gone on from.
    pub before: Option<Before>,
}

/// The model that a run went on from.
#[derive(Clone, Debug)]
pub struct Before {
    /// Hash that names it.
    pub hash: [u8; 32],
    /// Its held-out loss, on the tokens of this run.
    pub loss: f64,
    /// The recipe as its own card has it.
    pub recipe: Option<String>,
}

/// The shape: about 3 million parameters.
pub fn shape(vocabulary: usize, end_token: u32) -> Config {
    Config {
        family: Family::Llama,
        vocabulary,
        hidden: 192,
        intermediate: 480,
        layers: 6,
        heads: 6,
        key_value_heads: 3,
        head_dimension: 32,
        maximum_positions: 512,
        norm_epsilon: 1e-5,
        rope: Rope { theta: 10_000.0, scaling: None },
        tied_embeddings: true,
        query_key_value_bias: false,
        output_bias: false,
        feed_forward_bias: false,
        end_tokens: vec![end_token],
    }
}

const VOCABULARY: usize = 4096;
const BATCH: usize = 16;
const SEQUENCE: usize = 256;
/// Enough of the shuffled held-out documents for a loss that is good to a hundredth of a nat.
const HELD_OUT_TOKENS: usize = 100_000;

impl Pretrain {
    /// Does all of it, telling `progress` of every step.
    pub fn run(
        &self,
        stop: &StopToken,
        progress: &mut (dyn FnMut(usize, PretrainingProgress) + Send),
    ) -> Result<Report, PretrainError> {
        let mut corpus = corpus::read(&self.files)?;
        if corpus.training.is_empty() || corpus.held_out.is_empty() {
            return Err(PretrainError::NothingFree { left_out: corpus.left_out });
        }
        let mut order = ChaCha20Rng::seed_from_u64(self.seed);
        corpus.training.shuffle(&mut order);
        corpus.held_out.shuffle(&mut order);
        let base = self.from.as_deref().map(|from| LanguageModel::load(from, Device::Cpu));
        let base = base.transpose()?;
        let (tokenizer_json, tokenizer_config) = match &self.from {
            Some(from) => (read(&from.join("tokenizer.json"))?, tokenizer_config_of(from)?),
            None => (self.train_tokenizer(&corpus)?, tokenizer_config()),
        };
        let tokenizer = ChatTokenizer::from_bytes(
            &tokenizer_json,
            tokenizer_config.to_string().as_bytes(),
            None,
            &self.folder,
        )?;
        let mut sources = BTreeMap::new();
        let training = stream(&corpus.training, &tokenizer, &mut sources)?;
        let mut held_out = stream(&corpus.held_out, &tokenizer, &mut BTreeMap::new())?;
        held_out.truncate(HELD_OUT_TOKENS);
        let counts = Counts::of(&training, tokenizer.vocabulary());
        let (unigram_loss, trigram_loss) =
            (counts.unigram_loss(&held_out), counts.trigram_loss(&held_out));
        let recipe = self.recipe(training.len());
        let steps = recipe.steps;
        let pretraining = match &base {
            Some(base) => Pretraining::continued(base, recipe.clone())?,
            None => {
                let end = tokenizer.end_token().unwrap_or_default();
                let config = shape(tokenizer.vocabulary(), end);
                Pretraining::new(&config, recipe.clone(), Device::Cpu)?
            }
        };
        let before = match &base {
            Some(base) => Some(self.before(base, pretraining.measure(&held_out, stop)?)?),
            None => None,
        };
        let (began, mut curve) = (Instant::now(), Vec::new());
        let folder = self.folder.clone();
        let mut saved = Ok(());
        pretraining.run(&training, &held_out, stop, &mut |now, step| {
            if let Some(loss) = step.held_out_loss {
                curve.push((step.step, loss));
                saved = now.save(&folder, Precision::Bf16, &tokenizer_json, &tokenizer_config);
            }
            progress(steps, step);
        })?;
        saved?;
        let report = Report {
            sources,
            curve,
            unigram_loss,
            trigram_loss,
            parameters: pretraining.config().parameter_count(),
            training_tokens: training.len(),
            held_out_tokens: held_out.len(),
            seconds: began.elapsed().as_secs_f64(),
            before,
        };
        self.write_card(&report, &recipe, &corpus)?;
        Ok(report)
    }

    fn train_tokenizer(&self, corpus: &Corpus) -> Result<Vec<u8>, PretrainError> {
        let mut control = vec![END, START];
        control.extend(ROLES);
        let texts = corpus
            .training
            .iter()
            .flat_map(|document| document.messages.iter().map(|(_, text)| text.clone()))
            .collect::<Vec<_>>();
        Ok(train_byte_level_bpe(texts.into_iter(), VOCABULARY, &control)?)
    }

    fn before(&self, base: &LanguageModel, loss: f64) -> Result<Before, PretrainError> {
        let card = self.from.as_deref().map(|from| from.join("README.md"));
        let card = card.and_then(|file| std::fs::read_to_string(file).ok());
        let recipe = card.as_deref().and_then(crate::card::recipe_of).map(str::to_owned);
        Ok(Before { hash: base.hash(), loss, recipe })
    }

    /// A run that goes on from a model starts with half the step size, and on other windows.
    fn recipe(&self, tokens: usize) -> PretrainingRecipe {
        let (share, later) = if self.from.is_some() { (0.5, 1) } else { (1.0, 0) };
        let steps = (self.epochs * tokens as f64 / (BATCH * SEQUENCE) as f64).ceil() as usize;
        PretrainingRecipe {
            steps: steps.max(1),
            batch: BATCH,
            sequence_length: SEQUENCE,
            learning_rate: 2e-3 * share,
            matrix_learning_rate: 0.02 * share,
            warm_up_steps: steps / 50 + 1,
            final_share: 0.05,
            weight_decay: 0.1,
            beta2: 0.98,
            max_gradient_norm: 1.0,
            seed: self.seed + later,
            measure_every: (steps / 20).max(1),
            threads: self.threads,
        }
    }

    fn write_card(
        &self,
        report: &Report,
        recipe: &PretrainingRecipe,
        corpus: &Corpus,
    ) -> Result<(), PretrainError> {
        let file = self.folder.join("README.md");
        let card = crate::card::render(report, recipe, corpus);
        std::fs::write(&file, card).map_err(|source| PretrainError::Write { file, source })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, PretrainError> {
    std::fs::read(file).map_err(|source| PretrainError::Read { file: file.to_owned(), source })
}

fn tokenizer_config_of(folder: &Path) -> Result<serde_json::Value, PretrainError> {
    let file = folder.join("tokenizer_config.json");
    serde_json::from_slice(&read(&file)?)
        .map_err(|source| PretrainError::Read { file, source: source.into() })
}

fn tokenizer_config() -> serde_json::Value {
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": START,
        "eos_token": END,
        "pad_token": END,
        "model_max_length": 512,
        "clean_up_tokenization_spaces": false,
        "chat_template": TEMPLATE,
    })
}

/// One long row of tokens. Long documents run over several windows; nothing is padded.
fn stream(
    documents: &[Document],
    tokenizer: &ChatTokenizer,
    sources: &mut BTreeMap<Source, (usize, usize)>,
) -> Result<Vec<u32>, ModelError> {
    let mut stream = Vec::new();
    for document in documents {
        let messages: Vec<(&str, &str)> =
            document.messages.iter().map(|(role, text)| (role.as_str(), text.as_str())).collect();
        let rendered = tokenizer.render(&messages)?;
        let (tokens, count) = sources.entry(document.source).or_default();
        *tokens += rendered.tokens.len();
        *count += 1;
        stream.extend(rendered.tokens);
    }
    Ok(stream)
}
