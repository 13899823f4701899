//! An append-only file of records, each durable before its append returns, or before a sync does.

use std::{fs::File, io::BufReader, path::Path};

use crate::{
    StoreError,
    appender::Appender,
    disk::{check_private, move_to, read, remove, remove_leftovers, replace},
    frame::{BEGINNING, Broken, Frames, LONGEST, head, parse},
};

/// An append that a crash cut short: it was never acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where it begins in the file.
    pub at: u64,
    /// How many bytes of it there are.
    pub bytes: u64,
}

/// The records of a log, in order.
pub type Records = Vec<Vec<u8>>;

/// An append-only log of opaque records (the format stands in `frame.rs`).
#[derive(Debug)]
pub struct Log {
    appender: Appender,
    torn: Option<Torn>,
}

impl Log {
    /// Opens the log, or creates an empty one with mode 0600, and reads all its records.
    ///
    /// A torn tail is reported and left alone: until [`Log::cut_torn_tail`], nothing can be appended.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where an acknowledged record does not verify, [`StoreError::WrongKind`]
    /// for another file, [`StoreError::NotPrivate`], [`StoreError::Io`]; nothing has been touched then.
    pub fn open(path: &Path) -> Result<(Self, Records, Option<Torn>), StoreError> {
        let bytes = match read(path)? {
            Some(bytes) => bytes,
            None => create(path)?,
        };
        check_private(path)?;
        let parsed = parse(&bytes).map_err(|broken| explain(path, broken))?;
        let length = bytes.len() as u64;
        let torn =
            (parsed.end < length).then(|| Torn { at: parsed.end, bytes: length - parsed.end });
        let appender = Appender::open(path, length)?;
        Ok((Self { appender, torn }, parsed.records, torn))
    }

    /// Opens a log to go on behind its first `end` bytes, which the caller has read ([`LogReader::end`]): what lies
    /// behind is cut off. Durable on return.
    ///
    /// # Errors
    /// [`StoreError::NotPrivate`], [`StoreError::Io`]; [`StoreError::CutBeyondEnd`] if it has become shorter.
    pub fn open_at(path: &Path, end: u64) -> Result<Self, StoreError> {
        check_private(path)?;
        let length = path.metadata().map_err(StoreError::io("look at", path))?.len();
        let mut appender = Appender::open(path, length)?;
        if end != length {
            appender.cut(end)?;
        }
        Ok(Self { appender, torn: None })
    }

    /// Adds a record; durable on return.
    ///
    /// # Errors
    /// [`StoreError::Torn`] while there is a torn tail; [`StoreError::TooLong`] beyond 2²⁸ bytes;
    /// [`StoreError::Io`] if the disk refuses, and from then on [`StoreError::Poisoned`].
    pub fn append(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        self.write(payload)?;
        self.sync()
    }

    /// Adds a record that a crash may still take away, with all that were written after it, until [`Log::sync`]
    /// returns.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn write(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        let path = || self.appender.path().to_path_buf();
        if let Some(Torn { at, .. }) = self.torn {
            return Err(StoreError::Torn { path: path(), at });
        }
        if payload.len() > LONGEST {
            return Err(StoreError::TooLong {
                path: path(),
                length: payload.len(),
                limit: LONGEST,
            });
        }
        self.appender.write(&head(self.appender.length(), payload))?;
        self.appender.write(payload)
    }

    /// Makes all records durable that were written.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the disk refuses, and from then on [`StoreError::Poisoned`].
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.appender.sync()
    }

    /// Removes a log, durably. Whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove(path: &Path) -> Result<bool, StoreError> {
        remove(path)
    }

    /// Moves the finished log to another name on the same disk, and replaces what is there; durable on return.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the log is then under one of both names.
    pub fn move_to(self, path: &Path) -> Result<(), StoreError> {
        move_to(self.appender.path(), path)
    }

    /// Removes the torn tail, if there is one; durable on return.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn cut_torn_tail(&mut self) -> Result<(), StoreError> {
        if let Some(torn) = self.torn {
            self.appender.cut(torn.at)?;
            self.torn = None;
        }
        Ok(())
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.appender.path()
    }
}

/// The records of a log, one at a time, however long it is. Reads only.
#[derive(Debug)]
pub struct LogReader {
    frames: Frames<BufReader<File>>,
    path: std::path::PathBuf,
}

impl LogReader {
    /// Opens a log; none if there is no such file.
    ///
    /// # Errors
    /// [`StoreError::WrongKind`] for another file, [`StoreError::NotPrivate`], [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("open", path)(error)),
        };
        check_private(path)?;
        let length = file.metadata().map_err(StoreError::io("look at", path))?.len();
        let frames = Frames::begin(BufReader::new(file), length)
            .map_err(StoreError::io("read", path))?
            .ok_or_else(|| explain(path, Broken::NotALog))?;
        Ok(Some(Self { frames, path: path.into() }))
    }

    /// The next record; none at the end of the last one that verifies. Whether something lies behind that says
    /// [`LogReader::rest`]: what it is, a torn tail or damage, only the caller can know.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn next_record(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        self.frames.next().map_err(StoreError::io("read", &self.path))
    }

    /// Where the last record ended that was read.
    pub fn end(&self) -> u64 {
        self.frames.end()
    }

    /// How many bytes lie behind it.
    pub fn rest(&self) -> u64 {
        self.frames.length().saturating_sub(self.frames.end())
    }
}

