//! What a mechanism of many rounds costs, by several accountants: the calculator of `murmur-audit epsilon`.
//!
//! The mechanism is the Gaussian one in the terms that every federated-learning system uses: in each of
//! `rounds` rounds, a sum to which one node adds a vector of norm at most 1 (in clips) gets Gaussian
//! noise of standard deviation `noise`; a node takes part in a round with probability `sampling_rate`.
//!
//! | accountant | what it computes | sampling | noise |
//! |---|---|---|---|
//! | [`Accountant::Zcdp`] | ρ = rounds/(2·noise²), then CKS20, Proposition 7 | ignored | also discrete |
//! | [`Accountant::Rdp`] | Rényi divergences of the subsampled Gaussian, of all orders (`accounting/rdp.rs`) | counted | continuous |
//! | [`Accountant::Pld`] | privacy-loss distributions, composed by FFT (`accounting/pld.rs`); with a lower bound | counted | continuous |
//! | [`Accountant::Exact`] | the exact curve of the Gaussian mechanism (Balle and Wang 2018) | ignored | continuous |
//!
//! Every ε is an upper bound of what the mechanism has under the assumptions that the [`Claim`] lists:
//! each number is rounded outwards. An accountant that ignores the sampling rate counts every round in
//! full, which is more than the truth, never less.
//!
//! What it never does: it knows no node, no plan and no ledger; charges are computed from integers in
//! [`crate::ChargeTerms`] alone.

mod claim;
mod pld;
mod rdp;

use crate::PrivacyError;
use crate::conversion::{checked_delta, epsilon_of_rho};
use crate::gaussian::gaussian_epsilon;
pub use claim::{Assumption, Claim, Omission};
use pld::Precision;

/// A rule that turns noise into ε.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accountant {
    /// Zero-concentrated differential privacy: what budgets and ledgers are kept in.
    Zcdp,
    /// Rényi differential privacy: the moments accountant.
    Rdp,
    /// Privacy-loss distributions, the tightest with sampling.
    Pld,
    /// The exact conversion for continuous Gaussian noise in every round.
    Exact,
}

/// In how many rounds a node takes part, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Participation {
    /// Rounds of the whole mechanism, at least 1.
    pub rounds: u64,
    /// The probability with which a node takes part in each of them, above 0 and at most 1; 1 is every
    /// round.
    pub sampling_rate: f64,
}

impl Accountant {
    /// All of them. Without sampling each one's ε is at most that of the one before it.
    pub const ALL: [Self; 4] = [Self::Zcdp, Self::Rdp, Self::Pld, Self::Exact];

