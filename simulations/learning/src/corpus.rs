//! Free texts for a base model: which conversations may be used, and as what.
//!
//! The files are JSON lines, one conversation each, with its user, source, licence and split. What
//! is kept private for measurement is decided here, in one place, by rule and not by hand.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

/// Why a corpus could not be read.
#[derive(Debug, Error)]
pub enum CorpusError {
    /// The file cannot be opened or read.
    #[error("cannot read {file}: give JSON lines, decompressed")]
    Read {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line that is not a conversation.
    #[error("{file}, line {line}: not a conversation of the expected shape")]
    Line {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// One line of a corpus file.
#[derive(Deserialize)]
struct Line {
    user: String,
    lang: String,
    messages: Vec<Message>,
    #[serde(default)]
    feedback: Option<Feedback>,
    source: String,
    license: String,
    split: String,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
}

#[derive(Deserialize)]
struct Feedback {
    chosen: String,
}

/// A text to learn from: a conversation, or a stretch of a book (one message of role `text`).
pub struct Document {
    /// Where it comes from.
    pub source: Source,
    /// (role, text), in order.
    pub messages: Vec<(String, String)>,
}

/// The free sources that a base model may be trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Books of Project Gutenberg, in the public domain.
    Gutenberg,
    /// OpenAssistant conversations, Apache-2.0.
    OpenAssistant,
    /// English XPersona, MIT.
    XPersona,
    /// Ubuntu IRC, CC BY 4.0; of the users, those whose BLAKE3(user id) is an even number.
    Irc,
}

impl Source {
    /// Its name in a model card.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gutenberg => "Project Gutenberg (seven books)",
            Self::OpenAssistant => "OpenAssistant Conversations",
            Self::XPersona => "XPersona (English part)",
            Self::Irc => "Ubuntu IRC logs",
        }
    }

    /// Its licence.
    pub fn license(self) -> &'static str {
        match self {
            Self::Gutenberg => "public domain",
            Self::OpenAssistant => "Apache-2.0",
            Self::XPersona => "MIT",
            Self::Irc => "CC BY 4.0",
        }
    }

    fn of(line: &Line) -> Option<Self> {
        let source = match (line.source.as_str(), line.license.as_str()) {
            ("gutenberg", "public-domain") => Self::Gutenberg,
            ("oasst", "Apache-2.0") => Self::OpenAssistant,
            ("xpersona", "MIT") => Self::XPersona,
            ("irc", "CC-BY-4.0") => Self::Irc,
            _ => return None,
        };
        let english = line.lang == "en";
        let ours = source != Self::Irc || is_even(&line.user);
        (english && ours).then_some(source)
    }
}

/// Whether BLAKE3 of the user id, read as one big-endian number, is even.
pub fn is_even(user: &str) -> bool {
    blake3::hash(user.as_bytes()).as_bytes()[31] & 1 == 0
}

/// What was taken from the files.
pub struct Corpus {
    /// The training splits.
    pub training: Vec<Document>,
    /// The test splits of the same sources.
    pub held_out: Vec<Document>,
    /// Conversations that the filters left out.
    pub left_out: usize,
    /// BLAKE3 of every file's bytes, by file name.
    pub hashes: BTreeMap<String, String>,
}

/// Reads every file and keeps what the filters allow.
pub fn read(files: &[PathBuf]) -> Result<Corpus, CorpusError> {
    let mut corpus =
        Corpus { training: Vec::new(), held_out: Vec::new(), left_out: 0, hashes: BTreeMap::new() };
    for file in files {
        read_file(file, &mut corpus)?;
    }
    Ok(corpus)
}

fn read_file(file: &Path, corpus: &mut Corpus) -> Result<(), CorpusError> {
    let failed = |source| CorpusError::Read { file: file.to_owned(), source };
    let mut hasher = blake3::Hasher::new();
    let reader = BufReader::new(File::open(file).map_err(failed)?);
    for (number, bytes) in reader.split(b'\n').enumerate() {
        let bytes = bytes.map_err(failed)?;
        hasher.update(&bytes).update(b"\n");
        let line: Line = serde_json::from_slice(&bytes).map_err(|source| CorpusError::Line {
            file: file.to_owned(),
            line: number + 1,
            source,
        })?;
        take(line, corpus);
    }
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    corpus.hashes.insert(name, hasher.finalize().to_hex().to_string());
    Ok(())
}

fn take(line: Line, corpus: &mut Corpus) {
    let Some(source) = Source::of(&line) else {
        corpus.left_out += 1;
        return;
    };
    let answer = line.feedback.map(|feedback| ("assistant".to_owned(), feedback.chosen));
    let messages = line.messages.into_iter().map(|message| (role(&message.role), message.content));
    let document = Document { source, messages: messages.chain(answer).collect() };
    match line.split.as_str() {
        "train" => corpus.training.push(document),
        _ => corpus.held_out.push(document),
    }
}

/// People other than the user are partners, whatever their nick.
fn role(role: &str) -> String {
    match role {
        "user" | "assistant" | "system" | "text" => role.to_owned(),
        _ => "partner".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(source: &str, license: &str, lang: &str, user: &str) -> Line {
        Line {
            user: user.to_owned(),
            lang: lang.to_owned(),
            messages: vec![Message { role: "seveas".to_owned(), content: "hi".to_owned() }],
            feedback: None,
            source: source.to_owned(),
            license: license.to_owned(),
            split: "train".to_owned(),
        }
    }

    #[test]
    fn only_free_english_sources_pass() {
        assert_eq!(
            Source::of(&line("gutenberg", "public-domain", "en", "a")),
            Some(Source::Gutenberg)
        );
        assert_eq!(Source::of(&line("xpersona", "MIT", "fr", "a")), None);
        for (source, license) in [
            ("sgd", "CC-BY-SA-4.0"),
            ("topicalchat", "CDLA-Sharing-1.0"),
            ("star", "MIT"),
            ("hh", "MIT"),
        ] {
            assert_eq!(Source::of(&line(source, license, "en", "a")), None, "{source}");
        }
    }

    #[test]
    fn half_of_the_irc_users_stay_private() {
        let users: Vec<String> = (0..1000).map(|i| format!("user-{i}")).collect();
        let even = users.iter().filter(|user| is_even(user)).count();
        assert!((440..560).contains(&even), "{even}");
        for user in &users {
            let taken = Source::of(&line("irc", "CC-BY-4.0", "en", user)).is_some();
            assert_eq!(taken, is_even(user));
        }
    }

    #[test]
    fn nicks_become_partners_and_chosen_answers_are_kept() {
        let mut corpus =
            Corpus { training: vec![], held_out: vec![], left_out: 0, hashes: BTreeMap::new() };
        let mut with_answer = line("oasst", "Apache-2.0", "en", "a");
        with_answer.feedback = Some(Feedback { chosen: "yes".to_owned() });
        take(with_answer, &mut corpus);
        let roles: Vec<&str> =
            corpus.training[0].messages.iter().map(|(role, _)| role.as_str()).collect();
        assert_eq!(roles, ["partner", "assistant"]);
    }
}
