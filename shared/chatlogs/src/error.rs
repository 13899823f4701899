//! Why an export cannot be imported: each message names the file, the place and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::Format;
use crate::report::Place;

/// Why an import stopped. What was handed out before it stopped is sound, but callers that want
/// "all or nothing" keep it in one transaction and roll that back.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The operating system could not read it.
    #[error("cannot read {place}: {}", read_fix(source))]
    Read {
        /// File, or archive and entry.
        place: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Neither a file nor a folder.
    #[error("{} is neither a file nor a folder; save the export to a file and import that", path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// Nothing in it.
    #[error("{} is empty; export it again", path.display())]
    Empty {
        /// What was given.
        path: PathBuf,
    },
    /// Not one of the formats.
    #[error(
        "{} holds no conversations in a format known here{hint}; known are OpenAI messages JSONL, \
         ShareGPT JSON, a ChatGPT export (zip, folder or JSON), a WhatsApp export (zip or text) \
         and Murmuration data sets", path.display()
    )]
    Unrecognised {
        /// What was given.
        path: PathBuf,
        /// What it looks like instead.
        hint: Hint,
    },
    /// A JSON list or object ends too early.
    #[error(
        "{place} ends in the middle, at byte {byte}; the file is cut off: export or copy it again"
    )]
    Truncated {
        /// The element that is not complete.
        place: Place,
        /// Bytes of the file that were read.
        byte: u64,
    },
    /// JSON with something other than a comma or the end between two conversations.
    #[error(
        "{place}: expected {expected} at byte {byte}; the file is damaged: export or copy it again"
    )]
    Syntax {
        /// The last element that was read.
        place: Place,
        /// What should stand there.
        expected: &'static str,
        /// Where, from the start of the file.
        byte: u64,
    },
    /// An archive that cannot be read.
    #[error(
        "cannot read the archive {place}; export or copy it again, or unpack it and import the folder"
    )]
    Archive {
        /// Archive, or archive and entry.
        place: String,
        /// What the archive reader says.
        #[source]
        source: zip::result::ZipError,
    },
    /// An archive with a password.
    #[error("{place} is protected by a password; unpack it and import the folder")]
    Encrypted {
        /// Archive and entry.
        place: String,
    },
    /// An archive that would unpack to far more than any chat export.
    #[error(
        "{place} unpacks to more than {limit_bytes} bytes, as no chat export does; \
         if you trust it, unpack it and import the folder"
    )]
    Bomb {
        /// Archive, or archive and entry.
        place: String,
        /// The limit that it broke.
        limit_bytes: u64,
    },
    /// More files than a chat export has.
    #[error("{} holds more than {limit} files; import the chat export alone", path.display())]
    TooManyFiles {
        /// What was given.
        path: PathBuf,
        /// The limit that it broke.
        limit: usize,
    },
    /// A folder with several kinds of exports.
    #[error("{} holds exports of several formats ({}); import each file by itself", path.display(), names(formats))]
    Mixed {
        /// What was given.
        path: PathBuf,
        /// The formats in it.
        formats: Vec<Format>,
    },
    /// The export names people, and nobody said which of them is the owner.
    #[error("who are you in {}? Say it with --me NAME; it has {}", path.display(), Listed(candidates))]
    WhoIsMe {
        /// What was given.
        path: PathBuf,
        /// Everybody in it, who wrote most comes first.
        candidates: Vec<Candidate>,
    },
    /// The owner's name does not occur.
    #[error("nobody in {} is called {me:?}; it has {}", path.display(), Listed(candidates))]
    MeNotFound {
        /// What was given.
        path: PathBuf,
        /// The name that was given.
        me: String,
        /// Everybody in it, who wrote most comes first.
        candidates: Vec<Candidate>,
    },
}

/// Somebody who might be the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// As it must be given to `me`.
    pub name: String,
    /// How many messages are theirs.
    pub messages: u64,
}

/// What an unrecognised file looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hint {
    /// Nothing that is known.
    None,
    /// JSON, but of another shape.
    Json,
    /// A JSON document that is cut off or damaged.
    DamagedJson,
    /// Text in UTF-16.
    Utf16,
    /// Compressed with gzip.
    Gzip,
    /// Conversations, but not a data set.
    NotADataset,
    /// No text at all.
    Binary,
}

impl fmt::Display for Hint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "",
            Self::Json => " (it is JSON, of another shape)",
            Self::DamagedJson => {
                " (it starts like JSON, but is cut off or damaged: export or copy it again)"
            }
            Self::Utf16 => " (it looks like UTF-16: save it as UTF-8)",
            Self::Gzip => " (it is compressed: unpack it with `gunzip` first)",
            Self::NotADataset => " (it is a chat export, not a data set)",
            Self::Binary => " (it is not text)",
        })
    }
}

struct Listed<'a>(&'a [Candidate]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(candidates) = self;
        if candidates.is_empty() {
            return formatter
                .write_str("no named person (if its letters are not in UTF-8, save it as UTF-8)");
        }
        for (index, candidate) in candidates.iter().take(LISTED).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let plural = if candidate.messages == 1 { "" } else { "s" };
            let Candidate { name, messages } = candidate;
            write!(formatter, "{comma}{name:?} ({messages} message{plural})")?;
        }
        match candidates.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}

fn names(formats: &[Format]) -> String {
    formats.iter().map(Format::to_string).collect::<Vec<_>>().join(", ")
}

/// What to do about a file that the system does not read.
fn read_fix(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "is the path right?",
        io::ErrorKind::PermissionDenied => "it must be yours to read",
        _ => "export or copy it again",
    }
}

/// Candidates that a message lists; the error itself holds all of them.
const LISTED: usize = 10;
