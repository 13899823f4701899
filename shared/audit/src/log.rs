//! The records of a file as programs keep it, one at a time.
//!
//! Written down once more, because an audit takes nothing from the code that wrote the file:
//!
//! ```text
//! file    "murlog\0\x01" then records
//! record  "rec\n" · length u32 · check [u8; 16] · payload[length]
//! check   first half of BLAKE3 derive_key("murmuration log record v1", place u64 · length u64 · payload)
//! ```
//! Little-endian; `place` is the record's own byte in the file.

use std::io::{self, Read};

/// Why there is no next record.
#[derive(Debug)]
pub(crate) enum LogError {
    /// Not such a file.
    NotALog,
    /// A record at this byte that does not verify, is longer than any of its kind, or was not written to its end.
    Damaged { at: u64 },
    /// The source cannot be read.
    Io(io::Error),
}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads record by record.
pub(crate) struct LogRecords<R> {
    source: R,
    /// Where the next one begins.
    at: u64,
    limit: usize,
}

impl<R: Read> LogRecords<R> {
    /// Begins to read; no record has more than `limit` bytes.
    pub fn begin(mut source: R, limit: usize) -> Result<Self, LogError> {
        let mut beginning = [0; BEGINNING.len()];
        if fill(&mut source, &mut beginning)? < BEGINNING.len() || beginning != BEGINNING {
            return Err(LogError::NotALog);
        }
        Ok(Self { source, at: BEGINNING.len() as u64, limit })
    }

    /// Where the next record begins.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next record's payload; none at the end of the source.
    pub fn next_payload(&mut self) -> Result<Option<Vec<u8>>, LogError> {
        let damaged = LogError::Damaged { at: self.at };
        let mut head = [0; HEAD];
        match fill(&mut self.source, &mut head)? {
            0 => return Ok(None),
            HEAD => {}
            _ => return Err(damaged),
        }
        let (mark, rest) = head.split_at(MARK.len());
        let (length, check) = rest.split_at(4);
        let length = length.iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte));
        if mark != MARK || length > self.limit {
            return Err(damaged);
        }
        let mut payload = vec![0; length];
        if fill(&mut self.source, &mut payload)? < length || !self.verifies(&payload, check) {
            return Err(damaged);
        }
        self.at += (HEAD + length) as u64;
        Ok(Some(payload))
    }

    fn verifies(&self, payload: &[u8], check: &[u8]) -> bool {
        let mut hasher = blake3::Hasher::new_derive_key("murmuration log record v1");
        hasher.update(&self.at.to_le_bytes());
        hasher.update(&(payload.len() as u64).to_le_bytes());
        hasher.update(payload);
        hasher.finalize().as_bytes().starts_with(check)
    }
}

/// Reads until the buffer is full or the source ends; how many bytes.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

const BEGINNING: [u8; 8] = *b"murlog\0\x01";
const MARK: &[u8] = b"rec\n";
const HEAD: usize = 4 + 4 + 16;
