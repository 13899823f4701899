//! What each number and choice of a scenario may be, whatever the others are.

use model::Config;

use super::{AttackTerms, MechanismName, RowsName, RuleName, Sampling, Scenario, SplitName};
use crate::Invalid;

impl Scenario {
    /// Before anything is loaded or made.
    pub(crate) fn check_numbers(&self) -> Result<(), Invalid> {
        let least_one = |key, found: usize| number(key, found as f64, found >= 1, "at least 1");
        least_one("rounds", self.rounds as usize)?;
        least_one("cohort.nodes", self.cohort.nodes)?;
        least_one("data.pseudo_users", self.data.pseudo_users)?;
        let most = f64::from(u16::MAX);
        number(
            "cohort.nodes",
            self.cohort.nodes as f64,
            self.cohort.nodes as f64 <= most,
            "at most 65535",
        )?;
        if let Sampling::Separated { rounds } = self.cohort.sampling {
            least_one("cohort.sampling.separated.rounds", rounds as usize)?;
        }
        let terms = &self.privacy;
        self.check_data()?;
        self.check_server()?;
        let bits = f64::from(terms.modulus_bits);
        number("privacy.modulus_bits", bits, (8.0..=32.0).contains(&bits), "from 8 to 32")?;
        let inside = terms.delta > 0.0 && terms.delta < 1.0;
        number("privacy.delta", terms.delta, inside, "above 0, below 1, such as 1e-6")?;
        let honest = terms.honest > 0.0 && terms.honest <= 1.0;
        number("privacy.honest", terms.honest, honest, "above 0, up to 1")?;
        let positive = |value: f64| value > 0.0 && value.is_finite();
        for (key, value) in [("privacy.clip", terms.clip), ("privacy.epsilon", terms.epsilon)] {
            if let Some(value) = value {
                number(key, value, positive(value), "above 0")?;
            }
        }
        if let Some(attack) = self.attack {
            self.check_attack(&attack)?;
        }
        if let Some(personal) = &self.personal {
            least_one("personal.steps", personal.steps)?;
            let rate = personal.learning_rate;
            number("personal.learning_rate", rate, positive(rate), "above 0")?;
        }
        if let Some(canaries) = &self.canaries {
            self.check_canaries(canaries)?;
        }
        if let Some(z) = terms.noise_multiplier {
            number("privacy.noise_multiplier", z, z >= 0.0 && z.is_finite(), "at least 0")?;
        }
        Ok(())
    }

    /// What this model can read.
    pub(super) fn check_model(&self, config: &Config) -> Result<(), Invalid> {
        let most = config.maximum_positions;
        let windows = [
            ("local.sequence", self.local.sequence),
            ("evaluation.sequence", self.evaluation.sequence),
        ];
        let long = windows.into_iter().find(|&(_, found)| found > most);
        long.map_or(Ok(()), |(key, found)| Err(Invalid::Positions { key, found, most }))
    }

    fn check_data(&self) -> Result<(), Invalid> {
        let data = &self.data;
        number(
            "data.held_out",
            data.held_out,
            (0.0..=1.0).contains(&data.held_out),
            "from 0 to 1",
        )?;
        for role in &data.roles {
            let known = ["user", "assistant", "partner", "system"].contains(&role.as_str());
            if !known && data.rows == RowsName::Conversations {
                return Err(Invalid::Role { found: role.clone() });
            }
        }
        if let Some(made) = data.made {
            let some = |count: usize| (1..=1_000_000).contains(&count);
            let (people, each) = (made.people, made.conversations);
            number("data.made.people", people as f64, some(people), "from 1 to 1000000")?;
            number("data.made.conversations", each as f64, some(each), "from 1 to 1000000")?;
        }
        if self.personal.is_some() && data.split != SplitName::Users {
            return Err(Invalid::PersonalOfNobody);
        }
        Ok(())
    }

    fn check_server(&self) -> Result<(), Invalid> {
        let share = |key, value: f64| {
            number(key, value, (0.0..1.0).contains(&value), "from 0 up to, not including, 1")
        };
        let positive = |key, value: f64| {
            number(key, value, value > 0.0 && value < 1e6, "above 0, at most a million")
        };
        positive("server.learning_rate", self.server.learning_rate)?;
        match self.server.rule {
            RuleName::FedAvg => Ok(()),
            RuleName::FedAvgM { momentum } => share("server.rule's momentum", momentum),
            RuleName::FedAdagrad { tau } => positive("server.rule's tau", tau),
            RuleName::FedAdam { beta1, beta2, tau } | RuleName::FedYogi { beta1, beta2, tau } => {
                share("server.rule's beta1", beta1)?;
                share("server.rule's beta2", beta2)?;
                positive("server.rule's tau", tau)
            }
        }
    }

    fn check_attack(&self, attack: &AttackTerms) -> Result<(), Invalid> {
        let share = (0.0..=1.0).contains(&attack.part);
        number("attack.part", attack.part, share, "from 0 to 1")?;
        let factor = f64::from(attack.factor());
        number("attack.kind's factor", factor, factor.is_finite(), "a finite number")?;
        if !attack.clips && self.privacy.mechanism == MechanismName::Distributed {
            return Err(Invalid::UnclippedAttack);
        }
        let says = self.data.roles.iter().any(|role| role == "assistant");
        if attack.is_backdoor() && self.data.rows == RowsName::Conversations && !says {
            return Err(Invalid::UnlearnedAnswer);
        }
        Ok(())
    }

    pub(super) fn check_schedule(&self) -> Result<(), Invalid> {
        let schedule = &self.schedule;
        let courses = [
            ("schedule.local_rate", schedule.local_rate),
            ("schedule.server_rate", schedule.server_rate),
        ];
        for (key, course) in courses {
            let end = course.end();
            number(key, end, end > 0.0 && end.is_finite(), "a part above 0, such as 0.1")?;
        }
        for from in &schedule.steps {
            number("schedule.steps' steps", from.steps as f64, from.steps > 0, "at least 1")?;
            let reached = (1..=self.rounds).contains(&from.round);
            number(
                "schedule.steps' round",
                from.round.into(),
                reached,
                "a round from 1 to `rounds`",
            )?;
        }
        Ok(())
    }

    pub(super) fn check_cohort(&self, nodes: usize, people: usize) -> Result<(), Invalid> {
        let wanted = self.cohort.nodes;
        if wanted > nodes {
            return Err(Invalid::Cohort { wanted, nodes, people, pieces: None });
        }
        match self.cohort.sampling {
            Sampling::Separated { rounds } if wanted * rounds as usize > nodes => {
                Err(Invalid::Separation { wanted, rounds, nodes })
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn number(
    key: &'static str,
    found: f64,
    holds: bool,
    expected: &'static str,
) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid::Number { key, found, expected }) }
}
