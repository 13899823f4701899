//! One entry, and its bytes.
//!
//! ```text
//! frame     = length (u16, little-endian) ‖ inverted length (u16) ‖ body ‖ signature (64 bytes)
//! body      = version byte ‖ postcard(Body)                  (wire::encode: canonical, at most 1024 bytes)
//! hash      = BLAKE3 derive_key("murmuration ledger entry v1", body)
//! signature = Ed25519(node key, hash)
//! ```
//!
//! `previous` of the first entry is BLAKE3 derive_key("murmuration ledger v1", node id), so that an entry
//! belongs to one place in one node's ledger. The inverted length tells a damaged length from an entry that
//! was not written to its end.

use ed25519_dalek::SigningKey;
use grid::{Q40, Ratio};
use serde::{Deserialize, Serialize};
use wire::{ContentHash, LedgerHash, NodeId, PlanHash, Round, TaskId};

use super::Fault;
use crate::ChargeTerms;

/// An entry of a ledger that was read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Place in the ledger, from 1.
    pub sequence: u64,
    /// The hash of this entry.
    pub hash: LedgerHash,
    /// Place in the sub-chain of its task; none if nobody knows what was lost.
    pub place: Option<Place>,
    /// When it was made, in milliseconds of the caller's clock.
    pub at_ms: u64,
    /// What it costs.
    pub rho: Q40,
    /// What it is for.
    pub kind: EntryKind,
}

/// Where an entry stands among those of its task: what a [`wire::LedgerHead`] shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Which task.
    pub task: TaskId,
    /// From 1; jumps only over entries that a restored backup lacks.
    pub sequence: u64,
    /// The entry of the task before; the task id for the first.
    pub previous: LedgerHash,
}

/// What a charge is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// A contribution that may be sent from now on.
    Charged {
        /// What the cost follows from.
        #[serde(with = "terms_bytes")]
        terms: ChargeTerms,
        /// The contribution's bytes.
        contribution: ContentHash,
    },
    /// Something that may have been sent and cannot be known.
    Penalty(PenaltyReason),
}

/// Why the largest permitted charge was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PenaltyReason {
    /// The last entry was not written to its end, and nothing proves that its contribution stayed here.
    TornEntry {
        /// Where it began in the file.
        offset: u64,
        /// How many bytes of it there were.
        length: u64,
    },
    /// Somebody has seen a later or another entry of this node than the ledger holds: it was restored from
    /// a backup, or copied. Each entry from `from` to `to` of the task is counted.
    RestoredBackup {
        /// The first missing entry of the task.
        from: u64,
        /// The last.
        to: u64,
        /// The head that was seen.
        seen: LedgerHash,
    },
}

/// What is hashed and signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Body {
    pub sequence: u64,
    pub previous: LedgerHash,
    pub place: Option<Place>,
    pub at_ms: u64,
    pub rho_q40: u64,
    pub kind: EntryKind,
}

impl Body {
    /// Signed bytes and hash.
    pub fn seal(&self, key: &SigningKey) -> (Vec<u8>, LedgerHash) {
        let body = wire::encode(self);
        let length = u16::try_from(body.len()).expect("an entry has at most 1024 bytes");
        let hash = hash(&body);
        let mut frame = Vec::with_capacity(frame_length(body.len()));
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&(!length).to_le_bytes());
        frame.extend_from_slice(&body);
        frame.extend_from_slice(&wire::sign_hash(key, hash.as_bytes()));
        (frame, hash)
    }

    /// Verifies, then parses.
    pub fn open(
        body: &[u8],
        signature: &[u8; SIGNATURE_LENGTH],
        node: NodeId,
    ) -> Result<(Self, LedgerHash), Fault> {
        let hash = hash(body);
        wire::verify_hash(node.as_bytes(), hash.as_bytes(), signature)
            .map_err(|_| Fault::Signature)?;
        let body = wire::decode(body, LONGEST_BODY).map_err(Fault::Decode)?;
        Ok((body, hash))
    }

    pub fn into_entry(self, hash: LedgerHash) -> Entry {
        Entry {
            sequence: self.sequence,
            hash,
            place: self.place,
            at_ms: self.at_ms,
            rho: Q40::from_raw(self.rho_q40),
            kind: self.kind,
        }
    }
}

/// What the first entry of a node's ledger follows.
pub(super) fn beginning(node: NodeId) -> LedgerHash {
    LedgerHash(blake3::derive_key("murmuration ledger v1", node.as_bytes()))
}

fn hash(body: &[u8]) -> LedgerHash {
    LedgerHash(blake3::derive_key("murmuration ledger entry v1", body))
}

/// Bytes of a whole frame.
pub(super) fn frame_length(body_length: usize) -> usize {
    PREFIX_LENGTH + body_length + SIGNATURE_LENGTH
}

pub(super) const PREFIX_LENGTH: usize = 4;
pub(super) const SIGNATURE_LENGTH: usize = 64;
pub(super) const LONGEST_BODY: usize = 1024;

/// [`ChargeTerms`] as plain integers.
mod terms_bytes {
    use super::*;
    use serde::{Deserializer, Serializer, de::Error};

    #[derive(Serialize, Deserialize)]
    struct Terms {
        task: TaskId,
        round: Round,
        plan: PlanHash,
        squared_norm_bound: u128,
        sigma_numerator: u64,
        sigma_denominator: u64,
        honest: u32,
        padded: u32,
    }

    pub fn serialize<S: Serializer>(terms: &ChargeTerms, serializer: S) -> Result<S::Ok, S::Error> {
        let plain = Terms {
            task: terms.task,
            round: terms.round,
            plan: terms.plan,
            squared_norm_bound: terms.squared_norm_bound,
            sigma_numerator: terms.sigma.numerator(),
            sigma_denominator: terms.sigma.denominator(),
            honest: terms.honest,
            padded: terms.padded,
        };
        plain.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(bytes: D) -> Result<ChargeTerms, D::Error> {
        let plain = Terms::deserialize(bytes)?;
        let sigma = Ratio::new(plain.sigma_numerator, plain.sigma_denominator);
        Ok(ChargeTerms {
            task: plain.task,
            round: plain.round,
            plan: plain.plan,
            squared_norm_bound: plain.squared_norm_bound,
            sigma: sigma.map_err(D::Error::custom)?,
            honest: plain.honest,
            padded: plain.padded,
        })
    }
}
