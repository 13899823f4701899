//! `murmur-node conversations`: what is in the store, and what may be trained on.

use std::path::Path;

use chatlogs::{Conversation, Format, Role};
use program::{Exit, Output, human};
use report::{Column, Table};
use serde_json::json;
use store::{ConversationCounts, ConversationSummary, StoredConversation};

use super::import;
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
    /// Print one conversation, as it was imported
    Show {
        /// The first digits of its id
        id: String,
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
    /// Delete a conversation from this device. Versions that have learned from it stay, and
    /// importing the same export brings it back: `exclude` keeps it out
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
            let mut list = store.list(skip, limit)?;
            let answer = json!({
                "total": counts.total, "training": counts.training, "excluded": counts.excluded,
                "conversations": list.iter().map(as_json).collect::<Vec<_>>(),
            });
            for summary in list.iter_mut().filter(|summary| summary.title.is_none()) {
                let stored = store.get(&wire::ContentHash(summary.id).to_string())?;
                summary.title = beginning(&stored);
            }
            output.answer(&answer, |_| listed(&counts, &list))?;
            return Ok(Exit::Success);
        }
        Options::Show { id } => {
            let stored = store.get(&id)?;
            let conversation = Conversation::from_json(&stored.messages)?;
            let said = conversation.as_turns();
            let answer = json!({
                "id": wire::ContentHash(stored.id).to_string(),
                "source": stored.source,
                "title": stored.title,
                "messages": said.iter().map(|(role, text)| json!({ "role": role, "text": text }))
                    .collect::<Vec<_>>(),
            });
            output.answer(&answer, |_| shown(&conversation))?;
            return Ok(Exit::Success);
        }
        Options::Exclude { id } => ("excluded from training", store.exclude(&id)?),
        Options::Include { id } => {
            let id = store.include(&id)?;
            let held_out = store.find(&id)?.and_then(|stored| stored.split);
            match held_out.as_deref() == Some(import::HELD_OUT) {
                true => ("held out to measure with, and so not trained on", id),
                false => ("may be trained on again", id),
            }
        }
        Options::Delete { id } => ("deleted", store.delete(&id)?),
    };
    let id = short(&id);
    output.answer(&json!({ "conversation": id, "is": done }), |_| format!("{id}: {done}"))?;
    Ok(Exit::Success)
}

fn listed(counts: &ConversationCounts, list: &[ConversationSummary]) -> String {
    if counts.total == 0 {
        return "No conversation is here yet: `murmur-node import <chats>`.".into();
    }
    let summary = format!(
        "{} in all, {} may be trained on, {} excluded",
        counts.total, counts.training, counts.excluded
    );
    if list.is_empty() { summary } else { format!("{}\n{summary}", table(list).for_terminal()) }
}

/// What the list says where there is no title: how the conversation begins, in quotation marks.
fn beginning(stored: &StoredConversation) -> Option<String> {
    let conversation = Conversation::from_json(&stored.messages).ok()?;
    let first = conversation.messages().first()?;
    Some(format!("“{}”", first.text))
}

/// One line of at most [`TITLE_LETTERS`].
fn shortened(title: &str) -> String {
    let line = title.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(TITLE_LETTERS) {
        None => line,
        Some(_) => line.chars().take(TITLE_LETTERS - 1).chain(['…']).collect(),
    }
}

/// With the other columns, less than a hundred in all.
const TITLE_LETTERS: usize = 44;

fn shown(conversation: &Conversation) -> String {
    let said = conversation.messages().iter().map(|message| {
        let who = match &message.role {
            Role::Partner(name) => name.as_str(),
            role => role.name(),
        };
        format!("{who}: {}", message.text)
    });
    let title = conversation.title().map(|title| format!("{title}\n")).into_iter();
    title.chain(said).collect::<Vec<_>>().join("\n")
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
            shortened(summary.title.as_deref().unwrap_or_default()),
            human::bytes(summary.bytes),
            used.to_owned(),
        ])
    })
}

fn short(id: &[u8; 32]) -> String {
    wire::ContentHash(*id).short()
}

#[cfg(test)]
mod tests {
    use chatlogs::Message;

    use super::*;

    #[test]
    fn titles_are_one_short_line() {
        assert_eq!(shortened("two\nlines\tand a tab"), "two lines and a tab");
        let long = shortened(&"ä word ".repeat(20));
        assert_eq!(long.chars().count(), TITLE_LETTERS);
        assert!(long.ends_with('…'), "{long}");
    }

    #[test]
    fn an_empty_store_says_what_to_do() {
        let counts = ConversationCounts { total: 0, training: 0, excluded: 0 };
        assert!(listed(&counts, &[]).contains("murmur-node import"));
    }

    #[test]
    fn a_conversation_is_shown_with_who_said_what() {
        let message = |role, text: &str| Message { role, text: text.into() };
        let said = vec![message(Role::Me, "hello"), message(Role::Partner("Bo".into()), "hi")];
        let conversation =
            Conversation::new(Format::WhatsApp, None, Some("Trip".into()), said, None).unwrap();
        assert_eq!(shown(&conversation), "Trip\n\nuser: hello\nBo: hi");
    }
}
