//! `[canaries]`: what is planted to be looked for afterwards (`murmur-audit empirical`).

use serde::{Deserialize, Serialize};

use super::{RuleName, Scenario};
use crate::Invalid;

/// `[canaries]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryTerms {
    /// Nodes beside the cohort that take part in every round and contribute a random direction as long as the clip, or
    /// zeros, by a coin each.
    pub nodes: usize,
    /// How many of their coins are guessed afterwards.
    pub guesses: usize,
    /// The noise that is really added, as a part of what is claimed: 1 but for controls.
    #[serde(default = "all_of_it")]
    pub noise_share: f64,
    /// Secrets, in runs of their own: each is said by one node beside the cohort, in so many of its conversations.
    #[serde(default)]
    pub secrets: Vec<usize>,
    /// With how many alternatives that nobody says each secret is compared.
    #[serde(default = "a_thousand")]
    pub alternatives: usize,
}

impl Scenario {
    /// The same scenario with canary nodes alone, or with secrets alone, and this part of the claimed noise.
    pub fn planted(&self, what: Planting, noise_share: f64) -> Self {
        let canaries = self.canaries.clone().map(|terms| match what {
            Planting::Nodes => CanaryTerms { secrets: Vec::new(), noise_share, ..terms },
            Planting::Secrets => CanaryTerms { nodes: 0, noise_share, ..terms },
        });
        Self { canaries, ..self.clone() }
    }

    /// Nodes that take part in every round, beside the cohort.
    pub(crate) fn always(&self) -> usize {
        self.canaries.as_ref().map_or(0, |terms| terms.nodes + terms.secrets.len())
    }

    /// The part of the claimed noise that is added.
    pub(crate) fn noise_share(&self) -> f64 {
        self.canaries.as_ref().map_or(1.0, |terms| terms.noise_share)
    }

    pub(super) fn check_canaries(&self, terms: &CanaryTerms) -> Result<(), Invalid> {
        let number = |key, found: usize, holds: bool, expected| {
            super::ranges::number(key, found as f64, holds, expected)
        };
        let guesses = (1..=terms.nodes).contains(&terms.guesses) || terms.nodes == 0;
        number("canaries.guesses", terms.guesses, guesses, "from 1 to canaries.nodes")?;
        let all = self.cohort.nodes + self.always();
        number(
            "canaries.nodes",
            terms.nodes,
            all <= usize::from(u16::MAX),
            "at most 65535 with the cohort",
        )?;
        number("canaries.alternatives", terms.alternatives, terms.alternatives > 0, "at least 1")?;
        let most = terms.secrets.iter().copied().max().unwrap_or(1);
        let few =
            terms.secrets.iter().all(|repeated| (1..=SECRET_CONVERSATIONS).contains(repeated));
        number("canaries.secrets", most, few, "1 to 16 for each")?;
        let share = terms.noise_share;
        super::ranges::number(
            "canaries.noise_share",
            share,
            (0.0..=1.0).contains(&share),
            "from 0 to 1",
        )?;
        if self.server.rule != RuleName::FedAvg || self.schedule.server_rate.end() != 1.0 {
            return Err(Invalid::CanaryRule);
        }
        if self.privacy.clip.is_none() { Err(Invalid::NoClip) } else { Ok(()) }
    }
}

/// What is planted in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planting {
    /// Canary nodes.
    Nodes,
    /// Secret texts.
    Secrets,
}

/// Conversations of a node that says a secret in some of them.
pub(crate) const SECRET_CONVERSATIONS: usize = 16;

fn all_of_it() -> f64 {
    1.0
}

fn a_thousand() -> usize {
    1023
}
