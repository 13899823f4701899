//! A run's figures as JSON lines: what a script reads, what a folder keeps, what a report is made of.

use learning::{Backdoor, Checkpoint, Figures, Personal, RoundFigures, Scenario, peak_memory};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One round; round 0 is the beginning. Numbers that are not finite are left out: JSON has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundLine {
    /// From 1; 0 before the first one.
    pub round: u32,
    /// Nodes whose updates are in the result.
    pub nodes: usize,
    /// Nodes without anything to train on, or that diverged; they contributed zeros.
    pub failed: usize,
    /// Whether too few were left for a result.
    pub aborted: bool,
    /// Mean loss on the nodes' first batches, nats a token.
    pub local_loss: Option<f64>,
    /// Median length of the raw updates.
    pub update_length: Option<f64>,
    /// ε of the node that has spent most; none: no guarantee.
    pub epsilon: Option<f64>,
    /// The same against whoever sees each node's own contribution.
    pub epsilon_alone: Option<f64>,
    /// The same against each adversary from whom noise protects, by name; none where it protects too little to count.
    #[serde(default)]
    pub adversaries: BTreeMap<String, Option<f64>>,
    /// How often the nodes took part: least, median, most.
    pub participations: [u32; 3],
    /// Seconds of training and mechanism.
    pub seconds: f64,
    /// Loss on held-out people, nats a token, where measured.
    pub loss: Option<f64>,
    /// Share of their next tokens that were predicted.
    pub accuracy: Option<f64>,
    /// Each held-out person's own loss.
    pub people: Option<Vec<f64>>,
    /// Loss by language.
    pub languages: Option<BTreeMap<String, f64>>,
    /// How the attackers' trigger is answered, where there are such attackers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backdoor: Option<Backdoor>,
}

impl RoundLine {
    /// From what a federation says.
    pub fn new(round: &RoundFigures, done: &Checkpoint) -> Self {
        let measured = round.measured.as_ref();
        let mut participations = done.participations.clone();
        participations.sort_unstable();
        let at = |place: usize| participations.get(place).copied().unwrap_or(0);
        let last = participations.len().saturating_sub(1);
        let languages = measured.map(|measured| {
            let one = measured.languages.iter();
            one.filter_map(|(name, score)| Some((name.clone(), finite(score.loss()?)?))).collect()
        });
        Self {
            round: round.round,
            nodes: round.nodes,
            failed: round.failed,
            aborted: round.aborted,
            local_loss: finite(round.local_loss),
            update_length: finite(round.update_length),
            epsilon: finite(round.epsilon),
            epsilon_alone: finite(round.epsilon_alone),
            adversaries: round
                .adversaries
                .iter()
                .map(|&(who, epsilon)| (who.name().to_owned(), finite(epsilon)))
                .collect(),
            participations: [at(0), at(last / 2), at(last)],
            seconds: round.seconds,
            loss: measured.and_then(|measured| finite(measured.loss())),
            accuracy: measured.and_then(|measured| finite(measured.accuracy())),
            people: measured.map(|m| {
                let losses = m.people.iter().filter_map(learning::Score::loss);
                losses.filter(|loss| loss.is_finite()).collect()
            }),
            languages,
            backdoor: measured.and_then(|measured| measured.backdoor),
        }
    }
}

/// What personal adapters gave, as it is kept: each node's loss on its own held-out conversations, under the global
/// version and under its own adapter, nats a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalLosses {
    /// (global, personal) of each node.
    pub nodes: Vec<(f64, f64)>,
}

impl PersonalLosses {
    /// Nodes without a token to measure are left out.
    pub fn new(personal: &Personal) -> Self {
        let pair = |(global, own): &(learning::Score, learning::Score)| {
            Some((finite(global.loss()?)?, finite(own.loss()?)?))
        };
        Self { nodes: personal.nodes.iter().filter_map(pair).collect() }
    }
}

/// What personal adapters gave: a line of its own before the last one.
pub fn personal_line(personal: &Personal) -> Value {
    let (global, alone) = personal.losses();
    json!({ "personal": {
        "nodes": personal.nodes.len(), "loss_global": global, "loss_personal": alone, "better": personal.better(),
    } })
}

/// The last line of `--json`.
pub fn last_line(scenario: &Scenario, figures: &Figures, seconds: f64) -> Value {
    let rate = figures.trained as f64 / figures.seconds.max(f64::MIN_POSITIVE);
    json!({
        "rounds": figures.rounds,
        "cohort": scenario.cohort.nodes,
        "clients_per_s": rate,
        "tokens_per_s": rate * figures.tokens_a_node as f64,
        "matmul_peak_share": figures.matmul_peak_share,
        "peak_rss_mb": peak_memory().map(|bytes| bytes / 1_000_000),
        "loss_before": finite(figures.before.loss()),
        "loss_after": finite(figures.after.loss()),
        "accuracy_after": finite(figures.after.accuracy()),
        "epsilon": finite(figures.epsilon),
        "delta": scenario.privacy.delta,
        "wall_s": seconds,
    })
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
