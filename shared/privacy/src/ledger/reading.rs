//! From bytes to entries: every bit is accounted for.
//!
//! An interrupted append leaves the beginning of a frame, or (where the file system had grown the file
//! before its bytes arrived) a frame whose end is zeros from a block boundary on. Only that, and only at the
//! very end, is a torn tail. Anything else is damage.

use ed25519_dalek::VerifyingKey;
use wire::NodeId;

use super::chain::Chain;
use super::entry::{Body, Entry, LONGEST_BODY, PREFIX_LENGTH, SIGNATURE_LENGTH, frame_length};
use super::error::{Fault, LedgerError};

/// A ledger that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// All entries, each verified and linked to the one before.
    pub entries: Vec<Entry>,
    /// An entry that was not written to its end.
    pub torn: Option<TornTail>,
}

/// The end of a file that an interrupted write left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// Where it begins: everything before is whole.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
}

/// Reads and verifies a node's ledger: what an audit does, and the first half of opening it.
///
/// # Errors
/// [`LedgerError::Damaged`] names entry and byte; [`LedgerError::NotAKey`].
pub fn read_ledger(bytes: &[u8], node: NodeId) -> Result<Reading, LedgerError> {
    let (chain, torn) = read_chain(bytes, node)?;
    Ok(Reading { entries: chain.entries, torn })
}

pub(super) fn read_chain(
    bytes: &[u8],
    node: NodeId,
) -> Result<(Chain, Option<TornTail>), LedgerError> {
    VerifyingKey::from_bytes(node.as_bytes()).map_err(|_| LedgerError::NotAKey)?;
    let mut chain = Chain::new(node);
    let mut offset = 0;
    while offset < bytes.len() {
        match read_frame(&bytes[offset..], node, &chain) {
            Ok(Some((entry, length))) => {
                chain.push(entry);
                offset += length;
            }
            Ok(None) => return Ok((chain, Some(torn_from(offset, bytes)))),
            Err(_) if ends_in_unwritten_zeros(bytes, offset) => {
                return Ok((chain, Some(torn_from(offset, bytes))));
            }
            Err(fault) => {
                let entry = chain.entries.len() as u64 + 1;
                return Err(LedgerError::Damaged { entry, offset: offset as u64, fault });
            }
        }
    }
    Ok((chain, None))
}

/// The next entry with the length of its frame, or nothing where the file ends too early.
fn read_frame(rest: &[u8], node: NodeId, chain: &Chain) -> Result<Option<(Entry, usize)>, Fault> {
    let Some((prefix, rest)) = rest.split_first_chunk::<PREFIX_LENGTH>() else { return Ok(None) };
    let length = u16::from_le_bytes([prefix[0], prefix[1]]);
    let inverted = u16::from_le_bytes([prefix[2], prefix[3]]);
    let body_length = usize::from(length);
    if length != !inverted || body_length > LONGEST_BODY {
        return Err(Fault::Length);
    }
    let Some((body, rest)) = rest.split_at_checked(body_length) else { return Ok(None) };
    let Some(signature) = rest.first_chunk::<SIGNATURE_LENGTH>() else { return Ok(None) };
    let (body, hash) = Body::open(body, signature, node)?;
    chain.check(&body)?;
    Ok(Some((body.into_entry(hash), frame_length(body_length))))
}

fn torn_from(offset: usize, bytes: &[u8]) -> TornTail {
    TornTail { offset: offset as u64, length: (bytes.len() - offset) as u64 }
}

/// Whether the last frame, beginning at `offset`, is zeros from a block boundary (or its beginning) on.
/// A whole signature ends in so many zeros less than once in 2^32 entries.
fn ends_in_unwritten_zeros(bytes: &[u8], offset: usize) -> bool {
    let last_block = (bytes.len() - 1) / BLOCK * BLOCK;
    let unwritten = &bytes[last_block.max(offset)..];
    bytes.len() - offset <= frame_length(LONGEST_BODY)
        && unwritten.len() >= FEWEST_ZEROS
        && unwritten.iter().all(|&byte| byte == 0)
}

/// The smallest unit that a disk writes.
const BLOCK: usize = 512;

/// Fewer zeros at the end prove nothing.
const FEWEST_ZEROS: usize = 4;
