//! What the database's files hold, and what opens them.

use std::{fs, path::Path};

use rusqlite::Connection;
use store::{Conversations, DatabaseKey, StoreError, keyfile};

use super::conversations::conversation;

const SECRET: &str = "the violet umbrella is under the stairs";

fn open(path: &Path, key: &[u8; 32]) -> Result<Conversations, StoreError> {
    Conversations::open(path, &DatabaseKey::Raw(key))
}

/// All files in a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn nothing_in_the_files_is_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conversations.db");
    let mut conversations = open(&path, &[1; 32]).unwrap();
    let text = SECRET.repeat(1000);
    conversations.insert_many(&[conversation(2, 2, &text)]).unwrap();
    drop(conversations);
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > text.len());
    assert!(!bytes.starts_with(b"SQLite format 3"));
    for text in [SECRET, "violet", "title 2", "whatsapp", "conversations", "CREATE TABLE"] {
        assert!(!holds(&bytes, text), "{text}");
    }
    assert_eq!(open(&path, &[1; 32]).unwrap().get("02").unwrap().messages, text.as_bytes());
}

/// The journal holds the pages as they were before a transaction: look at it in the middle of one.
#[test]
fn the_journal_is_not_in_the_clear_either() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conversations.db");
    let text = SECRET.repeat(1000);
    open(&path, &[1; 32]).unwrap().insert_many(&[conversation(2, 2, &text)]).unwrap();
    let connection = Connection::open(&path).unwrap();
    let key = "01".repeat(32);
    connection
        .execute_batch(&format!("PRAGMA key = \"x'{key}'\"; PRAGMA cache_size = 1;"))
        .unwrap();
    connection
        .execute_batch("BEGIN; UPDATE conversations SET messages = zeroblob(60000);")
        .unwrap();
    let files = files(folder.path());
    let names: Vec<&str> = files.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names, ["conversations.db", "conversations.db-journal"]);
    assert!(files[1].1.len() > text.len() / 2, "the journal holds the old pages");
    for (name, bytes) in &files {
        assert!(!holds(bytes, "violet") && !holds(bytes, "umbrella"), "{name}");
    }
}

#[test]
fn a_wrong_key_is_named_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conversations.db");
    open(&path, &[1; 32]).unwrap().insert_many(&[conversation(2, 2, SECRET)]).unwrap();
    let before = files(folder.path());
    for key in [DatabaseKey::Raw(&[2; 32]), DatabaseKey::Passphrase("01")] {
        let error = Conversations::open(&path, &key).unwrap_err();
        assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
        assert!(error.to_string().contains("conversations.db"), "{error}");
        assert_eq!(files(folder.path()), before);
    }
    assert_eq!(open(&path, &[1; 32]).unwrap().counts().unwrap().total, 1);
}

/// SQLCipher takes an empty key for no encryption at all.
#[test]
fn an_empty_passphrase_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conversations.db");
    for words in ["", "two\0words"] {
        let error = Conversations::open(&path, &DatabaseKey::Passphrase(words)).unwrap_err();
        assert!(matches!(error, StoreError::UnusablePassphrase), "{error}");
        assert!(!path.exists());
    }
}

/// A crash in the middle of a transaction, then a wrong key, then the right one.
#[test]
fn a_wrong_key_does_no_harm_to_an_interrupted_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conversations.db");
    let text = SECRET.repeat(1000);
    open(&path, &[1; 32]).unwrap().insert_many(&[conversation(2, 2, &text)]).unwrap();
    let before = fs::read(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    let key = "01".repeat(32);
    connection
        .execute_batch(&format!("PRAGMA key = \"x'{key}'\"; PRAGMA cache_size = 1;"))
        .unwrap();
    connection
        .execute_batch("BEGIN; UPDATE conversations SET messages = zeroblob(60000);")
        .unwrap();
    assert_ne!(fs::read(&path).unwrap(), before, "pages were written before the commit");
    let crashed = tempfile::tempdir().unwrap();
    for (name, bytes) in files(folder.path()) {
        fs::write(crashed.path().join(&name), bytes).unwrap();
        make_private(&crashed.path().join(&name));
    }
    let path = crashed.path().join("conversations.db");
    assert!(matches!(open(&path, &[2; 32]), Err(StoreError::WrongKey { .. })));
    assert_eq!(open(&path, &[1; 32]).unwrap().get("02").unwrap().messages, text.as_bytes());
}

