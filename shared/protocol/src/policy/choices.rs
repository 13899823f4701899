//! A policy as its owner writes it down: the name of a preset, and what differs from it.

use std::{collections::BTreeMap, str::FromStr};

use grid::{Q32, Q40};
use privacy::{Budget, PrivacyError, Sampler};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use wire::TaskId;

use super::{Policy, Preset, quarter};

/// The section `[privacy]` of a node's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// The preset. It has no default: it is the owner's decision.
    pub policy: Preset,
    /// A lifetime's ε below the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// A δ below the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<f64>,
    /// The most ε that any one swarm may cost; without it, the lifetime's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swarm_epsilon: Option<f64>,
    /// Who draws the noise.
    #[serde(default)]
    pub sampler: Sampler,
    /// The same as `swarm_epsilon` for single swarms, by the 64 hexadecimal digits of their task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub swarms: BTreeMap<String, f64>,
    /// What differs from the preset's limits.
    #[serde(default)]
    pub limits: Limits,
}

/// Limits that differ from the preset's. Each is a field of [`Policy`] of the same name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each is documented in Policy, under the same name")]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rho_per_round_max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrupt_min: Option<Fraction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohort_min: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub survivors_min: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_noise_min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub familiar_min: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participations_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separation_min: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_per_day_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_tokens_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random_window_ms_min: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_ms_max: Option<u32>,
}

/// A fraction from 0 to below 1, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fraction(u16, u16);

impl FromStr for Fraction {
    type Err = ChoicesError;

    fn from_str(text: &str) -> Result<Self, ChoicesError> {
        let parts = text.split_once('/').and_then(|(numerator, denominator)| {
            Some((numerator.trim().parse().ok()?, denominator.trim().parse().ok()?))
        });
        match parts {
            Some((numerator, denominator)) if numerator < denominator => {
                Ok(Self(numerator, denominator))
            }
            _ => Err(ChoicesError::Fraction(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Fraction {
    type Error = ChoicesError;

    fn try_from(text: String) -> Result<Self, ChoicesError> {
        text.parse()
    }
}

impl From<Fraction> for String {
    fn from(Fraction(numerator, denominator): Fraction) -> Self {
        format!("{numerator}/{denominator}")
    }
}

/// Why choices make no policy.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ChoicesError {
    /// Not a fraction.
    #[error("\"{0}\" is not a fraction below 1, written such as \"1/10\"")]
    Fraction(String),
    /// Wider than its name says.
    #[error(
        "`{key} = {value}` under [privacy] is above {limit}, which is what the policy \"{preset}\" allows: choose a wider policy, or a smaller number"
    )]
    Wider {
        /// The key.
        key: &'static str,
        /// What it says.
        value: f64,
        /// The preset's.
        limit: f64,
        /// Its name.
        preset: Preset,
    },
    /// A budget where the policy says that there is none.
    #[error(
        "`{0}` under [privacy] sets a budget, but the policy is \"none\": choose strict, default or research"
    )]
    NoBudget(&'static str),
    /// Not a task.
    #[error(
        "`{0}` under [privacy.swarms] names no swarm: it has 64 hexadecimal digits, and `murmur-node budget` prints them"
    )]
    NotATask(String),
    /// A number that makes no sense.
    #[error("`{key} = {value}` under [privacy] is not a number of its kind: {expected}")]
    Number {
        /// The key.
        key: &'static str,
        /// What it says.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
    /// ε and δ that make no budget.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
}

impl Choices {
    /// A preset as it is.
    pub fn preset(policy: Preset) -> Self {
        Self {
            policy,
            epsilon: None,
            delta: None,
            swarm_epsilon: None,
            sampler: Sampler::default(),
            swarms: BTreeMap::new(),
            limits: Limits::default(),
        }
    }

    /// The limits for one task; without one, for a task that has no line of its own.
    ///
    /// # Errors
    /// [`ChoicesError`] names the key, and what it may be.
    pub fn policy(&self, task: Option<TaskId>) -> Result<Policy, ChoicesError> {
        let mut policy = Policy::preset(self.policy)?;
        self.limit_budgets(&mut policy, task)?;
        self.limits.apply(&mut policy)?;
        Ok(policy)
    }

