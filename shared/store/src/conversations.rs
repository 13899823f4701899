//! The conversations of one person, encrypted at rest.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    ConversationCounts, ConversationSummary, Imported, StoreError, StoredConversation,
    database::{self, DatabaseKey, failed, first_damage},
};

/// The database of one node's conversations.
pub struct Conversations {
    connection: Connection,
    path: PathBuf,
}

/// One step of the layout each; never changed, only added to.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE conversations (
        position    INTEGER PRIMARY KEY,
        id          BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
        thread      BLOB NOT NULL UNIQUE CHECK (length(thread) = 32),
        source      TEXT NOT NULL,
        title       TEXT,
        started     INTEGER,
        messages    BLOB NOT NULL,
        split       TEXT,
        excluded    INTEGER NOT NULL CHECK (excluded IN (0, 1)),
        imported_at INTEGER NOT NULL
    ) STRICT;
"];

/// The columns of a whole row, in the order in which [`stored`] reads them.
const COLUMNS: &str = "id, thread, source, title, started, messages, split, excluded, imported_at";
/// What may be trained on.
const TRAINING: &str = "excluded = 0 AND coalesce(split, 'train') = 'train'";

impl Conversations {
    /// Opens the database, or creates it with mode 0600.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`] (the file is then untouched), [`StoreError::NotEncrypted`] for an
    /// ordinary SQLite file, [`StoreError::NoEncryption`] if this build has no SQLCipher,
    /// [`StoreError::NewerLayout`], [`StoreError::NotPrivate`], [`StoreError::Database`].
    pub fn open(path: &Path, key: &DatabaseKey<'_>) -> Result<Self, StoreError> {
        let connection = database::open(path, key, &MIGRATIONS)?;
        Ok(Self { connection, path: path.into() })
    }

