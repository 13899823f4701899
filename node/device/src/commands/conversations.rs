//! `murmur-node conversations`: what is in the store, and what may be trained on.

use std::path::Path;

use chatlogs::Format;
use program::{Exit, Output, human};
use report::{Column, Table};
use serde_json::json;
use store::ConversationSummary;

use crate::home::Home;

/// See and choose which conversations may be trained on.
#[derive(clap::Subcommand)]
pub enum Options {
    /// List conversations, newest import last
    List {
        /// How many to leave out at the beginning
        #[arg(long, default_value_t = 0)]
        skip: u64,
        /// How many to show
        #[arg(long, default_value_t = 50)]
        limit: u64,
    },
    /// Take a conversation out of training
    Exclude {
        /// The first digits of its id
        id: String,
    },
    /// Take an excluded conversation back
    Include {
        /// The first digits of its id
        id: String,
    },
    /// Delete a conversation from this device. Versions that have learned from it stay
    Delete {
        /// The first digits of its id
        id: String,
    },
}

/// Runs the command.
///
/// # Errors
/// If the store cannot be opened, or no conversation or several have that id.
pub fn run(folder: &Path, options: Options, output: Output) -> anyhow::Result<Exit> {
    let mut store = Home::open(folder)?.conversations()?;
    let (done, id) = match options {
        Options::List { skip, limit } => {
            let counts = store.counts()?;
            let list = store.list(skip, limit)?;
            let answer = json!({
                "total": counts.total, "training": counts.training, "excluded": counts.excluded,
                "conversations": list.iter().map(as_json).collect::<Vec<_>>(),
            });
            output.answer(&answer, |_| {
                let summary = format!(
                    "{} in all, {} may be trained on, {} excluded",
                    counts.total, counts.training, counts.excluded
                );
                format!("{}\n{summary}", table(&list).for_terminal())
            })?;
            return Ok(Exit::Success);
        }
        Options::Exclude { id } => ("excluded from training", store.exclude(&id)?),
        Options::Include { id } => ("may be trained on again", store.include(&id)?),
        Options::Delete { id } => ("deleted", store.delete(&id)?),
    };
    let id = short(&id);
    output.answer(&json!({ "conversation": id, "is": done }), |_| format!("{id}: {done}"))?;
    Ok(Exit::Success)
}

fn as_json(summary: &ConversationSummary) -> serde_json::Value {
    json!({
        "id": wire::ContentHash(summary.id).to_string(),
        "source": summary.source,
        "title": summary.title,
        "started": summary.started,
        "bytes": summary.bytes,
        "split": summary.split,
        "excluded": summary.excluded,
    })
}

fn table(list: &[ConversationSummary]) -> Table {
    let columns = [
        Column::text("id"),
        Column::text("from"),
        Column::text("title"),
        Column::number("size"),
        Column::text("use"),
    ];
    list.iter().fold(Table::new(columns), |table, summary| {
        let used = match (summary.excluded, summary.split.as_deref()) {
            (true, _) => "excluded",
            (false, None | Some("train")) => "training",
            (false, Some(_)) => "held out",
        };
        table.row([
            short(&summary.id),
            Format::named(&summary.source)
                .map_or_else(|| summary.source.clone(), |format| format.to_string()),
            summary.title.clone().unwrap_or_default(),
            human::bytes(summary.bytes),
            used.to_owned(),
        ])
    })
}

fn short(id: &[u8; 32]) -> String {
    wire::ContentHash(*id).short()
}