/// Power failed while the first page was written: the file alone cannot be read, its journal heals it.
#[test]
fn a_torn_first_page_is_no_wrong_key_while_the_journal_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conversations.db");
    open(&path, &[1; 32]).unwrap().insert_many(&[conversation(2, 2, SECRET)]).unwrap();
    let connection = Connection::open(&path).unwrap();
    let key = "01".repeat(32);
    connection
        .execute_batch(&format!("PRAGMA key = \"x'{key}'\"; PRAGMA cache_size = 1;"))
        .unwrap();
    connection
        .execute_batch("BEGIN; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000));")
        .unwrap();
    let crashed = tempfile::tempdir().unwrap();
    for (name, mut bytes) in files(folder.path()) {
        if name == "conversations.db" {
            bytes[2000..4096].fill(0);
        }
        fs::write(crashed.path().join(&name), bytes).unwrap();
        make_private(&crashed.path().join(&name));
    }
    let path = crashed.path().join("conversations.db");
    assert!(fs::metadata(crashed.path().join("conversations.db-journal")).unwrap().len() > 512);
    let healed = open(&path, &[1; 32]).unwrap();
    healed.verify().unwrap();
    assert_eq!(healed.get("02").unwrap().messages, SECRET.as_bytes());
}

#[cfg(unix)]
fn make_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn make_private(_: &Path) {}

#[test]
fn key_files_and_passphrases_open_what_they_made() {
    let folder = tempfile::tempdir().unwrap();
    let key_path = folder.path().join("key");
    keyfile::create_key(&key_path).unwrap();
    let path = folder.path().join("with # and ? and 100% and ü.db");
    let key = keyfile::load_key(&key_path).unwrap();
    open(&path, &key).unwrap().insert_many(&[conversation(2, 2, SECRET)]).unwrap();
    assert_eq!(open(&path, &key).unwrap().counts().unwrap().total, 1);
    assert!(matches!(open(&path, &[2; 32]), Err(StoreError::WrongKey { .. })));

    let path = folder.path().join("passphrase.db");
    let words = "it's \"quoted\"; -- and ünusual";
    let with = |words| Conversations::open(&path, &DatabaseKey::Passphrase(words));
    with(words).unwrap().insert_many(&[conversation(2, 2, SECRET)]).unwrap();
    assert_eq!(with(words).unwrap().counts().unwrap().total, 1);
    assert!(matches!(with("it's"), Err(StoreError::WrongKey { .. })));
}

#[cfg(unix)]
#[test]
fn its_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conversations.db");
    let mut conversations = open(&path, &[1; 32]).unwrap();
    conversations.insert_many(&[conversation(2, 2, SECRET)]).unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(open(&path, &[1; 32]), Err(StoreError::NotPrivate { .. })));
}

#[test]
fn other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.db");
    Connection::open(&plain)
        .unwrap()
        .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        .unwrap();
    make_private(&plain);
    let before = fs::read(&plain).unwrap();
    assert!(matches!(open(&plain, &[1; 32]), Err(StoreError::NotEncrypted { .. })));
    assert_eq!(fs::read(&plain).unwrap(), before);

    for (name, length) in [("short", 5), ("page", 4096), ("long", 10_000)] {
        let path = folder.path().join(name);
        fs::write(&path, vec![0x5a; length]).unwrap();
        make_private(&path);
        let error = open(&path, &[1; 32]).unwrap_err();
        assert!(matches!(error, StoreError::WrongKey { .. }), "{name}: {error}");
        assert_eq!(fs::read(&path).unwrap(), vec![0x5a; length]);
    }
}

#[test]
fn a_newer_layout_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conversations.db");
    drop(open(&path, &[1; 32]).unwrap());
    let connection = Connection::open(&path).unwrap();
    let key = "01".repeat(32);
    connection
        .execute_batch(&format!("PRAGMA key = \"x'{key}'\"; PRAGMA user_version = 9;"))
        .unwrap();
    drop(connection);
    let error = open(&path, &[1; 32]).unwrap_err();
    assert!(matches!(error, StoreError::NewerLayout { found: 9, supported: 1, .. }), "{error}");
}

#[test]
fn a_damaged_page_is_named_by_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conversations.db");
    let mut conversations = open(&path, &[1; 32]).unwrap();
    conversations.insert_many(&[conversation(2, 2, &SECRET.repeat(1000))]).unwrap();
    conversations.verify().unwrap();
    drop(conversations);
    let mut bytes = fs::read(&path).unwrap();
    let page = bytes.len() / 4096 / 2;
    bytes[page * 4096 + 77] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let place = page as u64 * 4096;
    let conversations = open(&path, &[1; 32]).unwrap();
    for error in [conversations.verify().unwrap_err(), conversations.get("02").unwrap_err()] {
        assert!(matches!(error, StoreError::Damaged { offset, .. } if offset == place), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// A freed page that is not overwritten keeps its bytes, encrypted as they were.
#[test]
fn deleted_text_is_overwritten_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conversations.db");
    let mut conversations = open(&path, &[1; 32]).unwrap();
    conversations.insert_many(&[conversation(2, 2, &SECRET.repeat(1000))]).unwrap();
    let before = fs::read(&path).unwrap();
    conversations.delete("02").unwrap();
    let after = fs::read(&path).unwrap();
    assert_eq!(before.len(), after.len(), "the pages are free, not cut off");
    let pages = before.chunks(4096).zip(after.chunks(4096));
    let unchanged = pages.filter(|(before, after)| before == after).count();
    assert!(unchanged <= 2, "{unchanged} of {} pages are as they were", after.len() / 4096);
}
