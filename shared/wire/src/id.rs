//! Names of things: each a newtype, so that one cannot stand in for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! bytes32 {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first 8 hexadecimal digits: for people, never for comparing.
            pub fn short(&self) -> String {
                data_encoding::HEXLOWER.encode(&self.0[..4])
            }

            /// Reads 64 hexadecimal digits, either case.
            pub fn from_hex(text: &str) -> Option<Self> {
                let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
                Some(Self(bytes.try_into().ok()?))
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }

        impl From<$name> for [u8; 32] {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }
    )*};
}

bytes32! {
    /// A node: its Ed25519 public key.
    NodeId;
    /// A coordinator: its Ed25519 public key.
    CoordinatorId;
    /// A task (one model, one coordinator key, many rounds): the hash of its [`crate::Genesis`].
    TaskId;
    /// The frozen base model: BLAKE3 over its canonical configuration and weights.
    ModelHash;
    /// The hash of a signed [`crate::Plan`]'s bytes.
    PlanHash;
    /// The hash of a signed [`crate::Roster`]'s bytes.
    RosterHash;
    /// The Merkle root over all inboxes of sealed shares.
    SharesRoot;
    /// The hash of a signed [`crate::SharesClosed`]'s bytes: it fixes plan, roster, R2 and shares.
    ClosedHash;
    /// The hash of a signed [`crate::Survivors`]' bytes.
    SurvivorsHash;
    /// The hash of a signed [`crate::Header`]'s bytes; of the genesis for the first header's parent.
    HeaderHash;
    /// The hash of a [`crate::RoundRecord`]'s bytes.
    RecordHash;
    /// The hash of a version's state: adapter with optimiser state.
    StateHash;
    /// The plain BLAKE3 hash of stored bytes, as `b3sum` prints it.
    ContentHash;
    /// The hash of a ledger entry.
    LedgerHash;
}

/// The attempt counter of a task: it rises with every signed plan and is never used twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Round(pub u64);

impl Round {
    /// The round after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many global versions the chain has issued; 0 is the base with the initial adapter.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct VersionNumber(pub u64);

impl VersionNumber {
    /// The version after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_refuses_other_lengths() {
        let id = NodeId([0xab; 32]);
        assert_eq!(NodeId::from_hex(&id.to_string()), Some(id));
        assert_eq!(NodeId::from_hex("abcd"), None);
        assert_eq!(NodeId::from_hex(&"zz".repeat(32)), None);
        assert_eq!(id.short(), "abababab");
    }
}
