//! The signed chain from a file as programs keep it.
//!
//! A log (see `log.rs`) whose records are signed headers (wire encoding).

use thiserror::Error;
use version::{Chain, ChainError};
use wire::{Genesis, Header, Signable, Signed, decode};

use crate::log::{LogError, LogRecords};

/// Why a file holds no chain of the task.
#[derive(Debug, Error)]
pub enum ChainFileError {
    /// Not such a file.
    #[error(
        "it does not begin as a chain does: name the file `chain` of a coordinator or of a node's task"
    )]
    NotALog,
    /// A record that does not verify, at this byte.
    #[error("the record at byte {at} is damaged or was not written to its end")]
    Damaged {
        /// Where it begins.
        at: u64,
    },
    /// A record that is no header.
    #[error("record {record} is no signed header")]
    NotAHeader {
        /// Which, from 1.
        record: usize,
    },
    /// A header that does not follow.
    #[error("step {record} of the chain: {source}")]
    Chain {
        /// Which, from 1.
        record: usize,
        /// Why it does not follow.
        source: ChainError,
    },
}

/// Reads and verifies all headers of a task's chain.
///
/// # Errors
/// [`ChainFileError`] names record or byte; a half-written last record is an error too.
pub fn read_chain_file(bytes: &[u8], genesis: Genesis) -> Result<Chain, ChainFileError> {
    let mut chain = Chain::new(genesis);
    let mut records = LogRecords::begin(bytes, LONGEST).map_err(explain)?;
    for record in 1.. {
        let Some(payload) = records.next_payload().map_err(explain)? else { break };
        let header: Signed<Header> =
            decode(&payload, LONGEST).map_err(|_| ChainFileError::NotAHeader { record })?;
        chain.extend(&header).map_err(|source| ChainFileError::Chain { record, source })?;
    }
    Ok(chain)
}

fn explain(error: LogError) -> ChainFileError {
    match error {
        LogError::NotALog => ChainFileError::NotALog,
        LogError::Damaged { at } => ChainFileError::Damaged { at },
        LogError::Io(_) => unreachable!("bytes in memory can be read"),
    }
}

/// A header with signer, signature and lengths.
const LONGEST: usize = Header::LIMIT + 256;
