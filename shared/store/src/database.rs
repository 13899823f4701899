//! Opening an encrypted database, or not at all.
//!
//! SQLCipher encrypts every page with AES-256 and authenticates it with HMAC-SHA512, in the file and
//! in its journal. A build without it takes `PRAGMA key` for a comment and writes in the clear; so
//! nothing is written before `PRAGMA cipher_version` has answered. (SQLCipher documentation, "Full
//! Database Encryption for SQLite"; sqlite.org/pragma.html for the rest.)

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use zeroize::Zeroizing;

use crate::{
    StoreError,
    disk::{check_private, private_file, sync_folder_of},
};

/// What opens a database. Has no `Debug`: it is a secret.
pub enum DatabaseKey<'a> {
    /// 32 bytes from a key file ([`crate::keyfile::load_key`]), used as they are.
    Raw(&'a [u8; 32]),
    /// A passphrase, stretched by SQLCipher (PBKDF2-HMAC-SHA512, 256,000 rounds).
    Passphrase(&'a str),
}

/// The journal is truncated and synced at each commit (`TRUNCATE`, `FULL`), so that a commit is
/// durable on return and the key is never tried on a write-ahead log; deleted content is overwritten;
/// nothing is spilled to temporary files.
const SETTINGS: &str = "PRAGMA journal_mode = TRUNCATE;
     PRAGMA synchronous = FULL;
     PRAGMA secure_delete = ON;
     PRAGMA temp_store = MEMORY;
     PRAGMA foreign_keys = ON;
     PRAGMA trusted_schema = OFF;";

/// Opens or creates the database at `path` and brings its layout up to date.
pub(crate) fn open(
    path: &Path,
    key: &DatabaseKey<'_>,
    migrations: &[&str],
) -> Result<Connection, StoreError> {
    check_key(key)?;
    create_empty(path)?;
    check_private(path)?;
    let beginning = first_bytes(path)?;
    if beginning.starts_with(IN_THE_CLEAR) {
        return Err(StoreError::NotEncrypted { path: path.into() });
    }
    if !beginning.is_empty() && !journal_is_hot(path) {
        try_key(path, key)?;
    }
    let mut connection = connect(path, path.as_os_str().as_encoded_bytes(), false, key)?;
    connection.execute_batch(SETTINGS).map_err(failed("open", path))?;
    migrate(&mut connection, path, migrations)?;
    // Nobody's words are in it yet when it is new: the last moment to look.
    if first_bytes(path)?.starts_with(IN_THE_CLEAR) {
        return Err(StoreError::NoEncryption { path: path.into() });
    }
    Ok(connection)
}

/// How SQLite files begin that nobody encrypted.
const IN_THE_CLEAR: &[u8] = b"SQLite format 3\0";

/// SQLCipher takes an empty passphrase for "no encryption", and a zero byte for the end.
fn check_key(key: &DatabaseKey<'_>) -> Result<(), StoreError> {
    match key {
        DatabaseKey::Passphrase(words) if words.is_empty() || words.contains('\0') => {
            Err(StoreError::UnusablePassphrase)
        }
        DatabaseKey::Raw(_) | DatabaseKey::Passphrase(_) => Ok(()),
    }
}

/// Completes an error of the database; damage and wrong keys look alike to SQLCipher.
pub(crate) fn failed(
    doing: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(rusqlite::Error) -> StoreError {
    let path = path.into();
    move |source| StoreError::Database { doing, path, source }
}

/// The first page that does not verify, as a place in the file; none if all do.
pub(crate) fn first_damage(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    let page_bytes: u64 = connection
        .query_row("PRAGMA cipher_page_size", [], |row| row.get::<_, String>(0))?
        .parse()
        .unwrap_or(4096);
    let message: Option<String> =
        connection.query_row("PRAGMA cipher_integrity_check", [], |row| row.get(0)).optional()?;
    // "HMAC verification failed for page 3"
    let page =
        |message: String| message.rsplit(' ').next().and_then(|word| word.parse::<u64>().ok());
    Ok(message.map(|message| page(message).map_or(0, |page| (page.max(1) - 1) * page_bytes)))
}

/// Tries the key on the bytes of the file alone: without its journal, without locks, without any
/// chance to write.
fn try_key(path: &Path, key: &DatabaseKey<'_>) -> Result<(), StoreError> {
    let mut address = b"file:".to_vec();
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'%' | b'?' | b'#' => address.extend(format!("%{byte:02x}").into_bytes()),
            _ => address.push(byte),
        }
    }
    address.extend_from_slice(b"?immutable=1&mode=ro");
    connect(path, &address, true, key).map(drop)
}

