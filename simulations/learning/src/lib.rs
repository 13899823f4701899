//! Learning in a made world: real models and real mechanisms without a network.
//!
//! It pre-trains the small base model that the project ships ([`pretrain`]). It never opens a
//! socket and never sees a node's folder. `murmur-simulate` uses it.

mod card;
pub mod corpus;
pub mod ngram;
pub mod pretrain;

pub use model::StopToken;
