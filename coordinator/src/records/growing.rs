//! The transcript of the present round as it grows: contributions as they come, everything else at the end. Then the
//! file moves to where finished transcripts are kept.
//!
//! No more than one contribution is in memory, however many there are. The file is a log (`store::Log`) whose records
//! are the parts of a transcript (`wire::TranscriptPart`).

use std::path::{Path, PathBuf};

use store::{Log, LogReader};
use wire::{Contribution, Signed, Transcript, TranscriptPart};

/// The file of a round that is going on.
pub(super) struct Growing {
    path: PathBuf,
    /// As soon as something is written.
    log: Option<Log>,
}

/// Why a contribution that was kept cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// It is no part of a transcript.
    #[error(
        "{} holds something else than a contribution at byte {at}: restore it from a backup, or move it away",
        path.display()
    )]
    NotAPart {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
    },
}

impl Growing {
    pub fn new(path: PathBuf) -> Self {
        Self { path, log: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The contributions that are kept, up to the first that does not verify.
    ///
    /// # Errors
    /// If the file cannot be read, or is another one.
    pub fn contributions(&self) -> Result<Contributions, ReadError> {
        let reader = LogReader::open(&self.path)?;
        Ok(Contributions { reader, path: self.path.clone(), end: 0 })
    }

    /// Forgets what is there: a new round begins.
    pub fn clear(&mut self) -> anyhow::Result<()> {
        self.log = None;
        Log::remove(&self.path)?;
        Ok(())
    }

    /// Adds a contribution; durable after [`Growing::sync`].
    pub fn add(&mut self, contribution: &Signed<Contribution>) -> anyhow::Result<()> {
        let part = TranscriptPart::Contribution(contribution.clone());
        let log = self.take_log()?;
        Ok(self.log.insert(log).write(&wire::encode(&part))?)
    }

    /// Makes all contributions durable.
    pub fn sync(&mut self) -> anyhow::Result<()> {
        self.log.as_mut().map_or(Ok(()), |log| Ok(log.sync()?))
    }

    /// Adds everything else, and moves the file to its place.
    pub fn finish(&mut self, transcript: &Transcript, place: &Path) -> anyhow::Result<()> {
        let end = TranscriptPart::End(Box::new(transcript.clone()));
        let mut log = self.take_log()?;
        log.append(&wire::encode(&end))?;
        Ok(log.move_to(place)?)
    }

    /// The file that is open; a new one; or, after a restart, what is there up to its last whole contribution. What lies
    /// behind is cut off: an end that was not moved to its place, or an append that a crash cut short. Whether a
    /// contribution is missing was looked at before.
    fn take_log(&mut self) -> anyhow::Result<Log> {
        if let Some(log) = self.log.take() {
            return Ok(log);
        }
        if !self.path.exists() {
            return Ok(Log::open(&self.path)?.0);
        }
        let mut kept = self.contributions()?;
        for contribution in kept.by_ref() {
            contribution?;
        }
        if let Some(at) = kept.stopped_at() {
            tracing::warn!(at, "what a crash left behind the last whole contribution is cut off");
        }
        Ok(Log::open_at(&self.path, kept.end)?)
    }
}

/// Contributions of a growing transcript, one at a time.
pub struct Contributions {
    reader: Option<LogReader>,
    path: PathBuf,
    /// Where the last one ended.
    end: u64,
}

impl Contributions {
    /// Where the next one begins, if bytes that are none lie there.
    pub fn stopped_at(&self) -> Option<u64> {
        self.reader.as_ref().filter(|reader| reader.rest() > 0).map(LogReader::end)
    }

    fn read(&mut self) -> Result<Option<Signed<Contribution>>, ReadError> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        self.end = reader.end();
        let Some(bytes) = reader.next_record()? else { return Ok(None) };
        match wire::decode(&bytes, TranscriptPart::LIMIT) {
            Ok(TranscriptPart::Contribution(contribution)) => {
                self.end = reader.end();
                Ok(Some(contribution))
            }
            Ok(TranscriptPart::End(_)) => Ok(None),
            Err(_) => Err(ReadError::NotAPart { path: self.path.clone(), at: self.end }),
        }
    }
}

impl Iterator for Contributions {
    type Item = Result<Signed<Contribution>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
