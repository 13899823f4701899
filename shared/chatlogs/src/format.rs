//! Where a conversation came from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of export (or of program) that a conversation came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JSON or JSONL with `{"messages": [{"role", "content"}]}`.
    OpenAi,
    /// JSON or JSONL with `{"conversations": [{"from", "value"}]}`.
    ShareGpt,
    /// The export of ChatGPT: JSON with `mapping`, single, sharded or zipped.
    ChatGpt,
    /// The text export of WhatsApp, of iOS or Android, plain or zipped.
    WhatsApp,
    /// The project's own JSONL: `{"user", "conversation", "messages", ...}`.
    Dataset,
    /// Typed into this project's own `chat` command.
    Chat,
}

impl Format {
    const ALL: [Self; 6] =
        [Self::OpenAi, Self::ShareGpt, Self::ChatGpt, Self::WhatsApp, Self::Dataset, Self::Chat];

    /// The format that [`Format::name`] gives this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// A stable name: part of conversation ids and of stored conversations.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "open-ai",
            Self::ShareGpt => "share-gpt",
            Self::ChatGpt => "chat-gpt",
            Self::WhatsApp => "whats-app",
            Self::Dataset => "dataset",
            Self::Chat => "chat",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::OpenAi => "OpenAI messages",
            Self::ShareGpt => "ShareGPT",
            Self::ChatGpt => "ChatGPT export",
            Self::WhatsApp => "WhatsApp text",
            Self::Dataset => "Murmuration data set",
            Self::Chat => "Murmuration chat",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name() {
        for format in Format::ALL {
            assert_eq!(Format::named(format.name()), Some(format));
        }
        assert_eq!(Format::named("telegram"), None);
    }
}