    /// How it is written on a command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zcdp => "zcdp",
            Self::Rdp => "rdp",
            Self::Pld => "pld",
            Self::Exact => "exact",
        }
    }

    /// ε at `delta` of noise of standard deviation `noise` (in clips) in every round.
    ///
    /// # Errors
    /// [`PrivacyError::OutOfRange`] unless noise is positive and finite, 0 < δ < 1, there is at least one
    /// round and the sampling rate is above 0 and at most 1.
    pub fn epsilon(
        self,
        noise: f64,
        participation: Participation,
        delta: f64,
    ) -> Result<Claim, PrivacyError> {
        self.claim(noise, participation, delta, Precision::Full)
    }

    /// The claim with the least noise that keeps ε at `epsilon` or below it; the noise is rounded up, by
    /// less than a millionth.
    ///
    /// # Errors
    /// As [`Accountant::epsilon`], and [`PrivacyError::OutOfRange`] if ε is not positive and finite or no
    /// noise between 10⁻³ and 10⁹ reaches it.
    pub fn noise_for(
        self,
        epsilon: f64,
        participation: Participation,
        delta: f64,
    ) -> Result<Claim, PrivacyError> {
        if !(epsilon > 0.0 && epsilon.is_finite()) {
            let expected = "a positive finite number";
            return Err(PrivacyError::OutOfRange { quantity: "epsilon", expected });
        }
        let draft = |noise: f64| self.claim(noise, participation, delta, Precision::Draft);
        let (low, best) = bracket(epsilon, draft)?;
        let mut best = narrow(epsilon, low, best, draft)?;
        // A finer grid gives a lower ε but for rounding: then a little more noise does.
        let mut more = NOISE_STEP / 4.0;
        loop {
            let claim = self.epsilon(best.noise, participation, delta)?;
            if claim.epsilon <= epsilon {
                return Ok(claim);
            }
            best.noise *= 1.0 + more;
            more *= 2.0;
        }
    }

    fn claim(
        self,
        noise: f64,
        participation: Participation,
        delta: f64,
        precision: Precision,
    ) -> Result<Claim, PrivacyError> {
        checked_noise(noise)?;
        participation.check()?;
        checked_delta(delta)?;
        let (epsilon, no_less_than) = self.bounds(noise, participation, delta, precision)?;
        Ok(Claim {
            accountant: self,
            noise,
            participation,
            delta,
            epsilon,
            no_less_than,
            assumed: self.assumptions(noise, participation),
            ignored: self.omissions(noise, participation),
        })
    }

    /// ε from above and, where known, from below.
    fn bounds(
        self,
        noise: f64,
        participation: Participation,
        delta: f64,
        precision: Precision,
    ) -> Result<(f64, Option<f64>), PrivacyError> {
        let counted = self.counted(noise, participation);
        let rounds = counted.rounds as f64;
        match self {
            Self::Zcdp => {
                let rho = rounds / (2.0 * noise * noise) * ABOVE;
                Ok((epsilon_of_rho(rho, delta), None))
            }
            Self::Rdp => Ok((rdp::epsilon(noise, counted, delta).0, None)),
            Self::Pld if counted.sampling_rate < 1.0 => {
                let found = pld::epsilon(noise, counted, delta, precision);
                Ok((found.high, Some(found.low)))
            }
            // Without sampling the loss of all rounds is one Gaussian: there is nothing to discretise.
            Self::Pld | Self::Exact => {
                let epsilon = gaussian_epsilon(rounds.sqrt() / noise * ABOVE, delta)?;
                let exact = participation.sampling_rate == 1.0;
                Ok((epsilon, exact.then_some((epsilon * (1.0 - EXACT_TO)).max(0.0))))
            }
        }
    }

    /// The participation that this accountant counts: without the sampling rate where it ignores it.
    fn counted(self, noise: f64, participation: Participation) -> Participation {
        match self {
            Self::Rdp | Self::Pld if noise >= AMPLIFIED_FROM => participation,
            _ => Participation::full(participation.rounds),
        }
    }

    fn assumptions(self, noise: f64, participation: Participation) -> Vec<Assumption> {
        let noise_kind = match self {
            Self::Zcdp => Assumption::GaussianNoise,
            Self::Rdp | Self::Pld | Self::Exact => Assumption::ContinuousNoise,
        };
        let always =
            [Assumption::OneNodeReplacedByZeros, Assumption::NoiseInEveryRelease, noise_kind];
        let amplified = self.counted(noise, participation).sampling_rate < 1.0;
        always.into_iter().chain(amplified.then_some(Assumption::SecretPoissonSampling)).collect()
    }

    fn omissions(self, noise: f64, participation: Participation) -> Vec<Omission> {
        let ignored = self.counted(noise, participation) != participation;
        let always = [Omission::FloatingPointNoise, Omission::OtherReleases];
        ignored.then_some(Omission::SamplingRate).into_iter().chain(always).collect()
    }
}

impl Participation {
    /// In every one of `rounds` rounds.
    pub const fn full(rounds: u64) -> Self {
        Self { rounds, sampling_rate: 1.0 }
    }

    fn check(self) -> Result<(), PrivacyError> {
        if self.rounds == 0 || self.rounds > ROUNDS_MAXIMUM {
            let expected = "1 to 1000000000 rounds";
            return Err(PrivacyError::OutOfRange { quantity: "rounds", expected });
        }
        if self.sampling_rate > 0.0 && self.sampling_rate <= 1.0 {
            return Ok(());
        }
        let expected = "a number above 0 and at most 1";
        Err(PrivacyError::OutOfRange { quantity: "sampling rate", expected })
    }
}