    /// Keeps conversations, all of them or, on an error, none; durable on return.
    ///
    /// Of a thread only one content is kept: a new one replaces the old one unless it is shorter (an
    /// older export). Doing it twice changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn insert_many<'a>(
        &mut self,
        conversations: impl IntoIterator<Item = &'a StoredConversation>,
    ) -> Result<Imported, StoreError> {
        let run = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            let mut imported = Imported::default();
            for conversation in conversations {
                insert(&transaction, conversation, &mut imported)?;
            }
            transaction.commit()?;
            Ok(imported)
        };
        run(&mut self.connection)
            .map_err(|error| explain(&self.connection, &self.path, "write", error))
    }

    /// Up to `limit` conversations after the first `skip`, in the order of their import.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn list(&self, skip: u64, limit: u64) -> Result<Vec<ConversationSummary>, StoreError> {
        let mut found = Vec::new();
        self.for_each_row(
            "SELECT id, source, title, started, length(messages), split, excluded, imported_at
             FROM conversations ORDER BY position LIMIT ?1 OFFSET ?2",
            [clamped(limit), clamped(skip)],
            |row| {
                found.push(summary(row)?);
                Ok(())
            },
        )?;
        Ok(found)
    }

    /// One conversation, named by the first hexadecimal digits of its id.
    ///
    /// # Errors
    /// As [`Conversations::exclude`].
    pub fn get(&self, prefix: &str) -> Result<StoredConversation, StoreError> {
        let id = self.resolve(prefix)?;
        let query = format!("SELECT {COLUMNS} FROM conversations WHERE id = ?1");
        self.connection.query_row(&query, [id], stored).map_err(|error| self.failed("read", error))
    }

    /// Takes a conversation out of training. Its id.
    ///
    /// # Errors
    /// [`StoreError::UnknownConversation`], [`StoreError::AmbiguousConversation`] and
    /// [`StoreError::NotAnId`] for what `prefix` may be; [`StoreError::Database`].
    pub fn exclude(&mut self, prefix: &str) -> Result<[u8; 32], StoreError> {
        self.set_excluded(prefix, true)
    }

    /// Takes a conversation back into training. Its id.
    ///
    /// # Errors
    /// As [`Conversations::exclude`].
    pub fn include(&mut self, prefix: &str) -> Result<[u8; 32], StoreError> {
        self.set_excluded(prefix, false)
    }

    /// Removes a conversation and overwrites its bytes in the file. Its id. Importing it again
    /// brings it back.
    ///
    /// # Errors
    /// As [`Conversations::exclude`].
    pub fn delete(&mut self, prefix: &str) -> Result<[u8; 32], StoreError> {
        let id = self.resolve(prefix)?;
        self.connection
            .execute("DELETE FROM conversations WHERE id = ?1", [id])
            .map_err(|error| self.failed("write", error))?;
        Ok(id)
    }

    /// The ids of what may be trained on, in the order of import (see
    /// [`Conversations::for_each_training`]): for choosing before anything is read.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn training_ids(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        let mut ids = Vec::new();
        let query = format!("SELECT id FROM conversations WHERE {TRAINING} ORDER BY position");
        self.for_each_row(&query, [], |row| {
            ids.push(row.get(0)?);
            Ok(())
        })?;
        Ok(ids)
    }

    /// One conversation by its whole id; none if it is not kept.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn find(&self, id: &[u8; 32]) -> Result<Option<StoredConversation>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM conversations WHERE id = ?1");
        let found = self.connection.query_row(&query, [id], stored).optional();
        found.map_err(|error| self.failed("read", error))
    }

    /// Hands over, one at a time and in the order of import, what may be trained on: not excluded,
    /// and of the split `train` or of none. Stops when `take` returns false.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn for_each_training(
        &self,
        mut take: impl FnMut(StoredConversation) -> bool,
    ) -> Result<(), StoreError> {
        let query =
            format!("SELECT {COLUMNS} FROM conversations WHERE {TRAINING} ORDER BY position");
        self.hand_over(&query, [], &mut take)
    }

    /// The same for what is held out in the split of this name and not excluded.
    ///
    /// # Errors
    /// As [`Conversations::for_each_training`].
    pub fn for_each_in_split(
        &self,
        split: &str,
        mut take: impl FnMut(StoredConversation) -> bool,
    ) -> Result<(), StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM conversations WHERE excluded = 0 AND split = ?1 ORDER BY position"
        );
        self.hand_over(&query, [split], &mut take)
    }

    /// How many there are.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn counts(&self) -> Result<ConversationCounts, StoreError> {
        let query = format!(
            "SELECT count(*), count(*) FILTER (WHERE excluded = 1), count(*) FILTER (WHERE {TRAINING})
             FROM conversations"
        );
        let count = |row: &Row<'_>, column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let read = |row: &Row<'_>| {
            Ok(ConversationCounts {
                total: count(row, 0)?,
                excluded: count(row, 1)?,
                training: count(row, 2)?,
            })
        };
        self.connection.query_row(&query, [], read).map_err(|error| self.failed("read", error))
    }

    /// Verifies every page of the file.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the place of the first that does not verify.
    pub fn verify(&self) -> Result<(), StoreError> {
        let damage = first_damage(&self.connection).map_err(failed("verify", &self.path))?;
        damage.map_or(Ok(()), |offset| Err(damaged(&self.path, offset)))
    }

    fn set_excluded(&mut self, prefix: &str, excluded: bool) -> Result<[u8; 32], StoreError> {
        let id = self.resolve(prefix)?;
        self.connection
            .execute("UPDATE conversations SET excluded = ?2 WHERE id = ?1", params![id, excluded])
            .map_err(|error| self.failed("write", error))?;
        Ok(id)
    }

    /// The one id that begins with these digits.
    fn resolve(&self, prefix: &str) -> Result<[u8; 32], StoreError> {
        let is_beginning = |byte: u8| byte.is_ascii_hexdigit();
        if !(1..=64).contains(&prefix.len()) || !prefix.bytes().all(is_beginning) {
            return Err(StoreError::NotAnId);
        }
        let mut found = Vec::new();
        let query = "SELECT id FROM conversations WHERE substr(hex(id), 1, length(?1)) = upper(?1)";
        self.for_each_row(query, [prefix], |row| {
            found.push(row.get(0)?);
            Ok(())
        })?;
        match found[..] {
            [id] => Ok(id),
            [] => Err(StoreError::UnknownConversation { prefix: prefix.into() }),
            _ => {
                let matches = found.len() as u64;
                Err(StoreError::AmbiguousConversation { prefix: prefix.into(), matches })
            }
        }
    }

    fn hand_over(
        &self,
        query: &str,
        values: impl rusqlite::Params,
        take: &mut dyn FnMut(StoredConversation) -> bool,
    ) -> Result<(), StoreError> {
        let run = || {
            let mut statement = self.connection.prepare(query)?;
            let mut rows = statement.query(values)?;
            while let Some(row) = rows.next()? {
                if !take(stored(row)?) {
                    break;
                }
            }
            Ok(())
        };
        run().map_err(|error| self.failed("read", error))
    }

    fn for_each_row(
        &self,
        query: &str,
        values: impl rusqlite::Params,
        mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let run = || {
            let mut statement = self.connection.prepare(query)?;
            let mut rows = statement.query(values)?;
            while let Some(row) = rows.next()? {
                take(row)?;
            }
            Ok(())
        };
        run().map_err(|error| self.failed("read", error))
    }

    fn failed(&self, doing: &'static str, error: rusqlite::Error) -> StoreError {
        explain(&self.connection, &self.path, doing, error)
    }
}

