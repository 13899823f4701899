//! Turns foreign chat exports into scrubbed conversations.
//!
//! **What it does.** [`import`] recognises an export by its shape (never by its name), reads it as
//! a stream and yields [`Conversation`]s one by one, with a report of what was taken and what was
//! skipped and why. [`Scrubber`] replaces addresses, numbers, keys and the owner's own words by
//! typed placeholders. [`read_dataset`] reads the project's measurement data with its users,
//! licences and splits.
//!
//! **What it never does.** It trains nothing, sends nothing, writes no file, follows no link and
//! guesses no owner: where an export names people, the caller says who "me" is. No type here
//! prints message text through `Debug`, and no error or report quotes it; people's names appear
//! only where the owner is asked which of them is theirs.
//!
//! **Who uses it.** `murmur-node` (import, scrub), `murmur-coordinator` (the gate's conversations) and `simulations/learning`
//! (data sets).
//!
//! ```no_run
//! use chatlogs::{import, ImportError, ImportOptions, Scrubber};
//!
//! let scrubber = Scrubber::new(&["Project Heron".to_owned()])?;
//! let found = import("chat.zip".as_ref(), &ImportOptions { me: Some("Ana".to_owned()), ..Default::default() })?;
//! let report = found.each(|conversation| {
//!     let (clean, counts) = scrubber.scrub_conversation(conversation);
//!     println!("{}: {} replaced", clean.id(), counts.total());
//!     Ok::<_, ImportError>(())
//! })?;
//! println!("{} conversations", report.conversations);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # One file per format
//! | file | format | recognised by |
//! |---|---|---|
//! | `openai.rs` | OpenAI messages | `messages` of `role`, `content` |
//! | `sharegpt.rs` | ShareGPT | `conversations` of `from`, `value` |
//! | `chatgpt.rs` | ChatGPT export | `mapping`, a tree of nodes |
//! | `whatsapp.rs` | WhatsApp text | lines that start with a date, a time, an author |
//! | `dataset.rs` | the project's own JSONL | `user`, `conversation`, `messages` |

mod chatgpt;
mod conversation;
mod dataset;
mod detect;
mod error;
mod format;
mod framing;
mod import;
mod json;
mod openai;
mod owner;
mod part;
mod read_dataset;
mod report;
mod scrub;
mod sharegpt;
mod source;
mod split;
mod whatsapp;

pub use conversation::{
    Conversation, ConversationId, InvalidConversation, Message, Role, ThreadId,
};
pub use dataset::{Feedback, Record};
pub use error::{Candidate, Hint, ImportError};
pub use format::Format;
pub use import::{Import, ImportOptions, import};
pub use read_dataset::read_dataset;
pub use report::{ImportReport, Place, Position, SkipReason, Skipped};
pub use scrub::{Placeholder, ScrubCounts, ScrubError, Scrubber};
pub use source::Limits;
pub use split::Split;
