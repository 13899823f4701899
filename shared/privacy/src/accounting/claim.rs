//! An (ε, δ) statement, and in words what it rests on and what it leaves out.

use super::{Accountant, Participation};

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
    /// Who takes part is drawn independently, and nobody whom the claim is against sees it.
    SecretPoissonSampling,
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
            Self::SecretPoissonSampling => {
                "a node takes part in each round by an independent secret coin of the sampling rate, \
                 and the adversary does not see who takes part: never true of the coordinator, of \
                 members of the cohort or of who watches the network"
            }
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
