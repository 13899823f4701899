//! What survives a restart, on one device or one coordinator.
//!
//! What it does: a private, locked [`Folder`]; files that are durable when a call returns
//! ([`Log`], [`LedgerFile`], [`Snapshot`]); blobs by their BLAKE3 hash and their verified slices
//! ([`Contents`], [`Assembly`]); the header chain on disk ([`ChainFile`]); the encrypted database of
//! conversations ([`Conversations`]); secret files ([`keyfile`]).
//!
//! What it never does: it understands nothing that it keeps but the chain's headers (ledger bytes,
//! conversations and machine states are opaque), reads no clock, opens no socket, repairs nothing
//! without being told to.
//!
//! Who uses it: the two programs.
//!
//! # What "durable" means here
//! When an appending or replacing call returns `Ok`, the bytes and the directory entry have been
//! synced (`fdatasync`, `fsync`; `F_FULLFSYNC` on Apple systems): they are there after a crash of the
//! program or of the machine, as far as the disk keeps what it synced. When a write or a sync fails,
//! nobody knows what is on the disk (a later sync may succeed although pages were dropped), so the
//! file object refuses all further writes; opening it again reads what is really there. Opening also
//! syncs: a process that was killed may have left bytes that are in memory alone, and nobody shall
//! build on those.
//!
//! # What is damaged and what is torn
//! An append that a crash cut short leaves a *torn* tail, which was never acknowledged: it is
//! reported, and cut only when the caller says so. Everything else that does not verify is *damage*:
//! an error that names file and byte, and nothing is touched.

mod appender;
mod chain_file;
mod contents;
mod conversation;
mod conversations;
mod database;
mod disk;
mod error;
mod folder;
mod frame;
pub mod keyfile;
mod ledger_file;
mod log;
mod slices;
mod snapshot;

pub use appender::Medium;
pub use chain_file::ChainFile;
pub use contents::Contents;
pub use conversation::{ConversationCounts, ConversationSummary, Imported, StoredConversation};
pub use conversations::Conversations;
pub use database::DatabaseKey;
pub use error::StoreError;
pub use folder::Folder;
pub use ledger_file::LedgerFile;
pub use log::{Log, LogReader, Records, Torn};
pub use slices::{Assembly, SLICE_BYTES};
pub use snapshot::Snapshot;
