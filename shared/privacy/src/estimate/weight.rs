//! What a round weighs: bytes, memory, seconds.

use grid::Ratio;
use serde::Serialize;
use wire::{Advertise, Plan, Signable};

use super::Estimate;
use crate::{PrivacyError, Sampler, discrete_gaussian};

/// Bytes of one member's part: sealed share, share revealed, a signed word of 32 bytes.
const SEALED: u64 = 160;
const REVEALED: u64 = 64;
const SIGNED: u64 = 200;

/// Bytes of one round for one node, and memory.
pub(super) struct Weight {
    pub up: u64,
    pub down: u64,
    pub memory_node: u64,
    pub memory_coordinator: u64,
}

impl Weight {
    pub fn new(nodes: u32, padded: u32, modulus_bits: u32) -> Self {
        let (n, padded) = (u64::from(nodes), u64::from(padded));
        let vector = (padded * u64::from(modulus_bits)).div_ceil(8);
        let advertise = Advertise::LIMIT as u64;
        let roster = n * advertise;
        let record = Plan::LIMIT as u64 + roster + vector + n * SIGNED;
        let (values, sum, masks) = (8 * padded, 4 * padded, 4 * padded);
        Self {
            up: advertise + n * (SEALED + REVEALED) + 3 * SIGNED + vector,
            down: Plan::LIMIT as u64 + roster + n * (SEALED + 2 * SIGNED) + record,
            memory_node: values + masks + vector,
            // Contributions go to the disk and into one sum as they arrive: beside it lie one on its way in and one
            // being unpacked, whatever the number of nodes.
            memory_coordinator: n * (advertise + SEALED * n) + sum + 2 * vector + masks + record,
        }
    }
}

/// How fast things are: measured in the same run where it can be, and named as an assumption where not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Seconds for the noise of one coordinate, **measured**.
    pub noise_s: f64,
    /// Bytes of mask that a second makes, assumed.
    pub mask_bytes: f64,
    /// Bytes that a node's line sends in a second, assumed.
    pub uplink_bytes: f64,
    /// Bytes that it receives in a second, assumed.
    pub downlink_bytes: f64,
    /// Seconds that the slowest node trains, assumed.
    pub train_s: f64,
    /// Seconds of the two windows in which nodes answer at random instants, assumed.
    pub windows_s: f64,
}

/// A part of a round's time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// What takes it.
    pub what: &'static str,
    /// How long, in seconds.
    pub seconds: f64,
    /// Whether it was measured in this run; else it follows from an assumption.
    pub measured: bool,
}

impl Estimate {
    /// Draws so many samples of the noise, for whoever measures how long that takes.
    ///
    /// # Errors
    /// [`PrivacyError::NoEntropy`].
    pub fn draw_noise(&self, samples: usize) -> Result<(), PrivacyError> {
        let sigma = Ratio::from_f64_up(self.sigma, 8)?;
        discrete_gaussian(sigma, samples, Sampler::default()).map(drop)
    }

    /// How long one round takes, part by part.
    pub fn time(&self, pace: &Pace) -> Vec<Part> {
        let part = |what, seconds, measured| Part { what, seconds, measured };
        let padded = f64::from(self.padded);
        let masks = 4.0 * padded * f64::from(self.nodes) / pace.mask_bytes;
        let lines =
            self.bytes_up as f64 / pace.uplink_bytes + self.bytes_down as f64 / pace.downlink_bytes;
        vec![
            part("training, the slowest node", pace.train_s, false),
            part("noise of one node", padded * pace.noise_s, true),
            part("masks of one node", masks, false),
            part("masks taken off the sum", masks, false),
            part("a node's line", lines, false),
            part("windows of random instants", pace.windows_s, false),
        ]
    }
}
