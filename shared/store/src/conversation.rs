//! What the database of conversations takes and gives.
//!
//! A conversation is opaque here: `chatlogs` makes its id, its thread and its bytes, `model` gets
//! them back. What is known is only what must be listed, excluded and counted.

use std::fmt;

use data_encoding::HEXLOWER;

/// One conversation as it is kept. `Debug` prints the id and a length, never text.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredConversation {
    /// The identity of this content.
    pub id: [u8; 32],
    /// The identity of the conversation over time: a later export may hold more of it.
    pub thread: [u8; 32],
    /// The format that it came from.
    pub source: String,
    /// Its title, if it has one.
    pub title: Option<String>,
    /// When it began, in Unix seconds.
    pub started: Option<i64>,
    /// The messages, in the caller's encoding.
    pub messages: Vec<u8>,
    /// `"train"` or none: it may be trained on. Any other name: it is held out.
    pub split: Option<String>,
    /// Whether its owner has taken it out of training.
    pub excluded: bool,
    /// When it was imported, in Unix seconds.
    pub imported_at: i64,
}

impl fmt::Debug for StoredConversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = HEXLOWER.encode(&self.id[..4]);
        write!(f, "StoredConversation({digits}, {} bytes)", self.messages.len())
    }
}

/// What a list shows of a conversation. `Debug` prints the id alone: titles are private too.
#[derive(Clone, PartialEq, Eq)]
pub struct ConversationSummary {
    /// The identity of this content.
    pub id: [u8; 32],
    /// The format that it came from.
    pub source: String,
    /// Its title, if it has one.
    pub title: Option<String>,
    /// When it began, in Unix seconds.
    pub started: Option<i64>,
    /// Bytes of its messages.
    pub bytes: u64,
    /// Which split it belongs to.
    pub split: Option<String>,
    /// Whether its owner has taken it out of training.
    pub excluded: bool,
    /// When it was imported, in Unix seconds.
    pub imported_at: i64,
}

impl fmt::Debug for ConversationSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConversationSummary({})", HEXLOWER.encode(&self.id[..4]))
    }
}

/// What became of conversations that were to be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// New ones.
    pub inserted: u64,
    /// Later content of a thread that was known; its exclusion stays.
    pub replaced: u64,
    /// Known content, or earlier content of a known thread: left as it is.
    pub duplicate: u64,
}

/// How many conversations there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversationCounts {
    /// All.
    pub total: u64,
    /// Taken out by their owner.
    pub excluded: u64,
    /// Neither excluded nor held out.
    pub training: u64,
}
