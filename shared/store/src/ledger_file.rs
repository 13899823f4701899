//! The ledger's bytes on disk. What they mean, and what a torn last entry costs, is decided by
//! `privacy`, whose bytes they are.

use std::{fs::File, io, path::Path};

use crate::{
    StoreError,
    appender::{Appender, Medium},
    disk::{check_private, private_file, read},
};

/// An append-only file of foreign bytes.
#[derive(Debug)]
pub struct LedgerFile<M = File> {
    appender: Appender<M>,
}

impl LedgerFile {
    /// Opens the file, or creates it empty with mode 0600, and reads all of it.
    ///
    /// # Errors
    /// [`StoreError::NotPrivate`] if others can reach it; [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<(Self, Vec<u8>), StoreError> {
        create_empty(path)?;
        check_private(path)?;
        let bytes = read(path)?
            .ok_or_else(|| StoreError::io("read", path)(io::ErrorKind::NotFound.into()))?;
        let appender = Appender::open(path, bytes.len() as u64)?;
        Ok((Self { appender }, bytes))
    }
}

impl<M: Medium> LedgerFile<M> {
    /// The same over any medium that holds `length` durable bytes; `path` is its name in errors.
    pub fn over(medium: M, path: &Path, length: u64) -> Self {
        Self { appender: Appender::new(medium, path, length) }
    }

    /// Adds bytes at the end; durable on return.
    ///
    /// # Errors
    /// After the first error every further call is [`StoreError::Poisoned`]: nobody knows then what
    /// the disk holds, and the round must end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.appender.append(bytes)
    }

    /// Drops everything behind `length`; durable on return. Only recovery that has accounted for the
    /// dropped bytes may ask for it.
    ///
    /// # Errors
    /// [`StoreError::CutBeyondEnd`]; otherwise as [`LedgerFile::append`].
    pub fn truncate(&mut self, length: u64) -> Result<(), StoreError> {
        self.appender.cut(length)
    }

    /// Bytes in the file, all of them durable.
    pub fn length(&self) -> u64 {
        self.appender.length()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.appender.path()
    }
}

fn create_empty(path: &Path) -> Result<(), StoreError> {
    match private_file().write(true).create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::io("create", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_read_and_what_was_cut_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (mut ledger, bytes) = LedgerFile::open(&path).unwrap();
        assert!(bytes.is_empty());
        ledger.append(b"one").unwrap();
        ledger.append(b"two").unwrap();
        assert_eq!(ledger.length(), 6);
        drop(ledger);
        let (mut ledger, bytes) = LedgerFile::open(&path).unwrap();
        assert_eq!(bytes, b"onetwo");
        ledger.truncate(3).unwrap();
        ledger.append(b"2").unwrap();
        assert_eq!(LedgerFile::open(&path).unwrap().1, b"one2");
    }

    #[cfg(unix)]
    #[test]
    fn others_must_not_reach_it() {
        use std::{fs, os::unix::fs::PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        drop(LedgerFile::open(&path).unwrap());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(LedgerFile::open(&path), Err(StoreError::NotPrivate { .. })));
    }
}
