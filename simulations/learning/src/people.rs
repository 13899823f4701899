//! The people of the demo: who they are, and their chat exports, read as a node reads them.
//!
//! Each has a folder with `person.toml` (name, me, description, format) and one or more exports in a
//! foreign format. Which conversations are held out is decided by `chatlogs`, as on a node.

use std::path::{Path, PathBuf};

use chatlogs::{Conversation, ImportError, ImportOptions, Role, Scrubber, Split};
use serde::Deserialize;
use serde_json::json;

use crate::LearningError;

const DESCRIPTION: &str = "person.toml";

/// `person.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    me: String,
    description: String,
    format: String,
}

/// One person with scrubbed conversations. `Debug` is left out: they are somebody's own words.
#[derive(Clone)]
pub struct Person {
    /// What to call them.
    pub name: String,
    /// Their name in their export.
    pub me: String,
    /// One line about them.
    pub description: String,
    /// The export's format, as it is called in `person.toml`.
    pub format: String,
    /// The export's files.
    pub files: Vec<PathBuf>,
    /// What may be trained on.
    pub training: Vec<Conversation>,
    /// What is kept to measure with.
    pub held_out: Vec<Conversation>,
}

/// Everybody in `folder`, by the names of their folders.
///
/// # Errors
/// [`LearningError::Read`], [`LearningError::Person`], [`LearningError::Nobody`], or an export that
/// cannot be imported.
pub fn read_people(folder: &Path) -> Result<Vec<Person>, LearningError> {
    let homes = entries(folder)?.into_iter().filter(|home| home.join(DESCRIPTION).is_file());
    let people = homes.map(|home| read_person(&home)).collect::<Result<Vec<_>, _>>()?;
    if people.is_empty() {
        return Err(LearningError::Nobody { folder: folder.to_owned() });
    }
    Ok(people)
}

fn read_person(folder: &Path) -> Result<Person, LearningError> {
    let file = folder.join(DESCRIPTION);
    let text = std::fs::read_to_string(&file)
        .map_err(|source| LearningError::Read { file: file.clone(), source })?;
    let Description { name, me, description, format } = toml::from_str(&text)
        .map_err(|source| LearningError::Person { file: file.clone(), source: Box::new(source) })?;
    let files: Vec<PathBuf> =
        entries(folder)?.into_iter().filter(|entry| *entry != file && entry.is_file()).collect();
    let options = ImportOptions { me: Some(me.clone()), ..ImportOptions::default() };
    let mut all = Vec::new();
    for file in &files {
        all.extend(read_conversations(file, &options)?);
    }
    let (held_out, training) =
        all.into_iter().partition(|conversation| conversation.split() == Split::HeldOut);
    Ok(Person { name, me, description, format, files, training, held_out })
}

/// Scrubbed conversations of one export.
///
/// # Errors
/// If it cannot be imported.
pub fn read_conversations(
    file: &Path,
    options: &ImportOptions,
) -> Result<Vec<Conversation>, LearningError> {
    let scrubber = Scrubber::new(&[])?;
    let mut conversations = Vec::new();
    chatlogs::import(file, options)?.each(|conversation| -> Result<(), ImportError> {
        conversations.push(scrubber.scrub_conversation(conversation).0);
        Ok(())
    })?;
    Ok(conversations)
}

impl Person {
    /// The held-out conversations as JSON lines that `murmur-node evaluate` reads: the project's own
    /// data format, because it keeps every role.
    pub fn held_out_json_lines(&self) -> String {
        let line = |(index, conversation): (usize, &Conversation)| {
            let messages: Vec<_> = conversation
                .messages()
                .iter()
                .map(|message| json!({ "role": told_role(&message.role), "content": message.text }))
                .collect();
            let name = format!("{}-held-out-{:02}", self.name, index + 1);
            let line = json!({ "user": self.name, "conversation": name, "split": "test", "messages": messages });
            format!("{line}\n")
        };
        self.held_out.iter().enumerate().map(line).collect()
    }
}

fn told_role(role: &Role) -> &str {
    match role {
        Role::Me => "user",
        Role::Partner(name) => name,
        other => other.name(),
    }
}

pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, LearningError> {
    let failed = |source| LearningError::Read { file: folder.to_owned(), source };
    let read = std::fs::read_dir(folder).map_err(failed)?;
    let mut entries =
        read.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort();
    Ok(entries)
}