impl fmt::Debug for Conversations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conversations({})", self.path.display())
    }
}

/// Looks for the damaged page where the database says that there is one.
fn explain(
    connection: &Connection,
    path: &Path,
    doing: &'static str,
    error: rusqlite::Error,
) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let is_damage = matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase));
    match is_damage.then(|| first_damage(connection)) {
        Some(Ok(Some(offset))) => damaged(path, offset),
        _ => failed(doing, path)(error),
    }
}

fn damaged(path: &Path, offset: u64) -> StoreError {
    let remedy = "restore it from a backup, or move it away and import the conversations again";
    StoreError::Damaged { path: path.into(), offset, remedy }
}

/// Adds one conversation or the newer content of its thread.
fn insert(
    connection: &Connection,
    new: &StoredConversation,
    imported: &mut Imported,
) -> rusqlite::Result<()> {
    let known = connection
        .prepare_cached(
            "SELECT id, length(messages) FROM conversations WHERE thread = ?1 OR id = ?2",
        )?
        .query_row(params![new.thread, new.id], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })
        .optional()?;
    let fields = params![
        new.id,
        new.thread,
        new.source,
        new.title,
        new.started,
        new.messages,
        new.split,
        new.excluded,
        new.imported_at,
    ];
    match known {
        None => {
            let query = format!(
                "INSERT INTO conversations ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
            );
            connection.prepare_cached(&query)?.execute(fields)?;
            imported.inserted += 1;
        }
        Some((id, bytes)) if is_newer(new, id, bytes) => {
            let query = "UPDATE conversations SET id = ?1, source = ?3, title = ?4, started = ?5, messages = ?6,
                 split = ?7, excluded = max(excluded, ?8), imported_at = ?9 WHERE thread = ?2";
            connection.prepare_cached(query)?.execute(fields)?;
            imported.replaced += 1;
        }
        Some(_) => imported.duplicate += 1,
    }
    Ok(())
}

fn is_newer(new: &StoredConversation, old_id: [u8; 32], old_bytes: u64) -> bool {
    new.id != old_id && new.messages.len() as u64 >= old_bytes
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredConversation> {
    Ok(StoredConversation {
        id: row.get(0)?,
        thread: row.get(1)?,
        source: row.get(2)?,
        title: row.get(3)?,
        started: row.get(4)?,
        messages: row.get(5)?,
        split: row.get(6)?,
        excluded: row.get(7)?,
        imported_at: row.get(8)?,
    })
}

fn summary(row: &Row<'_>) -> rusqlite::Result<ConversationSummary> {
    Ok(ConversationSummary {
        id: row.get(0)?,
        source: row.get(1)?,
        title: row.get(2)?,
        started: row.get(3)?,
        bytes: row.get::<_, i64>(4)?.cast_unsigned(),
        split: row.get(5)?,
        excluded: row.get(6)?,
        imported_at: row.get(7)?,
    })
}

/// SQLite counts in signed integers.
fn clamped(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
