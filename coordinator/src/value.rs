//! Numbers of the configuration that cannot be wrong: each is checked where it is read, so that an
//! error names the line.

use serde::{Deserialize, Serialize};
use thiserror::Error;

const ONE_Q32: f64 = (1_u64 << 32) as f64;
/// The longest window: a week.
const LONGEST_S: f64 = 7.0 * 86_400.0;

/// Why a value was not taken.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ValueError {
    /// Not above zero, or beyond what the plan's fixed-point numbers hold.
    #[error("{0} is not a number above 0 and below 1,000,000")]
    Positive(f64),
    /// Not in [0, 1).
    #[error("{0} is not a number from 0 to below 1")]
    Portion(f64),
    /// Not a duration of a window.
    #[error("{0} is not a time from 0.001 s to a week (604800 s)")]
    Seconds(f64),
    /// Not a fraction.
    #[error("\"{0}\" is not a fraction below 1, written such as \"1/10\"")]
    Fraction(String),
}

/// Above 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Positive(f64);

/// From 0 to below 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Portion(f64);

/// How long something takes, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Seconds(f64);

/// A fraction below 1, exactly as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fraction {
    numerator: u16,
    denominator: u16,
}

impl Positive {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// In units of 2⁻³², to the nearest; at least one unit.
    pub fn to_q32(self) -> u64 {
        ((self.0 * ONE_Q32).round() as u64).max(1)
    }
}

impl Portion {
    /// In units of 2⁻³², to the nearest; always below 1.
    pub fn to_q32(self) -> u64 {
        ((self.0 * ONE_Q32).round() as u64).min((1 << 32) - 1)
    }
}

impl Seconds {
    /// In whole milliseconds, at least one.
    pub fn to_ms(self) -> u32 {
        ((self.0 * 1000.0).round() as u32).max(1)
    }
}

impl Fraction {
    /// Above the line and below it.
    pub fn parts(self) -> (u16, u16) {
        (self.numerator, self.denominator)
    }
}

impl TryFrom<f64> for Positive {
    type Error = ValueError;

    fn try_from(value: f64) -> Result<Self, ValueError> {
        // A comparison with NaN is false.
        if value > 0.0 && value < 1e6 { Ok(Self(value)) } else { Err(ValueError::Positive(value)) }
    }
}

impl TryFrom<f64> for Portion {
    type Error = ValueError;

    fn try_from(value: f64) -> Result<Self, ValueError> {
        if (0.0..1.0).contains(&value) { Ok(Self(value)) } else { Err(ValueError::Portion(value)) }
    }
}

impl TryFrom<f64> for Seconds {
    type Error = ValueError;

    fn try_from(value: f64) -> Result<Self, ValueError> {
        let fits = (0.001..=LONGEST_S).contains(&value);
        if fits { Ok(Self(value)) } else { Err(ValueError::Seconds(value)) }
    }
}

impl TryFrom<String> for Fraction {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        let parts = text.split_once('/').and_then(|(numerator, denominator)| {
            Some((numerator.trim().parse().ok()?, denominator.trim().parse().ok()?))
        });
        match parts {
            Some((numerator, denominator)) if numerator < denominator => {
                Ok(Self { numerator, denominator })
            }
            _ => Err(ValueError::Fraction(text)),
        }
    }
}

impl From<Positive> for f64 {
    fn from(value: Positive) -> Self {
        value.0
    }
}

impl From<Portion> for f64 {
    fn from(value: Portion) -> Self {
        value.0
    }
}

impl From<Seconds> for f64 {
    fn from(value: Seconds) -> Self {
        value.0
    }
}

impl From<Fraction> for String {
    fn from(value: Fraction) -> Self {
        format!("{}/{}", value.numerator, value.denominator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_refused() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e6] {
            assert!(Positive::try_from(bad).is_err(), "{bad}");
        }
        for bad in [-0.1, 1.0, f64::NAN] {
            assert!(Portion::try_from(bad).is_err(), "{bad}");
        }
        for bad in [0.0, -1.0, 700_000.0, f64::NAN] {
            assert!(Seconds::try_from(bad).is_err(), "{bad}");
        }
        for bad in ["", "1", "1/0", "3/3", "4/3", "-1/3", "a/b", "1/70000"] {
            assert!(Fraction::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn units_are_those_of_the_plan() {
        assert_eq!(Positive::try_from(0.5).unwrap().to_q32(), 1 << 31);
        assert_eq!(Positive::try_from(1e-30).unwrap().to_q32(), 1);
        assert_eq!(Portion::try_from(0.02).unwrap().to_q32(), 85_899_346);
        assert_eq!(Portion::try_from(1.0 - 1e-16).unwrap().to_q32(), u64::from(u32::MAX));
        assert_eq!(Seconds::try_from(2.5).unwrap().to_ms(), 2500);
        assert_eq!(Fraction::try_from(" 3 / 10".to_owned()).unwrap().parts(), (3, 10));
    }
}
