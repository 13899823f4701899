//! From a private update to a release at a counted cost, and the ledger that counts.
//!
//! What it does: one chain of types, each made only by the step before it,
//!
//! ```text
//! &[f32] ─► Clipped ─► Quantized ──┐
//!                                  ├─► Release ─► (values mod 2^b, Charge) ─► Ledger::record
//! ChargeTerms ─► Ledger::admit ─► Charge
//! ```
//!
//! the charge of a release ([`ChargeTerms::rho`], zero-concentrated differential privacy), its
//! conversion to (ε, δ) ([`zcdp_epsilon`]), the ε of other people's noise by several accountants
//! ([`accounting`]), what a swarm would cost and whether it would learn, before any data
//! is touched ([`estimate`]), budgets, and the bytes of the [`Ledger`] with their
//! recovery after a crash ([`Ledger::open`]).
//!
//! What it never does: it opens no file and no socket, reads no clock, holds no text, and never takes
//! a sensitivity from anybody: the squared norm that a charge pays for is compared with the one that
//! the integers were checked against.
//!
//! Who uses it: `protocol` (the round's charge, noise and ledger), `audit` (ledger and formulas),
//! `simulations/learning` (the real mechanism), the reports of the programs.
//!
//! **Unit and adjacency**: the unit is one node; neighbouring inputs differ by replacing one node's
//! whole contribution by zeros. The sensitivity is therefore the norm bound itself, not twice it.
//!
//! Sources: Canonne, Kamath, Steinke, *The Discrete Gaussian for Differential Privacy*, 2020 ("CKS20");
//! Kairouz, Liu, Steinke, *The Distributed Discrete Gaussian Mechanism for Federated Learning with
//! Secure Aggregation*, ICML 2021 ("KLS21").
//!
//! Reading order: [`clip`](Clipped) → [`quantize`](Quantized) → [`release`](Release) →
//! [`charge`](ChargeTerms) → [`conversion`](zcdp_epsilon) → [`budget`](Budget) → [`ledger`](Ledger);
//! by itself, [`accounting`].

pub mod accounting;
mod adversaries;
mod budget;
mod charge;
mod clip;
mod conversion;
mod error;
mod estimate;
mod gaussian;
mod ledger;
mod noise;
mod quantize;
mod release;
mod signal;
pub mod words;

pub use adversaries::{
    Adversary, Line, MEANINGFUL_EPSILON, budget_of_ledger, budget_of_terms, exposure,
};
pub use budget::Budget;
pub use charge::{ChargeTerms, SIGMA_MINIMUM, sigma_for};
pub use clip::Clipped;
pub use conversion::{zcdp_delta, zcdp_epsilon, zcdp_rho};
pub use error::PrivacyError;
pub use estimate::{Estimate, EstimateError, Pace, Part, Solved, Wish, estimate};
pub use gaussian::{gaussian_delta, gaussian_epsilon, gaussian_mu};
pub use ledger::{
    Charge, Entry, EntryBytes, EntryKind, Fault, Ledger, LedgerError, Limits, PenaltyReason, Place,
    Reading, Recovery, Refusal, SavedState, TornTail, read_ledger,
};
pub use noise::{Sampler, discrete_gaussian};
pub use quantize::{Grid, Quantized};
pub use release::Release;
pub use signal::{NodesNeeded, mean_noise, nodes_needed};