    fn limit_budgets(&self, policy: &mut Policy, task: Option<TaskId>) -> Result<(), ChoicesError> {
        let own = self.of_task(task)?;
        let Some(allowed) = self.policy.epsilon() else {
            let set = [
                (self.epsilon.is_some(), "epsilon"),
                (self.delta.is_some(), "delta"),
                (self.swarm_epsilon.is_some(), "swarm_epsilon"),
                (!self.swarms.is_empty(), "swarms"),
            ];
            let wrong = set.into_iter().find(|(is_set, _)| *is_set);
            return wrong.map_or(Ok(()), |(_, key)| Err(ChoicesError::NoBudget(key)));
        };
        let epsilon = self.narrower("epsilon", self.epsilon, allowed)?;
        policy.delta = self.narrower("delta", self.delta, policy.delta)?;
        let swarm = self.narrower("swarm_epsilon", self.swarm_epsilon, epsilon)?;
        let swarm = self.narrower("swarms", own, epsilon).map(|own_or| match own {
            Some(_) => own_or,
            None => swarm,
        })?;
        policy.lifetime = Budget::limited(epsilon, policy.delta)?;
        policy.task = Budget::limited(swarm, policy.delta)?;
        policy.rho_per_round_max = quarter(&policy.lifetime);
        Ok(())
    }

    /// The line of a task, once every line is known to name one.
    fn of_task(&self, task: Option<TaskId>) -> Result<Option<f64>, ChoicesError> {
        let mut found = None;
        for (name, &epsilon) in &self.swarms {
            let named =
                TaskId::from_hex(name).ok_or_else(|| ChoicesError::NotATask(name.clone()))?;
            if Some(named) == task {
                found = Some(epsilon);
            }
        }
        Ok(found)
    }

    fn narrower(
        &self,
        key: &'static str,
        value: Option<f64>,
        limit: f64,
    ) -> Result<f64, ChoicesError> {
        match value {
            None => Ok(limit),
            Some(value) if value > limit => {
                Err(ChoicesError::Wider { key, value, limit, preset: self.policy })
            }
            Some(value) if value > 0.0 => Ok(value),
            Some(value) => Err(ChoicesError::Number { key, value, expected: "above 0" }),
        }
    }
}

