//! A file that grows at its end, durably, until something goes wrong.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{StoreError, disk::sync_folder_of};

/// What is needed of a file that only grows: [`File`] has it, and made disks that fail have it.
pub trait Medium {
    /// Writes all bytes at the end.
    ///
    /// # Errors
    /// Some of the bytes, or none, may be in the file then.
    fn write_end(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes bytes and length durable.
    ///
    /// # Errors
    /// Nobody knows then what is durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Makes the file shorter.
    ///
    /// # Errors
    /// Nobody knows then how long the file is.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Medium for File {
    fn write_end(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Appends durably; after the first error it only refuses.
#[derive(Debug)]
pub(crate) struct Appender<M = File> {
    medium: M,
    path: PathBuf,
    length: u64,
    poisoned: bool,
}

impl Appender<File> {
    /// Opens an existing file whose length has just been read.
    ///
    /// A process that was killed may have left bytes, and the file's name, in memory alone: both are
    /// synced before anybody builds on what was read.
    pub(crate) fn open(path: &Path, length: u64) -> Result<Self, StoreError> {
        let file = File::options().append(true).open(path).map_err(StoreError::io("open", path))?;
        file.sync_all().map_err(StoreError::io("sync", path))?;
        sync_folder_of(path)?;
        Ok(Self::new(file, path, length))
    }
}

impl<M: Medium> Appender<M> {
    pub(crate) fn new(medium: M, path: &Path, length: u64) -> Self {
        Self { medium, path: path.into(), length, poisoned: false }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in the file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Writes and syncs.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(bytes)?;
        self.sync()
    }

    /// Writes; durable once [`Appender::sync`] returns.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.attempt("append to", |medium| medium.write_end(bytes))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes everything durable that was written.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        self.attempt("sync", Medium::sync)
    }

    /// Drops what lies behind `length`, and syncs.
    pub(crate) fn cut(&mut self, length: u64) -> Result<(), StoreError> {
        if length > self.length {
            let path = self.path.clone();
            return Err(StoreError::CutBeyondEnd { path, length: self.length, wanted: length });
        }
        self.attempt("cut", |medium| {
            medium.cut(length)?;
            medium.sync()
        })?;
        self.length = length;
        Ok(())
    }

    fn attempt(
        &mut self,
        doing: &'static str,
        action: impl FnOnce(&mut M) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned { path: self.path.clone() });
        }
        action(&mut self.medium).map_err(|source| {
            self.poisoned = true;
            StoreError::Io { doing, path: self.path.clone(), source }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that fails once at one step, and would work again afterwards.
    #[derive(Default)]
    struct Faulty {
        written: Vec<u8>,
        fail_write: bool,
        fail_sync: bool,
    }

    fn failing(flag: &mut bool) -> io::Result<()> {
        if std::mem::take(flag) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    impl Medium for Faulty {
        fn write_end(&mut self, bytes: &[u8]) -> io::Result<()> {
            failing(&mut self.fail_write)?;
            self.written.extend_from_slice(bytes);
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            failing(&mut self.fail_sync)
        }

        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.written.truncate(length as usize);
            Ok(())
        }
    }

    #[test]
    fn after_a_failed_write_or_sync_nothing_more_is_written() {
        for fail_write in [true, false] {
            let mut appender = Appender::new(Faulty::default(), Path::new("ledger"), 0);
            appender.append(b"kept").unwrap();
            appender.medium.fail_write = fail_write;
            appender.medium.fail_sync = !fail_write;
            assert!(matches!(appender.append(b"lost"), Err(StoreError::Io { .. })));
            let written = appender.medium.written.clone();
            for _ in 0..2 {
                assert!(matches!(appender.append(b"more"), Err(StoreError::Poisoned { .. })));
                assert!(matches!(appender.cut(0), Err(StoreError::Poisoned { .. })));
            }
            assert!(matches!(appender.sync(), Err(StoreError::Poisoned { .. })));
            assert_eq!(&appender.medium.written, &written);
        }
    }

    #[test]
    fn a_cut_never_makes_a_file_longer() {
        let mut appender = Appender::new(Faulty::default(), Path::new("ledger"), 0);
        appender.append(b"12345").unwrap();
        assert!(matches!(
            appender.cut(6),
            Err(StoreError::CutBeyondEnd { length: 5, wanted: 6, .. })
        ));
        appender.cut(3).unwrap();
        appender.append(b"!").unwrap();
        assert_eq!(appender.medium.written, b"123!");
    }
}
