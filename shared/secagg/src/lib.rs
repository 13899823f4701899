//! The mathematics of secure aggregation: keys, shares, masks, thresholds.
//!
//! Every member of a round adds masks to its vector that cancel in the sum of all members, so
//! that the coordinator learns one sum and no single vector, also when it lies about who is
//! there (Bonawitz et al., CCS 2017, section 6: the active adversary), for 4 to 64 members on
//! the complete graph.
//!
//! It never opens a socket, reads a clock or draws its own randomness; it does not know what a
//! signature, a plan or a model is: those come in as hashes that its keys are bound to.
//! The rules (`protocol`) drive it on both sides, and the audit checks transcripts with it.
//!
//! A member's secrets go through one chain of types, each step consuming the one before it, so
//! that no key can serve twice:
//!
//! ```text
//! EphemeralSecrets ──deal──▶ DealtSecrets ──Masker──▶ Masked        (the secrets are wiped)
//!   │ public()                 │ open()
//!   ▼                          ▼
//! EphemeralPublic            SharePair ──reveal(one kind)──▶ Share
//! ```
//!
//! and on the coordinator `Masked` → [`RunningSum`]; [`Share`]s → [`recover_seed`],
//! [`recover_mask_key`] → [`Unmask`] → the sum.
//!
//! Reading order: [`keys`], [`shares`], [`deal`], [`mask`], [`sum`], [`recover`], [`unmask`].

mod agree;
mod decode;
mod derive;
mod error;
mod field;
mod generator;
mod seal;
mod secret;
mod stream;

pub mod deal;
pub mod dummy;
pub mod inbox;
pub mod keys;
pub mod mask;
pub mod merkle;
pub mod recover;
pub mod shares;
pub mod sum;
pub mod thresholds;
pub mod unmask;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod scripted;

pub use deal::{Dealt, DealtSecrets, SealContext, SharePair};
pub use dummy::{DummyMasks, DummySeals};
pub use error::SecaggError;
pub use generator::Generator;
pub use inbox::inbox_hash;
pub use keys::{EphemeralPublic, EphemeralSecrets, PublicKey};
pub use mask::{KeystreamMasks, MaskContext, Masked, Masker, Masks};
pub use recover::{Recovered, RecoveredMaskKey, RecoveredSeed, recover_mask_key, recover_seed};
pub use seal::{Route, SEALED_BYTES, Seals, X25519Seals};
pub use secret::Secret32;
pub use shares::{Share, reconstruct, split};
pub use sum::RunningSum;
pub use thresholds::{Thresholds, thresholds};
pub use unmask::Unmask;
