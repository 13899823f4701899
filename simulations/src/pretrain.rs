//! `murmur-simulate pretrain`: free texts in, a model folder with its card out.

use std::path::PathBuf;

use learning::pretrain::Pretrain;
use program::{Exit, Output, Progress, Unit, UsageError};
use serde_json::json;

/// Pre-trains a base model of about 3 million parameters. Of the given files only freely licensed
/// English texts are used (Gutenberg, OpenAssistant, XPersona, half of the IRC users); what was
/// left out is counted in the model card.
#[derive(clap::Args)]
pub struct Options {
    /// Data sets: JSON lines, decompressed
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The model folder to write; one that holds a model is refused
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// A model folder to go on from, with its tokenizer, at half the step size
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// Passes over the training tokens
    #[arg(long, value_name = "N", default_value_t = 4.0)]
    epochs: f64,
    /// Most threads
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// Decides everything that is random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Runs the command.
///
/// # Errors
/// If the folder holds a model, or a file cannot be read as texts.
pub fn run(options: Options, output: Output) -> anyhow::Result<Exit> {
    let Options { files, folder, from, epochs, threads, seed } = options;
    if folder.join("model.safetensors").exists() {
        return Err(UsageError(format!(
            "{} holds a model already, and swarms name theirs by its hash: write to another --folder",
            folder.display()
        ))
        .into());
    }
    let pretrain = Pretrain { files, folder: folder.clone(), from, epochs, threads, seed };
    let stop = learning::StopToken::new();
    let mut bar: Option<Progress> = None;
    let report = pretrain.run(&stop, &mut |steps, now| {
        let bar = bar.get_or_insert_with(|| {
            Progress::new("pre-training", steps as u64, Unit::Count("steps"))
        });
        bar.set(now.step as u64);
        match now.held_out_loss {
            Some(held_out) => bar.detail(format!("loss {:.3}, held out {held_out:.3}", now.loss)),
            None => bar.detail(format!("loss {:.3}", now.loss)),
        }
    })?;
    if let Some(bar) = bar {
        bar.finish();
    }
    let loss = report.curve.last().map(|&(_, loss)| loss);
    let answer = json!({
        "folder": folder,
        "parameters": report.parameters,
        "training_tokens": report.training_tokens,
        "held_out_tokens": report.held_out_tokens,
        "loss": loss,
        "unigram_loss": report.unigram_loss,
        "trigram_loss": report.trigram_loss,
        "seconds": report.seconds,
    });
    output.answer(&answer, |_| {
        format!(
            "{} parameters in {}: held-out loss {:.4} nats a token (counting single tokens {:.4}, three in a row {:.4})",
            program::human::count(report.parameters as u64),
            folder.display(),
            loss.unwrap_or(f64::NAN),
            report.unigram_loss,
            report.trigram_loss
        )
    })?;
    Ok(Exit::Success)
}
