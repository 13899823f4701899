//! From values to positions: ranges, ticks, linear and logarithmic.

use crate::number;

/// How values are spread along an axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Linear,
    /// Values at or below zero have no place on it.
    Logarithmic,
}

/// Where an axis begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// At the outermost values.
    Data,
    /// At the ticks around them.
    Ticks,
}

/// An axis that holds the given values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
    /// Marked values and their labels, in order.
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// None if there is no value that can be drawn.
    pub(crate) fn fit(
        kind: Kind,
        ends: Ends,
        values: impl IntoIterator<Item = f64>,
    ) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().filter(|value| drawable(kind, *value)).collect();
        let low = values.iter().copied().reduce(f64::min)?;
        let high = values.iter().copied().reduce(f64::max)?;
        match kind {
            Kind::Linear => {
                Some(linear(low, high, ends, values.iter().all(|value| value.fract() == 0.0)))
            }
            Kind::Logarithmic => Some(logarithmic(low, high, ends)),
        }
    }

    /// 0 at the low end, 1 at the high end; none for a value that this axis cannot hold.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        if !drawable(self.kind, value) {
            return None;
        }
        let (low, high) = (self.along(self.low), self.along(self.high));
        Some(((self.along(value) - low) / (high - low)).clamp(0.0, 1.0))
    }

    fn along(&self, value: f64) -> f64 {
        match self.kind {
            Kind::Linear => value,
            Kind::Logarithmic => value.log10(),
        }
    }
}

/// Beyond this, sums and differences of doubles overflow.
const LARGEST: f64 = 1e300;

fn drawable(kind: Kind, value: f64) -> bool {
    value.is_finite()
        && value.abs() < LARGEST
        && match kind {
            Kind::Linear => true,
            Kind::Logarithmic => value > 1.0 / LARGEST,
        }
}

fn linear(low: f64, high: f64, ends: Ends, whole: bool) -> Scale {
    let (low, high) = widened(low, high, whole);
    let step = nice_step((high - low) / 5.0, whole);
    let (first, last) = match ends {
        Ends::Ticks => ((low / step).floor(), (high / step).ceil()),
        Ends::Data => ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor()),
    };
    let values: Vec<f64> =
        (0..=(last - first).min(20.0) as u32).map(|i| (first + f64::from(i)) * step).collect();
    let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let ticks = values.iter().map(|value| (*value, number::tick(*value, step, largest))).collect();
    let (low, high) = match ends {
        Ends::Ticks => (first * step, last * step),
        Ends::Data => (low, high),
    };
    Scale { kind: Kind::Linear, low, high, ticks }
}

/// A single value gets some room around it.
fn widened(low: f64, high: f64, whole: bool) -> (f64, f64) {
    let least = if whole { 1.0 } else { high.abs().max(low.abs()) * 1e-9 };
    if high - low > least.max(f64::MIN_POSITIVE) {
        return (low, high);
    }
    let room = if whole { 1.0 } else { (high.abs() * 0.1).max(1e-6) };
    (low - room, high + room)
}

/// 1, 2 or 5 times a power of ten, at least `rough`; at least 1 on an axis of whole numbers.
fn nice_step(rough: f64, whole: bool) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|nice| nice * power >= rough * 0.999)
        .unwrap_or(10.0)
        * power;
    if whole { nice.max(1.0) } else { nice }
}

fn logarithmic(low: f64, high: f64, ends: Ends) -> Scale {
    let (low, high) = if high / low < 1.0001 { (low / 2.0, high * 2.0) } else { (low, high) };
    let decades = (high / low).log10();
    let candidates = candidates(low, high, if decades < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] });
    let (low, high) = match ends {
        Ends::Data => (low, high),
        Ends::Ticks => (
            candidates.iter().copied().rfind(|tick| *tick <= low * 1.0001).unwrap_or(low),
            candidates.iter().copied().find(|tick| *tick >= high * 0.9999).unwrap_or(high),
        ),
    };
    let inside =
        candidates.into_iter().filter(|tick| (low * 0.9999..=high * 1.0001).contains(tick));
    let all: Vec<f64> = inside.collect();
    let every = all.len().div_ceil(9).max(1);
    let ticks =
        all.into_iter().step_by(every).map(|value| (value, number::log_tick(value))).collect();
    Scale { kind: Kind::Logarithmic, low, high, ticks }
}

/// All multiples of powers of ten, one decade beyond both ends.
fn candidates(low: f64, high: f64, multiples: &[f64]) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32 - 1, high.log10().ceil() as i32 + 1);
    (first..=last)
        .flat_map(|power| multiples.iter().map(move |multiple| multiple * 10f64.powi(power)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(kind: Kind, ends: Ends, values: &[f64]) -> Vec<String> {
        let scale = Scale::fit(kind, ends, values.iter().copied()).unwrap();
        scale.ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_hold_the_data() {
        assert_eq!(
            labels(Kind::Linear, Ends::Ticks, &[3.07, 3.41]),
            ["3.0", "3.1", "3.2", "3.3", "3.4", "3.5"]
        );
        assert_eq!(
            labels(Kind::Linear, Ends::Data, &[0.0, 1.0, 5.0]),
            ["0", "1", "2", "3", "4", "5"]
        );
        assert_eq!(
            labels(Kind::Linear, Ends::Ticks, &[-0.02, 0.03]),
            ["−0.02", "−0.01", "0", "0.01", "0.02", "0.03"]
        );
    }

    #[test]
    fn whole_numbers_get_whole_ticks() {
        assert_eq!(labels(Kind::Linear, Ends::Data, &[0.0, 1.0, 2.0]), ["0", "1", "2"]);
        assert_eq!(labels(Kind::Linear, Ends::Data, &[4.0]), ["3", "4", "5"]);
    }

    #[test]
    fn logarithmic_ticks_fit_the_decades() {
        assert_eq!(
            labels(Kind::Logarithmic, Ends::Ticks, &[3.0, 40.0]),
            ["2", "5", "10", "20", "50"]
        );
        assert_eq!(labels(Kind::Logarithmic, Ends::Ticks, &[2e-6, 0.5]).first().unwrap(), "10⁻⁶");
        assert!(labels(Kind::Logarithmic, Ends::Data, &[1e-200, 1e200]).len() <= 9);
    }

    #[test]
    fn what_cannot_be_drawn_has_no_place() {
        assert_eq!(Scale::fit(Kind::Linear, Ends::Data, [f64::NAN, f64::INFINITY]), None);
        assert_eq!(Scale::fit(Kind::Logarithmic, Ends::Data, [0.0, -1.0]), None);
        let scale = Scale::fit(Kind::Logarithmic, Ends::Data, [0.0, 1.0, 100.0]).unwrap();
        assert_eq!(
            [0.0, 1.0, 10.0, 100.0].map(|value| scale.place(value)),
            [None, Some(0.0), Some(0.5), Some(1.0)]
        );
    }

    #[test]
    fn extreme_values_give_finite_scales() {
        for values in [
            vec![0.0],
            vec![1e299, -1e299],
            vec![1e-300, 2e-300],
            vec![5e15, 5e15 + 1.0],
            vec![f64::MAX],
        ] {
            for kind in [Kind::Linear, Kind::Logarithmic] {
                for ends in [Ends::Data, Ends::Ticks] {
                    let Some(scale) = Scale::fit(kind, ends, values.iter().copied()) else {
                        continue;
                    };
                    assert!(scale.ticks.len() <= 21);
                    for value in &values {
                        assert!(
                            scale.place(*value).is_none_or(|place| place.is_finite()),
                            "{values:?}"
                        );
                    }
                }
            }
        }
    }
}
