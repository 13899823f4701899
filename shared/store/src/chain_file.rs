//! The version chain on disk: a [`Log`] whose records are signed headers.

use std::path::Path;

use version::Chain;
use wire::{Checked, Genesis, Header, Signable, Signed, decode, encode};

use crate::{Log, StoreError, Torn};

/// A header's record is its canonical bytes with signer, signature and lengths.
const LONGEST: usize = Header::LIMIT + 256;

/// The file of one task's headers.
#[derive(Debug)]
pub struct ChainFile {
    log: Log,
    records: u64,
}

impl ChainFile {
    /// Opens or creates the file, and verifies the whole chain again from its genesis.
    ///
    /// # Errors
    /// As [`Log::open`]; [`StoreError::Chain`] for a header that does not follow.
    pub fn open(path: &Path, genesis: Genesis) -> Result<(Self, Chain, Option<Torn>), StoreError> {
        let (log, records, torn) = Log::open(path)?;
        let mut chain = Chain::new(genesis);
        for (record, bytes) in (1..).zip(&records) {
            let wrong = |source| StoreError::Chain { path: path.into(), record, source };
            let header: Signed<Header> = decode(bytes, LONGEST).map_err(|_| wrong(None))?;
            chain.extend(&header).map_err(|error| wrong(Some(error)))?;
        }
        Ok((Self { log, records: records.len() as u64 }, chain, torn))
    }

    /// Adds the header that extends the chain by one; durable on return. The caller has checked it:
    /// one that does not follow would make the file unreadable.
    ///
    /// # Errors
    /// As [`Log::append`].
    ///
    /// # Panics
    /// If the header's place is not the next one: the caller skipped or repeated one.
    pub fn append(&mut self, header: &Checked<Header>) -> Result<(), StoreError> {
        assert_eq!(header.index, self.records + 1, "headers are kept in order, each once");
        self.log.append(&encode(header.signed()))?;
        self.records += 1;
        Ok(())
    }

    /// Removes a header whose append a crash cut short; it was never acknowledged.
    ///
    /// # Errors
    /// As [`Log::cut_torn_tail`].
    pub fn cut_torn_tail(&mut self) -> Result<(), StoreError> {
        self.log.cut_torn_tail()
    }
}
