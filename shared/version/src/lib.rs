//! How one version of the global model follows from another.
//!
//! What it does: computes the next [`State`] from a published sum ([`next_state`], [`mean_update`]),
//! judges a candidate ([`gate()`]), and verifies the signed history of a task link by link ([`Chain`]).
//!
//! What it never does: it reads no file, clock or socket, draws no randomness, loads no model and
//! signs nothing. Everything here is a pure function of its arguments.
//!
//! Who uses it: `protocol` on both sides (the coordinator to issue a version, every node to refuse
//! one that does not follow), `store` (to read a kept chain again), `audit` and the simulations.
//!
//! ```text
//! published sum ──unpack, lift──► Z^d' ──D·H (exact integers)──► one division ──► mean update, f32
//! state (parameters, moments, step) ──server rule of the plan, f32──► next state ──BLAKE3──► header
//! ```
//!
//! # Why two machines get the same bits
//! A node refuses a version whose hash differs from its own computation, so "almost equal" is not
//! enough. Everything up to the division is integer arithmetic. From there on only `+ - * /`, the
//! square root and conversions are used, each of which IEEE 754 rounds to exactly one result, in an
//! order that the source fixes coordinate by coordinate: nothing is summed over coordinates, so
//! neither vector width nor thread count matters. There is no fused multiply-add (Rust never
//! contracts `a * b + c` by itself, and a fused one rounds once instead of twice) and no function of
//! a mathematics library (`exp`, `powf` differ from library to library). What remains is a thread
//! that was told to flush subnormal numbers to zero, as some numerical libraries do: [`next_state`]
//! notices and refuses to compute.

mod chain;
mod error;
mod gate;
mod rule;
mod state;
mod step;

pub use chain::Chain;
pub use error::{ChainError, VersionError};
pub use gate::gate;
pub use rule::check_server;
pub use state::State;
pub use step::{mean_update, next_state, next_state_from_mean};
