//! Everything that can go wrong with what is kept, each with file, place and what to do.

use std::{io, path::PathBuf};

use version::ChainError;
use wire::ContentHash;

/// Why something could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another program works in the folder.
    #[error(
        "{} is in use by {}: stop it first, or choose another folder", path.display(),
        process.map_or("another process".into(), |id| format!("process {id}"))
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The other process, if it wrote its number.
        process: Option<u32>,
    },
    /// Others on this machine can read what must stay private.
    #[error(
        "{} has mode {mode:03o}, so others on this machine can reach it: run \
         `chmod {} {}`, and if it holds a key that others may have read, replace the key",
        path.display(), if *folder { "700" } else { "600" }, path.display()
    )]
    NotPrivate {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Whether it is a folder.
        folder: bool,
    },
    /// A secret file that must not be overwritten.
    #[error("{} exists already and is never overwritten: move it away first", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A key file that holds something else.
    #[error("{} is not a key file: it must hold exactly 64 hexadecimal digits", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The file is of another kind or from another program.
    #[error("{} is not a {expected} of this program: restore it from a backup or move it away", path.display())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// Bytes that were once written whole no longer verify.
    #[error("{} is damaged at byte {offset}: {remedy}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A torn tail stands in the way of an append.
    #[error("{} ends in a torn record at byte {at}: cut it before anything is appended", path.display())]
    Torn {
        /// The file.
        path: PathBuf,
        /// Where the torn record begins.
        at: u64,
    },
    /// An earlier write or sync failed, so nobody knows what is on the disk.
    #[error(
        "an earlier write to {} failed, and nothing more is written to it: check the disk and \
         start the program again", path.display()
    )]
    Poisoned {
        /// The file.
        path: PathBuf,
    },
    /// More than fits one record.
    #[error("a record of {length} bytes is too long for {}: at most {limit} fit", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes of the record.
        length: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// A cut that would make the file longer.
    #[error("{} has {length} bytes and cannot be cut to {wanted}", path.display())]
    CutBeyondEnd {
        /// The file.
        path: PathBuf,
        /// Bytes that it has.
        length: u64,
        /// Bytes that were asked for.
        wanted: u64,
    },
    /// A kept header is not a header or does not follow.
    #[error("record {record} of {} is not the next header of the chain: restore the file from a backup, or remove it and fetch the chain again", path.display())]
    Chain {
        /// The file.
        path: PathBuf,
        /// Which record, from 1.
        record: u64,
        /// What is wrong with it; none if it does not even decode.
        source: Option<ChainError>,
    },
    /// A slice was asked for where none begins.
    #[error(
        "no slice of {content} ({length} bytes) begins at {offset}: slices begin at multiples of {}",
        crate::SLICE_BYTES
    )]
    SliceOffset {
        /// Which content.
        content: ContentHash,
        /// Its bytes.
        length: u64,
        /// What was asked for.
        offset: u64,
    },
    /// A received slice is not of this content.
    #[error("the slice at {offset} is not part of {content}: fetch it again, from another peer")]
    Slice {
        /// Which content.
        content: ContentHash,
        /// Where the slice should begin.
        offset: u64,
    },
    /// Slices are missing.
    #[error("{missing} slices of {content} are missing")]
    Incomplete {
        /// Which content.
        content: ContentHash,
        /// How many.
        missing: usize,
    },
    /// More than a device would want to assemble.
    #[error("{content} is said to have {length} bytes, more than the {limit} that are accepted")]
    TooLarge {
        /// Which content.
        content: ContentHash,
        /// What a peer said.
        length: u64,
        /// The most that is accepted.
        limit: u64,
    },
    /// This build cannot encrypt.
    #[error("this program was built without SQLCipher, and would write {} in the clear: build it with the feature bundled-sqlcipher-vendored-openssl", path.display())]
    NoEncryption {
        /// The database.
        path: PathBuf,
    },
    /// An ordinary SQLite file.
    #[error("{} is a database in the clear, not an encrypted one: move it away", path.display())]
    NotEncrypted {
        /// The database.
        path: PathBuf,
    },
    /// The key does not open the database.
    #[error("the key does not open {}: use the key file or passphrase that it was made with (if the key is right, the file is damaged: restore it from a backup)", path.display())]
    WrongKey {
        /// The database.
        path: PathBuf,
    },
    /// A passphrase that would not encrypt.
    #[error("a passphrase has at least one character and no zero byte")]
    UnusablePassphrase,
    /// Written by a newer program.
    #[error("{} has layout {found}, newer than the {supported} of this program: update the program", path.display())]
    NewerLayout {
        /// The database.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The newest that this build knows.
        supported: i64,
    },
    /// The database refused.
    #[error("cannot {doing} {}", path.display())]
    Database {
        /// What was tried.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// Its reason.
        source: rusqlite::Error,
    },
    /// Something that is no beginning of an id.
    #[error("an id is named by its first hexadecimal digits, 1 to 64 of them")]
    NotAnId,
    /// No conversation of that name.
    #[error("no conversation's id begins with {prefix}: list them to see the ids")]
    UnknownConversation {
        /// What was asked for.
        prefix: String,
    },
    /// Several conversations of that name.
    #[error("{matches} conversations' ids begin with {prefix}: give more digits")]
    AmbiguousConversation {
        /// What was asked for.
        prefix: String,
        /// How many begin so.
        matches: u64,
    },
}

impl StoreError {
    /// Completes an error of the operating system.
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
