//! How steps and rates change from round to round.

use serde::{Deserialize, Serialize};

use super::{LocalTerms, Scenario, ServerTerms};

/// `[schedule]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleTerms {
    /// Course of `local.learning_rate`.
    pub local_rate: Course,
    /// Course of `server.learning_rate`.
    pub server_rate: Course,
    /// Other local steps from some rounds on.
    pub steps: Vec<StepsFrom>,
}

/// How a rate goes from its own value in the first round to a part of it in the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Course {
    /// It stays.
    #[default]
    Constant,
    /// By the same amount each round.
    Linear {
        /// The part in the last round.
        to: f64,
    },
    /// Along half a cosine: slowly, fast, slowly.
    Cosine {
        /// The part in the last round.
        to: f64,
    },
}

/// So many steps from this round on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepsFrom {
    /// From 1.
    pub round: u32,
    /// Optimiser steps.
    pub steps: usize,
}

impl Course {
    /// The part of the rate in this round, from 1.
    pub(super) fn part(self, round: u32, rounds: u32) -> f64 {
        let way = f64::from(round.saturating_sub(1)) / f64::from(rounds.saturating_sub(1).max(1));
        match self {
            Self::Constant => 1.0,
            Self::Linear { to } => 1.0 + (to - 1.0) * way,
            Self::Cosine { to } => {
                to + (1.0 - to) * (1.0 + (std::f64::consts::PI * way).cos()) / 2.0
            }
        }
    }

    /// The part in the last round.
    pub(super) fn end(self) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Linear { to } | Self::Cosine { to } => to,
        }
    }
}

impl Scenario {
    /// What a node does in this round, from 1.
    pub(crate) fn local_in(&self, round: u32) -> LocalTerms {
        let begun = self.schedule.steps.iter().filter(|from| from.round <= round);
        let steps = begun.max_by_key(|from| from.round).map_or(self.local.steps, |from| from.steps);
        let part = self.schedule.local_rate.part(round, self.rounds);
        LocalTerms { steps, learning_rate: self.local.learning_rate * part, ..self.local }
    }

    /// How the mean moves the model in this round, from 1.
    pub(crate) fn server_in(&self, round: u32) -> ServerTerms {
        let part = self.schedule.server_rate.part(round, self.rounds);
        ServerTerms { learning_rate: self.server.learning_rate * part, ..self.server }
    }

    /// The most steps of any round.
    pub(crate) fn steps_max(&self) -> usize {
        (1..=self.rounds).map(|round| self.local_in(round).steps).max().unwrap_or(self.local.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_begin_whole_and_end_where_they_should() {
        for course in [Course::Linear { to: 0.1 }, Course::Cosine { to: 0.1 }] {
            let parts: Vec<f64> = (1..=9).map(|round| course.part(round, 9)).collect();
            assert!((parts[0] - 1.0).abs() < 1e-12 && (parts[8] - 0.1).abs() < 1e-12);
            assert!((parts[4] - 0.55).abs() < 1e-12, "{course:?}");
            assert!(parts.is_sorted_by(|earlier, later| earlier > later));
        }
        assert!(Course::Cosine { to: 0.1 }.part(2, 9) > Course::Linear { to: 0.1 }.part(2, 9));
        assert_eq!(Course::Linear { to: 0.1 }.part(1, 1), 1.0);
        assert_eq!(Course::Constant.part(5, 9), 1.0);
    }
}