/// A connection whose key has read the first page.
fn connect(
    path: &Path,
    address: &[u8],
    read_only: bool,
    key: &DatabaseKey<'_>,
) -> Result<Connection, StoreError> {
    let flags = if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    };
    let address = address_path(address);
    let connection = Connection::open_with_flags(address, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(failed("open", path))?;
    // SQLCipher would print every wrong key to the terminal; the error says it.
    connection
        .execute_batch("PRAGMA cipher_log_level = NONE;")
        .and_then(|()| connection.execute_batch(&key_pragma(key)))
        .map_err(failed("open", path))?;
    let cipher: Option<String> = connection
        .query_row("PRAGMA cipher_version", [], |row| row.get(0))
        .optional()
        .map_err(failed("open", path))?;
    if cipher.is_none_or(|version| version.is_empty()) {
        return Err(StoreError::NoEncryption { path: path.into() });
    }
    match connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())) {
        Ok(()) => Ok(connection),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(StoreError::WrongKey { path: path.into() })
        }
        Err(error) => Err(failed("open", path)(error)),
    }
}

#[cfg(unix)]
fn address_path(address: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(address).into()
}

#[cfg(not(unix))]
fn address_path(address: &[u8]) -> PathBuf {
    String::from_utf8_lossy(address).into_owned().into()
}

/// The key as SQLCipher takes it: hexadecimal digits in a blob literal, or a quoted passphrase.
fn key_pragma(key: &DatabaseKey<'_>) -> Zeroizing<String> {
    Zeroizing::new(match key {
        DatabaseKey::Raw(bytes) => {
            let digits = Zeroizing::new(HEXLOWER.encode(*bytes));
            format!("PRAGMA key = \"x'{}'\";", *digits)
        }
        DatabaseKey::Passphrase(words) => {
            let quoted = Zeroizing::new(words.replace('\'', "''"));
            format!("PRAGMA key = '{}';", *quoted)
        }
    })
}

/// Whether a crash left a transaction that must be rolled back before the file can be read.
fn journal_is_hot(path: &Path) -> bool {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-journal");
    std::fs::metadata(journal).is_ok_and(|about| about.len() > 0)
}

fn first_bytes(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut beginning = Vec::new();
    File::open(path)
        .and_then(|file| file.take(16).read_to_end(&mut beginning))
        .map_err(StoreError::io("read", path))?;
    Ok(beginning)
}

/// SQLite would create the file readable by others; its journal takes over the file's mode.
fn create_empty(path: &Path) -> Result<(), StoreError> {
    match private_file().write(true).create_new(true).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(StoreError::io("create", path)(error)),
    }
    sync_folder_of(path)
}

/// Runs the migrations that the file has not seen, each in a transaction with its number.
fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed("read the layout of", path))?;
    let supported = migrations.len() as i64;
    let Some(done) = usize::try_from(found).ok().filter(|&done| done <= migrations.len()) else {
        return Err(StoreError::NewerLayout { path: path.into(), found, supported });
    };
    for (number, migration) in (1..).zip(migrations).skip(done) {
        let run = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            transaction.execute_batch(migration)?;
            transaction.pragma_update(None, "user_version", number)?;
            transaction.commit()
        };
        run(connection).map_err(failed("update the layout of", path))?;
    }
    Ok(())
}
