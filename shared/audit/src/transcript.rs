//! A round's transcript, whose contributions are read one at a time, however many there are.
//!
//! The file is a log (see `log.rs`) whose records are parts of the transcript (`wire::TranscriptPart`): contributions
//! as they came, then everything else.

use std::fmt;
use std::io::{self, Read};

use thiserror::Error;
use wire::{Contribution, MAX_MEMBERS, Signed, Transcript, TranscriptPart, decode};

use crate::log::{LogError, LogRecords};

/// Why there is no transcript to read.
#[derive(Debug, Error)]
pub enum TranscriptError {
    /// Not such a file.
    #[error(
        "it does not begin as a transcript does: name a file of a coordinator's folder `transcripts`. (Where \
         contributions still stood in one piece with everything else, the murmur-audit of that version reads it.)"
    )]
    NotATranscript,
    /// A record that does not verify.
    #[error("the record at byte {at} is damaged or was not written to its end")]
    Damaged {
        /// Where it begins.
        at: u64,
    },
    /// A record that is no part of a transcript.
    #[error("the record at byte {at} is neither a contribution nor the end of a transcript")]
    NotAPart {
        /// Where it begins.
        at: u64,
    },
    /// More contributions than a roster has members.
    #[error("it holds more than {MAX_MEMBERS} contributions, and no round has so many members")]
    TooMany,
    /// Contributions and nothing else.
    #[error("it has no end: the round still goes on, or the file was cut short")]
    NoEnd,
    /// Something behind the end.
    #[error("something follows its end, at byte {at}")]
    BehindTheEnd {
        /// Where.
        at: u64,
    },
    /// The source cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
}

/// All that a coordinator signed and accepted in one round.
#[derive(Debug)]
pub struct WholeTranscript {
    /// What it took from the members in phase 4.
    pub contributions: Contributions,
    /// Everything else.
    pub rest: Transcript,
}

/// The contributions of a transcript.
pub enum Contributions {
    /// In memory.
    These(Vec<Signed<Contribution>>),
    /// Read anew whenever they are needed, from what this opens.
    Read(Opener),
}

/// Opens the bytes of a transcript at their beginning.
pub type Opener = Box<dyn Fn() -> io::Result<Box<dyn Read>>>;

impl WholeTranscript {
    /// Reads a transcript through to its end, and remembers how to read its contributions again.
    ///
    /// # Errors
    /// [`TranscriptError`]; signatures are not looked at.
    pub fn open(opener: Opener) -> Result<Self, TranscriptError> {
        let mut parts = Parts::begin(opener()?)?;
        while parts.next_contribution()?.is_some() {}
        let rest = parts.end()?;
        Ok(Self { contributions: Contributions::Read(opener), rest })
    }
}

impl Contributions {
    /// Shows them one by one.
    ///
    /// # Errors
    /// [`TranscriptError`], if they cannot be read as before.
    pub fn each(&self, mut show: impl FnMut(&Signed<Contribution>)) -> Result<(), TranscriptError> {
        match self {
            Self::These(contributions) => contributions.iter().for_each(show),
            Self::Read(open) => {
                let mut parts = Parts::begin(open()?)?;
                while let Some(contribution) = parts.next_contribution()? {
                    show(&contribution);
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Contributions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::These(contributions) => write!(f, "{} contributions", contributions.len()),
            Self::Read(_) => f.write_str("contributions in a file"),
        }
    }
}

/// The parts of a transcript, in order.
struct Parts<R> {
    records: LogRecords<R>,
    contributions: usize,
    end: Option<Box<Transcript>>,
}

impl<R: Read> Parts<R> {
    fn begin(source: R) -> Result<Self, TranscriptError> {
        let records = LogRecords::begin(source, TranscriptPart::LIMIT).map_err(explain)?;
        Ok(Self { records, contributions: 0, end: None })
    }

    /// None where everything else follows, which is kept.
    fn next_contribution(&mut self) -> Result<Option<Signed<Contribution>>, TranscriptError> {
        let at = self.records.at();
        let payload = self.records.next_payload().map_err(explain)?;
        let payload = payload.ok_or(TranscriptError::NoEnd)?;
        match decode(&payload, TranscriptPart::LIMIT) {
            Ok(TranscriptPart::Contribution(contribution)) if self.contributions < MAX_MEMBERS => {
                self.contributions += 1;
                Ok(Some(contribution))
            }
            Ok(TranscriptPart::Contribution(_)) => Err(TranscriptError::TooMany),
            Ok(TranscriptPart::End(end)) => {
                self.end = Some(end);
                Ok(None)
            }
            Err(_) => Err(TranscriptError::NotAPart { at }),
        }
    }

    fn end(mut self) -> Result<Transcript, TranscriptError> {
        let at = self.records.at();
        match self.records.next_payload() {
            Ok(None) => self.end.map(|end| *end).ok_or(TranscriptError::NoEnd),
            Err(LogError::Io(error)) => Err(error.into()),
            Ok(Some(_)) | Err(_) => Err(TranscriptError::BehindTheEnd { at }),
        }
    }
}

fn explain(error: LogError) -> TranscriptError {
    match error {
        LogError::NotALog => TranscriptError::NotATranscript,
        LogError::Damaged { at } => TranscriptError::Damaged { at },
        LogError::Io(error) => error.into(),
    }
}
