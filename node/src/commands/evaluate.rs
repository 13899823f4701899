//! `murmur-node evaluate`: the evidence that a version has learned, for anybody to rerun.

use std::path::{Path, PathBuf};

use chatlogs::{Conversation, ImportError, ImportOptions};
use model::{
    Adapter, DeviceChoice, Evaluation, EvaluationRecipe, LanguageModel, Resources, Score, StopToken,
};
use program::{Exit, Output, UsageError};
use report::{Column, Table};
use serde::Serialize;
use serde_json::json;

/// Measures a model folder, with an adapter or without, on conversations in any format that can
/// be imported: loss (nats a token), perplexity, accuracy of the next token.
#[derive(clap::Args)]
pub struct Options {
    /// A Hugging Face model folder
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// A PEFT adapter folder
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Conversations
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Your name as the export writes it, where an export names people
    #[arg(long, value_name = "NAME")]
    me: Option<String>,
    /// Whose words are measured apart
    #[arg(long, value_delimiter = ',', default_value = "user,assistant", value_parser = ["user", "assistant", "partner", "system"])]
    roles: Vec<String>,
    /// Tokens of a window; a longer one than the model holds is cut to that
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(2..))]
    sequence_length: u32,
    /// Most threads
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
}

/// The figures of one measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Tokens predicted.
    pub tokens: u64,
    /// Nats a token.
    pub loss: f64,
    /// e^loss.
    pub perplexity: f64,
    /// Share of tokens that the model would have said.
    pub accuracy: f64,
}

impl Figures {
    /// Of a score; zero tokens give NaN.
    pub fn of(score: &Score) -> Self {
        Self {
            tokens: score.tokens,
            loss: score.loss().unwrap_or(f64::NAN),
            perplexity: score.perplexity().unwrap_or(f64::NAN),
            accuracy: score.accuracy().unwrap_or(f64::NAN),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// If model, adapter or data cannot be read, or there is nothing to measure.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    let model = LanguageModel::load(&options.model, DeviceChoice::Auto.device())?;
    let adapter = options
        .adapter
        .as_deref()
        .map(|folder| Adapter::load(folder, model.config()))
        .transpose()?;
    let conversations = read(&options.data, options.me.clone())?;
    let evaluation = measure(
        &model,
        adapter.as_ref(),
        &conversations,
        &options.roles,
        (options.sequence_length as usize).min(model.config().maximum_positions),
        options.threads.into(),
    )?;
    let sum: Evaluation = evaluation.into_iter().sum();
    if sum.whole.tokens == 0 {
        let data = options.data.display();
        return Err(UsageError(format!("{data} holds no conversation to measure")).into());
    }
    let (whole, roles) = (Figures::of(&sum.whole), Figures::of(&sum.roles));
    let answer = json!({
        "tokens": whole.tokens, "loss": whole.loss, "perplexity": whole.perplexity,
        "accuracy": whole.accuracy, "conversations": conversations.len(),
        "roles": { "names": options.roles, "figures": roles },
    });
    output.answer(&answer, |_| table(&whole, &roles, &options.roles).for_terminal())?;
    Ok(Exit::Success)
}

/// Every conversation of a file; of a data set, those of every user.
///
/// # Errors
/// If the file cannot be imported.
pub fn read(data: &Path, me: Option<String>) -> anyhow::Result<Vec<Conversation>> {
    let everyone = me.is_none();
    let options = ImportOptions { me, everyone, ..ImportOptions::default() };
    let mut conversations = Vec::new();
    chatlogs::import(data, &options)?.each(|conversation| -> Result<(), ImportError> {
        conversations.push(conversation);
        Ok(())
    })?;
    Ok(conversations)
}

/// Measures conversations one by one.
///
/// # Errors
/// If the model refuses.
pub fn measure(
    model: &LanguageModel,
    adapter: Option<&Adapter>,
    conversations: &[Conversation],
    roles: &[String],
    sequence_length: usize,
    threads: usize,
) -> anyhow::Result<Vec<Evaluation>> {
    let turns: Vec<_> = conversations.iter().map(Conversation::as_turns).collect();
    let recipe = EvaluationRecipe { sequence_length, batch: 16, roles: roles.to_vec() };
    let resources = Resources { threads: threads.max(1), stop: StopToken::new() };
    Ok(model.evaluate(adapter, &turns, &recipe, &resources)?)
}

fn table(whole: &Figures, roles: &Figures, names: &[String]) -> Table {
    let columns = [
        Column::text("measured on"),
        Column::number("tokens"),
        Column::number("loss, nats"),
        Column::number("perplexity"),
        Column::number("accuracy"),
    ];
    let row = |name: String, figures: &Figures| {
        [
            name,
            figures.tokens.to_string(),
            figure(figures, format!("{:.4}", figures.loss)),
            figure(figures, format!("{:.2}", figures.perplexity)),
            figure(figures, format!("{:.2} %", 100.0 * figures.accuracy)),
        ]
    };
    Table::new(columns).row(row("whole text".into(), whole)).row(row(names.join(" and "), roles))
}

/// Where no token was, nothing was measured.
fn figure(figures: &Figures, text: String) -> String {
    if figures.tokens == 0 { "–".into() } else { text }
}