impl Limits {
    fn apply(&self, policy: &mut Policy) -> Result<(), ChoicesError> {
        fn set<T: Copy>(value: Option<T>, field: &mut T) {
            *field = value.unwrap_or(*field);
        }
        if let Some(value) = self.rho_per_round_max {
            let (key, expected) = ("rho_per_round_max", "above 0 and below 16,000,000");
            policy.rho_per_round_max = Q40::from_f64_down(value)
                .ok()
                .filter(|rho| *rho > Q40::ZERO)
                .ok_or(ChoicesError::Number { key, value, expected })?;
        }
        if let Some(value) = self.clip_max {
            let (key, expected) = ("clip_max", "above 0 and below 4,000,000,000");
            policy.clip_max = Q32::from_f64_down(value)
                .ok()
                .filter(|clip| *clip > Q32::ZERO)
                .ok_or(ChoicesError::Number { key, value, expected })?;
        }
        if let Some(value) =
            self.own_noise_min.filter(|value| !(value.is_finite() && *value >= 0.0))
        {
            let (key, expected) = ("own_noise_min", "0 or above");
            return Err(ChoicesError::Number { key, value, expected });
        }
        set(self.own_noise_min, &mut policy.own_noise_min);
        set(self.corrupt_min.map(|Fraction(above, below)| (above, below)), &mut policy.corrupt_min);
        set(self.cohort_min, &mut policy.cohort_min);
        set(self.survivors_min, &mut policy.survivors_min);
        set(self.familiar_min, &mut policy.familiar_min);
        policy.participations_max = self.participations_max.or(policy.participations_max);
        set(self.separation_min, &mut policy.separation_min);
        set(self.unfinished_max, &mut policy.unfinished_max);
        set(self.attempts_per_day_max, &mut policy.attempts_per_day_max);
        set(self.dimension_max, &mut policy.dimension_max);
        set(self.steps_max, &mut policy.steps_max);
        set(self.batch_tokens_max, &mut policy.batch_tokens_max);
        set(self.random_window_ms_min, &mut policy.random_window_ms_min);
        set(self.window_ms_max, &mut policy.window_ms_max);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: TaskId = TaskId([0xab; 32]);

    fn choices(change: impl FnOnce(&mut Choices)) -> Choices {
        let mut choices = Choices::preset(Preset::Default);
        change(&mut choices);
        choices
    }

    #[test]
    fn what_is_not_chosen_is_the_presets() {
        for preset in [Preset::Strict, Preset::Default, Preset::Research, Preset::None] {
            let policy = Choices::preset(preset).policy(Some(TASK)).unwrap();
            assert_eq!(policy, Policy::preset(preset).unwrap());
        }
    }

    #[test]
    fn budgets_become_narrower_and_never_wider_than_their_name() {
        let four = choices(|choices| choices.epsilon = Some(4.0)).policy(None).unwrap();
        assert_eq!(four.lifetime, Budget::limited(4.0, 1e-6).unwrap());
        assert_eq!((four.task, four.rho_per_round_max), (four.lifetime, quarter(&four.lifetime)));
        let delta = choices(|choices| choices.delta = Some(1e-9)).policy(None).unwrap();
        assert_eq!(delta.lifetime, Budget::limited(8.0, 1e-9).unwrap());
        type Wider = fn(&mut Choices);
        let wider: [Wider; 4] = [
            |choices| choices.epsilon = Some(8.1),
            |choices| choices.delta = Some(1e-5),
            |choices| choices.swarm_epsilon = Some(9.0),
            |choices| (choices.epsilon, choices.swarm_epsilon) = (Some(3.0), Some(4.0)),
        ];
        for change in wider {
            let error = choices(change).policy(None).unwrap_err();
            assert!(matches!(error, ChoicesError::Wider { .. }), "{error}");
        }
        for nonsense in [0.0, -1.0, f64::NAN] {
            assert!(choices(|choices| choices.epsilon = Some(nonsense)).policy(None).is_err());
        }
    }

    #[test]
    fn a_swarm_has_its_own_budget_by_its_task() {
        let own = |choices: &mut Choices| {
            choices.swarm_epsilon = Some(4.0);
            choices.swarms.insert(TASK.to_string(), 2.0);
        };
        let task = |task| choices(own).policy(task).unwrap().task;
        assert_eq!(task(Some(TASK)), Budget::limited(2.0, 1e-6).unwrap());
        assert_eq!(task(Some(TaskId([1; 32]))), Budget::limited(4.0, 1e-6).unwrap());
        let wrong = choices(|choices| choices.swarms = [("my swarm".into(), 1.0)].into());
        assert_eq!(wrong.policy(None), Err(ChoicesError::NotATask("my swarm".into())));
    }

    #[test]
    fn no_budget_is_no_budget() {
        for change in [
            (|choices| choices.epsilon = Some(1.0)) as fn(&mut Choices),
            |choices| choices.swarm_epsilon = Some(1.0),
            |choices| choices.swarms = [(TASK.to_string(), 1.0)].into(),
        ] {
            let mut none = Choices::preset(Preset::None);
            change(&mut none);
            assert!(matches!(none.policy(None), Err(ChoicesError::NoBudget(_))));
        }
    }

    #[test]
    fn numbers_without_a_meaning_are_named() {
        type Change = fn(&mut Limits);
        let changes: [(&str, Change); 4] = [
            ("rho_per_round_max", |limits| limits.rho_per_round_max = Some(0.0)),
            ("rho_per_round_max", |limits| limits.rho_per_round_max = Some(f64::NAN)),
            ("clip_max", |limits| limits.clip_max = Some(-1.0)),
            ("own_noise_min", |limits| limits.own_noise_min = Some(f64::INFINITY)),
        ];
        for (key, change) in changes {
            let error = choices(|choices| change(&mut choices.limits)).policy(None).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
        for text in ["1", "1/0", "2/1", "-1/3", "a/b", ""] {
            assert!(text.parse::<Fraction>().is_err(), "{text}");
        }
        assert_eq!(String::from("1 / 10".parse::<Fraction>().unwrap()), "1/10");
    }
}
