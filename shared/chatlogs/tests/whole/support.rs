//! What the tests share.

use std::path::{Path, PathBuf};

use chatlogs::{Conversation, ImportError, ImportOptions, ImportReport, import};

/// A file of `fixtures/`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Options with the owner's name.
pub fn me(name: &str) -> ImportOptions {
    ImportOptions { me: Some(name.to_owned()), ..Default::default() }
}

/// Imports everything.
pub fn take(
    path: &Path,
    options: &ImportOptions,
) -> Result<(Vec<Conversation>, ImportReport), ImportError> {
    let mut conversations = Vec::new();
    let report = import(path, options)?.each(|conversation| {
        conversations.push(conversation);
        Ok::<_, ImportError>(())
    })?;
    assert_eq!(report.conversations, conversations.len() as u64);
    let turns: usize = conversations.iter().map(|conversation| conversation.messages().len()).sum();
    assert_eq!(report.messages, turns as u64);
    Ok((conversations, report))
}

/// Imports a fixture that must be readable.
pub fn taken(name: &str, options: &ImportOptions) -> (Vec<Conversation>, ImportReport) {
    take(&fixture(name), options).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// (role, text) of one conversation.
pub fn turns(conversation: &Conversation) -> Vec<(&str, &str)> {
    conversation.as_turns()
}
