//! `murmur-node import`: chat exports into the encrypted store, and what was taken of them.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use chatlogs::{
    Conversation, ImportError, ImportOptions, ImportReport, ScrubCounts, Scrubber, Split,
};
use program::{Exit, Output, Progress, Unit, UsageError, human};
use serde_json::json;
use store::{Conversations, Imported, StoredConversation};

use crate::home::Home;

/// Imports chat exports: OpenAI messages, ShareGPT, ChatGPT (zip, folder or JSON), WhatsApp (zip
/// or text), Murmuration data sets. The format is found by the content; importing twice changes
/// nothing. The chats stay on this device, encrypted.
#[derive(clap::Args)]
pub struct Options {
    /// Files or folders
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Your name as the export writes it, where an export names people
    #[arg(long, value_name = "NAME")]
    me: Option<String>,
}

/// Conversations written in one transaction.
const BATCH: usize = 256;

/// Runs the command.
///
/// # Errors
/// At the first export that cannot be read: all are read to their end before anything of any is kept.
pub fn run(folder: &Path, options: Options, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let mut store = home.conversations()?;
    let scrubber = Scrubber::new(&home.private_words()?)?;
    let import_options = ImportOptions { me: options.me, ..ImportOptions::default() };
    let mut reports = Vec::new();
    for file in &options.files {
        read_through(file, &import_options).map_err(anyhow::Error::from).map_err(asked)?;
    }
    for file in &options.files {
        let taken = import(file, &import_options, &scrubber, &mut store)?;
        output.say(told(file, &taken))?;
        reports.push(json!({
            "file": file,
            "format": taken.report.format.name(),
            "conversations": taken.report.conversations,
            "messages": taken.report.messages,
            "inserted": taken.imported.inserted,
            "replaced": taken.imported.replaced,
            "duplicate": taken.imported.duplicate,
            "skipped": taken.report.skipped.iter()
                .map(|(reason, skipped)| (reason.to_string(), skipped.count))
                .collect::<std::collections::BTreeMap<_, _>>(),
            "private_details": taken.replaced.total(),
        }));
    }
    let counts = store.counts()?;
    let answer = json!({ "files": reports, "total": counts.total, "training": counts.training });
    output.answer(&answer, |_| {
        format!(
            "{} in the store, {} of them may be trained on.",
            human::plural(counts.total, "conversation"),
            counts.training
        )
    })?;
    Ok(Exit::Success)
}

/// What came of one export.
struct Taken {
    report: ImportReport,
    imported: Imported,
    replaced: ScrubCounts,
}

fn import(
    file: &Path,
    options: &ImportOptions,
    scrubber: &Scrubber,
    store: &mut Conversations,
) -> anyhow::Result<Taken> {
    let bar =
        Progress::endless(format!("importing {}", file.display()), Unit::Count("conversations"));
    let import = chatlogs::import(file, options)?;
    let (mut batch, mut replaced) = (Vec::with_capacity(BATCH), ScrubCounts::default());
    let mut imported = Imported::default();
    let imported_at = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let report = import.each(|conversation| -> anyhow::Result<()> {
        batch.push(stored(&conversation, imported_at));
        replaced.add(&scrubber.scrub_conversation(conversation).1);
        bar.advance(1);
        if batch.len() == BATCH {
            add(&mut imported, store.insert_many(batch.iter())?);
            batch.clear();
        }
        Ok(())
    });
    let report = report.map_err(explain)?;
    add(&mut imported, store.insert_many(batch.iter())?);
    drop(bar);
    Ok(Taken { report, imported, replaced })
}

/// A question that `--me` answers is one about the command line.
fn asked(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<ImportError>() {
        Some(question @ (ImportError::WhoIsMe { .. } | ImportError::MeNotFound { .. })) => {
            UsageError(question.to_string()).into()
        }
        _ => error,
    }
}

/// Reads an export to its end before anything of it is kept: a damaged one touches nothing.
fn read_through(file: &Path, options: &ImportOptions) -> Result<(), ImportError> {
    let bar =
        Progress::endless(format!("reading {}", file.display()), Unit::Count("conversations"));
    chatlogs::import(file, options)?.each(|_| -> Result<(), ImportError> {
        bar.advance(1);
        Ok(())
    })?;
    Ok(())
}

/// What the store keeps: the words as they are; they are scrubbed whenever they are used.
fn stored(conversation: &Conversation, imported_at: i64) -> StoredConversation {
    StoredConversation {
        id: *conversation.id().as_bytes(),
        thread: *conversation.thread().as_bytes(),
        source: conversation.source().name().to_owned(),
        title: conversation.title().map(str::to_owned),
        started: conversation.started(),
        messages: conversation.to_json(),
        split: Some(split_name(conversation.split()).to_owned()),
        excluded: false,
        imported_at,
    }
}

/// The store's name of a split.
pub(crate) fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::HeldOut => HELD_OUT,
    }
}

/// What is never trained on, so that learning can be measured.
pub(crate) const HELD_OUT: &str = "held-out";

fn add(sum: &mut Imported, more: Imported) {
    sum.inserted += more.inserted;
    sum.replaced += more.replaced;
    sum.duplicate += more.duplicate;
}

fn explain(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<ImportError>() {
        Some(_) => error,
        None => error.context("the conversations could not be stored"),
    }
}

fn told(file: &Path, taken: &Taken) -> String {
    let Taken { report, imported, replaced } = taken;
    let mut text = format!(
        "{}: {}, {} with {} ({} new, {} longer than before, {} known)",
        file.display(),
        report.format,
        human::plural(report.conversations, "conversation"),
        human::plural(report.messages, "message"),
        imported.inserted,
        imported.replaced,
        imported.duplicate,
    );
    if report.conversations == 0 {
        text.push_str("\n  NOTHING was taken of it; what was skipped says why");
    }
    if replaced.total() > 0 {
        text.push_str(&format!(
            "\n  private details that will be replaced before training: {replaced}"
        ));
    }
    for (reason, skipped) in &report.skipped {
        let places: Vec<String> = skipped.examples.iter().map(ToString::to_string).collect();
        text.push_str(&format!(
            "\n  skipped {}: {reason} (for example {})",
            skipped.count,
            places.join(", ")
        ));
    }
    text
}

/// Puts one conversation of our own into the store.
///
/// # Errors
/// If it cannot be written.
pub fn keep(store: &mut Conversations, conversation: &Conversation) -> anyhow::Result<()> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    store
        .insert_many([&stored(conversation, now)])
        .map(|_| ())
        .context("the conversation could not be stored")
}
