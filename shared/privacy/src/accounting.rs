//! What a mechanism of many rounds costs, by several accountants: the calculator of `murmur-audit epsilon`.
//!
//! The mechanism is the Gaussian one in the terms that every federated-learning system uses: in each of
//! `rounds` rounds, a sum to which one node adds a vector of norm at most 1 (in clips) gets Gaussian
//! noise of standard deviation `noise`; a node takes part in a round with probability `sampling_rate`.
//!
//! | accountant | what it computes | sampling | noise |
//! |---|---|---|---|
//! | [`Accountant::Zcdp`] | ρ = rounds/(2·noise²), then CKS20, Proposition 7 | ignored | also discrete |
//! | [`Accountant::Exact`] | the exact curve of the Gaussian mechanism (Balle and Wang 2018) | ignored | continuous |
//!
//! Every ε is an upper bound of what the mechanism has under the assumptions that the [`Claim`] lists:
//! each number is rounded outwards. An accountant that ignores the sampling rate counts every round in
//! full, which is more than the truth, never less.
//!
//! What it never does: it knows no node, no plan and no ledger; charges are computed from integers in
//! [`crate::ChargeTerms`] alone.

use crate::PrivacyError;
use crate::conversion::{checked_delta, epsilon_of_rho};
use crate::gaussian::gaussian_epsilon;

/// A rule that turns noise into ε.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accountant {
    /// Zero-concentrated differential privacy: what budgets and ledgers are kept in.
    Zcdp,
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

/// An (ε, δ) statement with what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Who says so.
    pub accountant: Accountant,
    /// Standard deviation of the noise in the sum, in clips (the noise multiplier z).
    pub noise: f64,
    /// The rounds.
    pub participation: Participation,
    /// δ, as asked for.
    pub delta: f64,
    /// ε, rounded up: the mechanism is (ε, δ)-differentially private under `assumed`.
    pub epsilon: f64,
    /// Where the accountant can tell: the mechanism is not (ε, δ)-differentially private for any ε below
    /// this one, so `epsilon` cannot be lowered further by a better accountant.
    pub no_less_than: Option<f64>,
    /// What must be true for the claim to hold.
    pub assumed: Vec<Assumption>,
    /// What was left out, each on the safe side for `epsilon` or outside of its meaning.
    pub ignored: Vec<Omission>,
}

/// What a claim rests on; its `Display` is one sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assumption {
    /// Unit and adjacency.
    OneNodeReplacedByZeros,
    /// All of the noise is in what is released.
    NoiseInEveryRelease,
    /// The noise is Gaussian, discrete or continuous.
    GaussianNoise,
    /// The noise is continuous.
    ContinuousNoise,
}

/// What a claim leaves out; its `Display` is one sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omission {
    /// The sampling rate, with no amplification claimed.
    SamplingRate,
    /// How the numbers are computed where the noise is added.
    FloatingPointNoise,
    /// Everything else that is released from the same data.
    OtherReleases,
}

impl Accountant {
    /// All of them, from the loosest to the tightest.
    pub const ALL: [Self; 2] = [Self::Zcdp, Self::Exact];

    /// How it is written on a command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zcdp => "zcdp",
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
        checked_noise(noise)?;
        participation.check()?;
        checked_delta(delta)?;
        let (epsilon, no_less_than) = self.bounds(noise, participation, delta)?;
        Ok(Claim {
            accountant: self,
            noise,
            participation,
            delta,
            epsilon,
            no_less_than,
            assumed: self.assumptions(),
            ignored: self.omissions(participation),
        })
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
        let claim = |noise: f64| self.epsilon(noise, participation, delta);
        let (mut low, mut best) = bracket(epsilon, claim)?;
        while best.noise > low * (1.0 + NOISE_STEP) {
            let middle = claim((low * best.noise).sqrt())?;
            if middle.epsilon <= epsilon {
                best = middle;
            } else {
                low = middle.noise;
            }
        }
        Ok(best)
    }

    /// ε from above and, where known, from below.
    fn bounds(
        self,
        noise: f64,
        participation: Participation,
        delta: f64,
    ) -> Result<(f64, Option<f64>), PrivacyError> {
        let rounds = participation.rounds as f64;
        match self {
            Self::Zcdp => {
                let rho = rounds / (2.0 * noise * noise) * ABOVE;
                Ok((epsilon_of_rho(rho, delta), None))
            }
            Self::Exact => {
                let mu = rounds.sqrt() / noise * ABOVE;
                Ok((gaussian_epsilon(mu, delta)?, None))
            }
        }
    }

    fn assumptions(self) -> Vec<Assumption> {
        let noise = match self {
            Self::Zcdp => Assumption::GaussianNoise,
            Self::Exact => Assumption::ContinuousNoise,
        };
        vec![Assumption::OneNodeReplacedByZeros, Assumption::NoiseInEveryRelease, noise]
    }

    fn omissions(self, participation: Participation) -> Vec<Omission> {
        let sampled = (participation.sampling_rate < 1.0).then_some(Omission::SamplingRate);
        let always = [Omission::FloatingPointNoise, Omission::OtherReleases];
        sampled.into_iter().chain(always).collect()
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
        known.ok_or(PrivacyError::OutOfRange { quantity: "accountant", expected: "zcdp or exact" })
    }
}

impl std::fmt::Display for Assumption {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::OneNodeReplacedByZeros => {
                "the unit is one node: neighbours differ by its whole contribution replaced by zeros, \
                 whose norm is at most the clip"
            }
            Self::NoiseInEveryRelease => {
                "every release holds all of this noise, fresh in each round, and the adversary knows \
                 none of it"
            }
            Self::GaussianNoise => "the noise is Gaussian, continuous or discrete",
            Self::ContinuousNoise => {
                "the noise is continuous Gaussian; for discrete Gaussian noise only the zcdp line is \
                 proved"
            }
        })
    }
}

impl std::fmt::Display for Omission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::SamplingRate => {
                "the sampling rate: every round is counted in full, without amplification"
            }
            Self::FloatingPointNoise => {
                "how noise is drawn and added: floating-point noise has weaknesses that no accountant \
                 sees (Mironov 2012)"
            }
            Self::OtherReleases => {
                "all else that is released from the same data (metrics, tuning runs, other tasks): \
                 their costs add up"
            }
        })
    }
}

/// Noise whose ε is above the wanted one, and a claim whose ε is not, a factor of two apart.
fn bracket(
    epsilon: f64,
    claim: impl Fn(f64) -> Result<Claim, PrivacyError>,
) -> Result<(f64, Claim), PrivacyError> {
    let expected = "an epsilon that a noise between 0.001 and 1000000000 reaches";
    let unreachable = PrivacyError::OutOfRange { quantity: "epsilon", expected };
    let mut best = claim(1.0)?;
    let reached = best.epsilon <= epsilon;
    loop {
        let noise = if reached { best.noise / 2.0 } else { best.noise * 2.0 };
        if !(NOISE_MINIMUM..=NOISE_MAXIMUM).contains(&noise) {
            return Err(unreachable);
        }
        let next = claim(noise)?;
        match (reached, next.epsilon <= epsilon) {
            (true, false) => return Ok((next.noise, best)),
            (false, true) => return Ok((best.noise, next)),
            _ => best = next,
        }
    }
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

/// Relative width at which the search for noise stops.
const NOISE_STEP: f64 = 1e-6;

/// Above 1 by more than the roundings of ρ and μ here.
const ABOVE: f64 = 1.0 + 1e-15;

#[cfg(test)]
mod tests;