/// A new log appears whole, so that a log without its beginning is never a crash.
fn create(path: &Path) -> Result<Vec<u8>, StoreError> {
    if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
        remove_leftovers(crate::disk::folder_of(path), &format!("{name}."))?;
    }
    replace(path, &BEGINNING)?;
    Ok(BEGINNING.to_vec())
}

fn explain(path: &Path, broken: Broken) -> StoreError {
    let path = path.to_path_buf();
    match broken {
        Broken::NotALog => StoreError::WrongKind { path, expected: "log" },
        Broken::DamagedAt(offset) => {
            StoreError::Damaged { path, offset, remedy: "restore it from a backup" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn written(records: &[&[u8]]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut log, found, torn) = Log::open(&path).unwrap();
        assert!(found.is_empty() && torn.is_none());
        records.iter().for_each(|record| log.append(record).unwrap());
        (folder, path)
    }

    #[test]
    fn records_come_back_in_order() {
        let (_folder, path) = written(&[b"one", b"", b"three"]);
        let (mut log, found, torn) = Log::open(&path).unwrap();
        assert_eq!((&found[..], torn), (&[b"one".to_vec(), vec![], b"three".to_vec()][..], None));
        log.append(b"four").unwrap();
        assert_eq!(Log::open(&path).unwrap().1.len(), 4);
    }

    #[test]
    fn one_at_a_time_records_are_the_same_and_a_log_goes_on_behind_any_of_them() {
        let (folder, path) = written(&[b"one", b"", b"three"]);
        let mut reader = LogReader::open(&path).unwrap().unwrap();
        assert_eq!((reader.end(), reader.rest()), (8, 3 * 24 + 8));
        assert_eq!(reader.next_record().unwrap(), Some(b"one".to_vec()));
        assert_eq!(reader.next_record().unwrap(), Some(Vec::new()));
        let end = reader.end();
        assert_eq!(reader.next_record().unwrap(), Some(b"three".to_vec()));
        assert_eq!((reader.next_record().unwrap(), reader.rest()), (None, 0));

        let mut log = Log::open_at(&path, end).unwrap();
        log.write(b"3").unwrap();
        log.sync().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        log.move_to(&elsewhere).unwrap();
        assert!(LogReader::open(&path).unwrap().is_none());
        let (_, found, torn) = Log::open(&elsewhere).unwrap();
        assert_eq!((found, torn), (vec![b"one".to_vec(), vec![], b"3".to_vec()], None));
        assert!(matches!(Log::open_at(&elsewhere, 999), Err(StoreError::CutBeyondEnd { .. })));
    }

    #[test]
    fn a_reader_stops_where_a_record_does_not_verify_and_says_where() {
        let (_folder, path) = written(&[b"one", b"two", b"three"]);
        let bytes = fs::read(&path).unwrap();
        for (damage, end) in [(33, 8), (50, 35), (bytes.len() - 1, 62)] {
            let mut changed = bytes.clone();
            changed[damage] ^= 1;
            fs::write(&path, &changed).unwrap();
            let mut reader = LogReader::open(&path).unwrap().unwrap();
            while reader.next_record().unwrap().is_some() {}
            assert_eq!((reader.end(), reader.rest()), (end, bytes.len() as u64 - end));
        }
        fs::write(&path, b"murlog").unwrap();
        assert!(matches!(LogReader::open(&path), Err(StoreError::WrongKind { .. })));
    }

    #[test]
    fn a_torn_tail_stays_until_it_is_cut() {
        let (_folder, path) = written(&[b"one", b"two"]);
        let bytes = fs::read(&path).unwrap();
        let torn_bytes = &bytes[..bytes.len() - 1];
        fs::write(&path, torn_bytes).unwrap();
        for _ in 0..2 {
            let (mut log, found, torn) = Log::open(&path).unwrap();
            assert_eq!((found, torn), (vec![b"one".to_vec()], Some(Torn { at: 35, bytes: 26 })));
            assert!(matches!(log.append(b"x"), Err(StoreError::Torn { at: 35, .. })));
            assert_eq!(fs::read(&path).unwrap(), torn_bytes);
        }
        let (mut log, ..) = Log::open(&path).unwrap();
        log.cut_torn_tail().unwrap();
        log.append(b"2").unwrap();
        let (_, found, torn) = Log::open(&path).unwrap();
        assert_eq!((found, torn), (vec![b"one".to_vec(), b"2".to_vec()], None));
    }

    #[test]
    fn damage_is_named_and_not_touched() {
        let (_folder, path) = written(&[b"one", b"two"]);
        let mut bytes = fs::read(&path).unwrap();
        bytes[33] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let error = Log::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { offset: 8, .. }), "{error}");
        assert!(error.to_string().contains("log is damaged at byte 8"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
        for other in [&b""[..], b"murlog", b"SQLite format 3\0"] {
            fs::write(&path, other).unwrap();
            assert!(matches!(Log::open(&path), Err(StoreError::WrongKind { .. })));
        }
    }
}
