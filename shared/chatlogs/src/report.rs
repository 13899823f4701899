//! What an import took and what it skipped, and why. Counts and places, never text.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::{Conversation, Format};

/// What an import did. Serializes for `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// The format that was recognised.
    pub format: Format,
    /// Conversations handed to the caller.
    pub conversations: u64,
    /// Turns in them (consecutive messages of one role count once).
    pub messages: u64,
    /// What was left out, by reason.
    pub skipped: BTreeMap<SkipReason, Skipped>,
}

impl ImportReport {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, conversations: 0, messages: 0, skipped: BTreeMap::new() }
    }

    pub(crate) fn take(&mut self, conversation: &Conversation) {
        self.conversations += 1;
        self.messages += conversation.messages().len() as u64;
    }

    pub(crate) fn skip(&mut self, reason: SkipReason, place: &Place) {
        let skipped = self.skipped.entry(reason).or_default();
        skipped.count += 1;
        if skipped.examples.len() < EXAMPLES && skipped.examples.last() != Some(place) {
            skipped.examples.push(place.clone());
        }
    }

    /// How often something was skipped for `reason`.
    pub fn skipped(&self, reason: SkipReason) -> u64 {
        self.skipped.get(&reason).map_or(0, |skipped| skipped.count)
    }
}

/// How much was skipped for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// The first places where it happened.
    pub examples: Vec<Place>,
}

/// Why something was not taken. The first group loses a whole conversation, the second a message
/// or a part of one, the last a file of a folder or archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// A line or list element is not JSON.
    MalformedJson,
    /// A line or list element is not UTF-8.
    InvalidUtf8,
    /// JSON of another shape than the rest of the file.
    OtherShape,
    /// Larger than the limit for one conversation or line.
    TooLarge,
    /// Nested deeper than any conversation is.
    TooDeep,
    /// Nothing in it that can be read.
    NothingSaid,
    /// The links of a ChatGPT tree lead in a circle.
    CyclicTree,
    /// A ChatGPT tree does not say which branch was the last, and nothing else tells.
    NoCurrentNode,
    /// A link of a ChatGPT tree leads nowhere: what came before it is missing.
    MissingParent,
    /// Somebody else's conversation in a file of many users.
    OtherUser,

    /// A call of a tool, its answer, code that was run.
    ToolMessage,
    /// The hidden reasoning of a model.
    Reasoning,
    /// Marked as hidden by its source.
    Hidden,
    /// A picture, sound, file, contact or place.
    Attachment,
    /// A message that its author deleted.
    Deleted,
    /// Written by the messenger itself.
    SystemLine,
    /// A role that this format does not have.
    UnknownRole,
    /// A value of another type than the format says.
    WrongType,
    /// Text before the first message.
    StrayLine,

    /// A file of the folder or archive that holds no conversations of this format.
    OtherFile,
    /// A JSON file of the folder or archive that is cut off or damaged from its beginning.
    DamagedFile,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::MalformedJson => "not valid JSON",
            Self::InvalidUtf8 => "not valid UTF-8",
            Self::OtherShape => "JSON of another shape",
            Self::TooLarge => "larger than the limit",
            Self::TooDeep => "nested too deeply",
            Self::NothingSaid => "no readable message in it",
            Self::CyclicTree => "message links in a circle",
            Self::NoCurrentNode => "no sign of which branch was the last",
            Self::MissingParent => "earlier messages missing",
            Self::OtherUser => "another user's conversation",
            Self::ToolMessage => "tool call or tool output",
            Self::Reasoning => "hidden reasoning of a model",
            Self::Hidden => "hidden message",
            Self::Attachment => "picture, sound, file or place",
            Self::Deleted => "deleted message",
            Self::SystemLine => "line of the messenger itself",
            Self::UnknownRole => "unknown role",
            Self::WrongType => "value of a wrong type",
            Self::StrayLine => "line before the first message",
            Self::OtherFile => "file without conversations of this format",
            Self::DamagedFile => "file that is cut off or damaged",
        })
    }
}

/// A place in an export.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file; in an archive `archive.zip/entry.json`.
    pub file: String,
    /// Where in it.
    pub position: Position,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Position::Whole => formatter.write_str(&self.file),
            Position::Line(line) => write!(formatter, "{} line {line}", self.file),
            Position::Conversation(number) => {
                write!(formatter, "{} conversation {number}", self.file)
            }
        }
    }
}

/// Where in a file; both numbers start at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Position {
    /// The file as a whole.
    Whole,
    /// A line.
    Line(u64),
    /// An element of a JSON list.
    Conversation(u64),
}

/// The report together with the place that is being read: what a decoder writes skips to.
pub(crate) struct Tally<'a> {
    pub(crate) report: &'a mut ImportReport,
    pub(crate) place: Place,
}

impl Tally<'_> {
    pub(crate) fn skip(&mut self, reason: SkipReason) {
        self.report.skip(reason, &self.place);
    }
}

/// Examples kept for each reason.
const EXAMPLES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_all_and_keeps_the_first_places() {
        let mut report = ImportReport::new(Format::OpenAi);
        for line in [1, 1, 2, 3, 4, 5] {
            let position = Position::Line(line);
            report.skip(SkipReason::WrongType, &Place { file: "a.jsonl".into(), position });
        }
        let skipped = &report.skipped[&SkipReason::WrongType];
        assert_eq!(skipped.count, 6);
        let shown: Vec<_> = skipped.examples.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a.jsonl line 1", "a.jsonl line 2", "a.jsonl line 3"]);
    }

    #[test]
    fn serializes_for_scripts() {
        let mut report = ImportReport::new(Format::WhatsApp);
        report.skip(SkipReason::OtherFile, &Place { file: "a".into(), position: Position::Whole });
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(
            json,
            r#"{"format":"whats-app","conversations":0,"messages":0,"skipped":{"other-file":{"count":1,"examples":[{"file":"a","position":"whole"}]}}}"#
        );
    }
}
