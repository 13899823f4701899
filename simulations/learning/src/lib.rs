//! Learning in a made world: real models and real mechanisms without a network.
//!
//! What it does: it runs whole federations of virtual nodes by a [`Scenario`] ([`Federation`]), pre-trains the
//! small base model that the project ships ([`pretrain`]), reads the demo's people ([`people`]), measures what a
//! version has learned about them ([`measure`]), and computes the two yardsticks beside which a swarm's
//! learning is read ([`yardstick`]); with canaries planted, it writes the record that `murmur-audit empirical` judges
//! ([`Federation::canary_record`]).
//!
//! What it never does: it opens no socket, touches no node's folder, and trains on nothing but the
//! files that it is given and people that it makes up.
//!
//! Who uses it: `murmur-simulate`.

mod backdoor;
mod card;
pub mod corpus;
mod error;
mod federation;
mod held_out;
mod machine;
pub mod measure;
pub mod ngram;
pub mod people;
mod population;
pub mod pretrain;
pub mod scenario;
mod speech;
pub mod yardstick;

pub use audit::{Arm, ArmName};
pub use backdoor::Backdoor;
pub use error::{Invalid, LearningError};
pub use federation::canaries::{Scores, SecretLosses, arm};
pub use federation::{Checkpoint, Federation, Figures, Personal, RoundFigures};
pub use held_out::Measured;
pub use machine::{Machine, peak_memory};
pub use model::{Adapter, Device, LanguageModel, ModelError, Score, StopToken};
pub use population::{Human, Population, VirtualNode};
pub use privacy::{Adversary, MEANINGFUL_EPSILON};
pub use scenario::{Planting, Scenario};
pub use speech::reply;
