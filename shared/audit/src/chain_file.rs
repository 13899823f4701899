//! The signed chain from a file as programs keep it.
//!
//! Written down once more, because an audit takes nothing from the code that wrote the file:
//!
//! ```text
//! file    "murlog\0\x01" then records
//! record  "rec\n" · length u32 · check [u8; 16] · payload[length]
//! check   first half of BLAKE3 derive_key("murmuration log record v1", place u64 · length u64 · payload)
//! payload one signed header (wire encoding)
//! ```
//! Little-endian; `place` is the record's own byte in the file.

use thiserror::Error;
use version::{Chain, ChainError};
use wire::{Genesis, Header, Signable, Signed, decode};

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
        at: usize,
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
    for (record, payload) in (1..).zip(payloads(bytes)?) {
        let header: Signed<Header> =
            decode(payload, LONGEST).map_err(|_| ChainFileError::NotAHeader { record })?;
        chain.extend(&header).map_err(|source| ChainFileError::Chain { record, source })?;
    }
    Ok(chain)
}

fn payloads(bytes: &[u8]) -> Result<Vec<&[u8]>, ChainFileError> {
    if !bytes.starts_with(BEGINNING) {
        return Err(ChainFileError::NotALog);
    }
    let (mut at, mut payloads) = (BEGINNING.len(), Vec::new());
    while at < bytes.len() {
        let payload = payload_at(bytes, at).ok_or(ChainFileError::Damaged { at })?;
        payloads.push(payload);
        at += HEAD + payload.len();
    }
    Ok(payloads)
}

fn payload_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?.strip_prefix(MARK)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (check, rest) = rest.split_first_chunk::<16>()?;
    let payload = rest.get(..u32::from_le_bytes(*length) as usize)?;
    let mut hasher = blake3::Hasher::new_derive_key("murmuration log record v1");
    hasher.update(&(at as u64).to_le_bytes());
    hasher.update(&(payload.len() as u64).to_le_bytes());
    hasher.update(payload);
    hasher.finalize().as_bytes().starts_with(check).then_some(payload)
}

const BEGINNING: &[u8] = b"murlog\0\x01";
const MARK: &[u8] = b"rec\n";
const HEAD: usize = 4 + 4 + 16;
/// A header with signer, signature and lengths.
const LONGEST: usize = Header::LIMIT + 256;
