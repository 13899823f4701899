//! Budgets by name, so that nobody has to choose an ε without a scale to hold it against.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How much a person is ready to spend over a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Preset {
    /// ε ≤ 2.
    Strict,
    /// ε ≤ 8.
    Default,
    /// ε ≤ 16.
    Research,
    /// No budget: clip, noise and charge remain, but there is no meaningful guarantee. It must
    /// be typed in full, and every report prints it in red.
    None,
}

impl Preset {
    /// The lifetime ε; none without a budget.
    pub fn epsilon(self) -> Option<f64> {
        match self {
            Self::Strict => Some(2.0),
            Self::Default => Some(8.0),
            Self::Research => Some(16.0),
            Self::None => None,
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Default => "default",
            Self::Research => "research",
            Self::None => "none",
        })
    }
}

/// Not the name of a preset.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "\"{0}\" is not a privacy policy: choose strict (ε ≤ 2), default (ε ≤ 8), research (ε ≤ 16) or none (no budget)"
)]
pub struct UnknownPreset(String);

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, UnknownPreset> {
        [Self::Strict, Self::Default, Self::Research, Self::None]
            .into_iter()
            .find(|preset| preset.to_string() == text)
            .ok_or_else(|| UnknownPreset(text.to_owned()))
    }
}

impl TryFrom<String> for Preset {
    type Error = UnknownPreset;

    fn try_from(name: String) -> Result<Self, UnknownPreset> {
        name.parse()
    }
}

impl From<Preset> for String {
    fn from(preset: Preset) -> Self {
        preset.to_string()
    }
}
