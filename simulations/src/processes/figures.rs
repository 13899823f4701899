//! What a demo has shown, ready to be told.

use std::time::Duration;

use report::mean_interval;
use serde::Deserialize;

/// Everything that the summary, the page and the JSON say.
pub struct Figures {
    /// Nodes, by person.
    pub nodes: Vec<NodeReport>,
    /// Versions, from 0.
    pub versions: Vec<Version>,
    /// Held-out loss, nats per token over all people.
    pub losses: Losses,
    /// Drop of each held-out conversation's loss, nats per token.
    pub drops: Vec<f64>,
    /// Replies before and after.
    pub replies: Vec<Reply>,
    /// Who was killed in which round, and in how many rounds it took part afterwards.
    pub killed: Vec<(String, u64, u64)>,
    /// What a round trains and how it is protected.
    pub method: Method,
    /// How many nodes a meaningful guarantee would need.
    pub nodes_needed: u64,
    /// How long everything took.
    pub took: Took,
}

/// Held-out losses, nats per token.
pub struct Losses {
    /// Of version 0, measured by `murmur-node evaluate` on each person's conversations.
    pub before: f64,
    /// Of the last version, in the same way.
    pub after: f64,
    /// After non-private training on everybody's conversations together.
    pub pooled: f64,
    /// After the same rounds with updates of zero.
    pub zeroed: f64,
    /// Of every version, from 0.
    pub by_version: Vec<f64>,
}

/// One person's node.
pub struct NodeReport {
    /// Whose.
    pub name: String,
    /// Contributions that were charged.
    pub rounds: u64,
    /// Spent.
    pub rho: f64,
    /// The same as ε.
    pub epsilon: f64,
    /// Over all its programs' lives.
    pub bytes_sent: u64,
    /// Over all its programs' lives.
    pub bytes_received: u64,
    /// What ε means, in the node's own words.
    pub verdict: String,
    /// Held-out loss before and after.
    pub loss: (f64, f64),
}

/// One step of the chain, as `murmur-coordinator versions --json` tells it.
#[derive(Clone, Debug, Deserialize)]
pub struct Version {
    /// The newest version after it.
    pub version: u64,
    /// The round.
    pub round: u64,
    /// `issued`, `refused`, `aborted` …
    pub outcome: String,
    /// Its header.
    pub hash: String,
    /// The header before.
    pub parent: Option<String>,
    /// The gate's loss.
    pub loss: Option<f64>,
    /// The gate's limit.
    pub limit: Option<f64>,
}

/// What was said to the model, and what it said.
pub struct Reply {
    /// By a person.
    pub said: String,
    /// By version 0.
    pub before: String,
    /// By the last version.
    pub after: String,
}

/// The numbers of the method.
pub struct Method {
    /// z.
    pub noise_multiplier: f64,
    /// L2 clip.
    pub clip: f64,
    /// Trained parameters.
    pub dimension: usize,
    /// Optimiser steps of a node in one round.
    pub steps: u32,
}

/// How long it took.
pub struct Took {
    /// All of the command.
    pub all: Duration,
    /// From the nodes' start to the last version.
    pub rounds: Duration,
}

impl Figures {
    /// Rounds that issued a version.
    pub fn issued(&self) -> usize {
        self.versions.iter().filter(|version| version.outcome == "issued").count()
    }

    /// The drop of the loss over conversations, with its 95 % interval.
    pub fn drop(&self) -> Option<report::Interval> {
        mean_interval(&self.drops)
    }

    /// The part of the pooled gain that the swarm has reached, in per cent.
    pub fn share_of_pooled(&self) -> f64 {
        let Losses { before, after, pooled, .. } = self.losses;
        100.0 * (before - after) / (before - pooled)
    }

    /// The largest ε of a node.
    pub fn epsilon(&self) -> f64 {
        self.nodes.iter().map(|node| node.epsilon).fold(0.0, f64::max)
    }

    /// What was learned and what it cost, in two honest sentences.
    pub fn verdict(&self) -> String {
        let learned = match self.drop() {
            Some(drop) if drop.low > 0.0 => {
                "The swarm learned: the interval of the drop excludes 0."
            }
            _ => "No learning is shown: the interval of the drop includes 0.",
        };
        format!(
            "{learned} Privacy: NO MEANINGFUL GUARANTEE (ε up to {:.0} at δ = 1e-6). {} nodes cannot have one and learn; about {} nodes a round would have ε = 8 with the same noise in the mean.",
            self.epsilon(),
            self.nodes.len(),
            program::human::count(self.nodes_needed)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(drops: &[f64]) -> Figures {
        let losses = Losses {
            before: 5.0,
            after: 4.8,
            pooled: 4.5,
            zeroed: 5.0,
            by_version: vec![5.0, 4.8],
        };
        let nothing = Duration::ZERO;
        Figures {
            nodes: Vec::new(),
            versions: Vec::new(),
            losses,
            drops: drops.to_vec(),
            replies: Vec::new(),
            killed: Vec::new(),
            method: Method { noise_multiplier: 0.03, clip: 3.0, dimension: 4, steps: 6 },
            nodes_needed: 1234,
            took: Took { all: nothing, rounds: nothing },
        }
    }

    #[test]
    fn the_share_is_that_of_the_pooled_gain() {
        assert!((figures(&[]).share_of_pooled() - 40.0).abs() < 1e-9);
    }

    #[test]
    fn the_verdict_claims_learning_only_where_the_interval_shows_it() {
        let sure = figures(&[0.2, 0.21, 0.19, 0.2]).verdict();
        let unsure = figures(&[0.4, -0.3, 0.2, -0.1]).verdict();
        let worse = figures(&[-0.2, -0.21, -0.19]).verdict();
        assert!(sure.starts_with("The swarm learned"), "{sure}");
        assert!(unsure.starts_with("No learning is shown"), "{unsure}");
        assert!(worse.starts_with("No learning is shown"), "{worse}");
        assert!(sure.contains("NO MEANINGFUL GUARANTEE") && sure.contains("1,234 nodes"), "{sure}");
    }
}
