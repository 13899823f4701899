//! An invite: one string that enrols one node, once, before it expires.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    codec::{DecodeError, decode, encode},
    id::{CoordinatorId, TaskId},
};

const PREFIX: &str = "murmur1";
const CHECKSUM: usize = 4;
const LIMIT: usize = 2048;

/// What a node needs to join. Whoever holds the string can use it: it is a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Whose swarm.
    pub coordinator: CoordinatorId,
    /// Where the coordinator listens, as multiaddresses.
    pub addresses: Vec<String>,
    /// Which task; also the hash of its genesis.
    pub task: TaskId,
    /// The one-time enrolment secret.
    pub secret: [u8; 32],
    /// Worthless from this time on, in seconds since 1970.
    pub expires_unix: u64,
}

/// Why a string is not an invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InviteError {
    /// Something else.
    #[error(
        "an invite begins with \"murmur1\": copy the whole string that the coordinator printed"
    )]
    NotAnInvite,
    /// Mistyped or cut.
    #[error("the invite is damaged (its checksum does not fit): copy the whole string again")]
    Damaged,
    /// From another version of the program.
    #[error("the invite cannot be read by this version of the program")]
    Unreadable(#[source] DecodeError),
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = encode(self);
        bytes.extend_from_slice(&checksum(&bytes));
        write!(f, "{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invite({:?}, {:?})", self.coordinator, self.task)
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(InviteError::NotAnInvite)?;
        let bytes = BASE32_NOPAD
            .decode(body.to_ascii_uppercase().as_bytes())
            .map_err(|_| InviteError::Damaged)?;
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(InviteError::Damaged)?;
        if *sum != checksum(body) {
            return Err(InviteError::Damaged);
        }
        decode(body, LIMIT).map_err(InviteError::Unreadable)
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let hash = blake3::derive_key("murmuration invite checksum v1", bytes);
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite() -> Invite {
        Invite {
            coordinator: CoordinatorId([7; 32]),
            addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()],
            task: TaskId([8; 32]),
            secret: [9; 32],
            expires_unix: 1_800_000_000,
        }
    }

    #[test]
    fn round_trips_through_its_string() {
        let text = invite().to_string();
        assert_eq!(text.parse::<Invite>(), Ok(invite()));
        assert_eq!(format!("  {text}\n").parse::<Invite>(), Ok(invite()));
    }

    #[test]
    fn every_mistyped_letter_is_noticed() {
        let text = invite().to_string();
        for place in PREFIX.len()..text.len() {
            let mut letters: Vec<char> = text.chars().collect();
            letters[place] = if letters[place] == 'a' { 'b' } else { 'a' };
            let mistyped: String = letters.into_iter().collect();
            assert!(mistyped.parse::<Invite>().is_err(), "place {place}");
        }
        assert_eq!("hello".parse::<Invite>(), Err(InviteError::NotAnInvite));
        assert_eq!(text[..40].parse::<Invite>(), Err(InviteError::Damaged));
    }
}