impl std::fmt::Display for Accountant {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::str::FromStr for Accountant {
    type Err = PrivacyError;

    fn from_str(name: &str) -> Result<Self, PrivacyError> {
        let known = Self::ALL.into_iter().find(|accountant| accountant.name() == name);
        known.ok_or(PrivacyError::OutOfRange {
            quantity: "accountant",
            expected: "zcdp, rdp, pld or exact",
        })
    }
}

/// A claim whose ε is above the wanted one, and one whose ε is not, a factor of two apart in noise.
fn bracket(
    epsilon: f64,
    claim: impl Fn(f64) -> Result<Claim, PrivacyError>,
) -> Result<(Claim, Claim), PrivacyError> {
    let expected = "an epsilon that a noise between 0.001 and 1000000000 reaches";
    let unreachable = PrivacyError::OutOfRange { quantity: "epsilon", expected };
    let mut last = claim(1.0)?;
    let reached = last.epsilon <= epsilon;
    loop {
        let noise = if reached { last.noise / 2.0 } else { last.noise * 2.0 };
        if !(NOISE_MINIMUM..=NOISE_MAXIMUM).contains(&noise) {
            return Err(unreachable);
        }
        let next = claim(noise)?;
        match (reached, next.epsilon <= epsilon) {
            (true, false) => return Ok((next, last)),
            (false, true) => return Ok((last, next)),
            _ => last = next,
        }
    }
}

/// The better one of two such claims, once their noise differs by less than [`NOISE_STEP`].
///
/// ε is nearly a power of the noise, so a straight line between logarithms hits the target closely; a
/// little is added on the side that moved last, so that the other one follows. Every fourth guess is the
/// middle, whatever the curve.
fn narrow(
    epsilon: f64,
    mut low: Claim,
    mut best: Claim,
    claim: impl Fn(f64) -> Result<Claim, PrivacyError>,
) -> Result<Claim, PrivacyError> {
    let (mut guesses, mut side) = (0, 1.0);
    while best.noise > low.noise * (1.0 + NOISE_STEP) {
        guesses += 1;
        let (left, right) = (libm::log(low.noise), libm::log(best.noise));
        let (above, below) = (libm::log(low.epsilon / epsilon), libm::log(best.epsilon / epsilon));
        let line = left + (right - left) * above / (above - below) + side * NOISE_STEP / 3.0;
        let inside = line > left && line < right && guesses % 4 != 0;
        let next = claim(libm::exp(if inside { line } else { (left + right) / 2.0 }))?;
        if next.epsilon <= epsilon {
            (best, side) = (next, -1.0);
        } else {
            (low, side) = (next, 1.0);
        }
    }
    Ok(best)
}

fn checked_noise(noise: f64) -> Result<(), PrivacyError> {
    if (NOISE_MINIMUM..=NOISE_MAXIMUM).contains(&noise) {
        return Ok(());
    }
    let expected = "a standard deviation in clips, from 0.001 to 1000000000";
    Err(PrivacyError::OutOfRange { quantity: "noise", expected })
}

const NOISE_MINIMUM: f64 = 1e-3;
const NOISE_MAXIMUM: f64 = 1e9;
const ROUNDS_MAXIMUM: u64 = 1_000_000_000;

/// Below this noise no ε is small enough for sampling to matter, and nobody counts it.
const AMPLIFIED_FROM: f64 = 0.05;

/// Relative error of the exact conversion.
const EXACT_TO: f64 = 1e-9;

/// Relative width at which the search for noise stops.
const NOISE_STEP: f64 = 1e-6;

/// Above 1 by more than the roundings of ρ and μ here.
const ABOVE: f64 = 1.0 + 1e-15;

#[cfg(test)]
mod tests;
