//! After the swarm has ended: what was learned, beside two yardsticks, and what it cost.

use std::time::Instant;

use anyhow::Context as _;
use learning::{
    Adapter, LanguageModel, LearningError, StopToken, measure, people::Person, reply, yardstick,
};
use program::{Progress, Unit};
use serde_json::Value;

use super::{
    figures::{Figures, Losses, Method, NodeReport, Reply, Took, Version},
    place::Place,
    swarm::Lived,
    terms::Terms,
    tool::{Tool, for_each_at_once},
};

/// δ of the statements, and the ε that would be worth something.
const WORTHY: (f64, f64) = (8.0, 1e-6);
/// What is said to the model before and after.
const SAID: [&str; 3] = [
    "I can't sleep and tomorrow is a long day. Any ideas?",
    "What should I cook tonight? I have rice and two eggs.",
    "My bicycle makes a strange noise. What could it be?",
];

/// Measures everything.
///
/// # Errors
/// If a program fails, or a version is missing.
pub fn measure(
    tool: &Tool,
    place: &Place,
    people: &[Person],
    model: &LanguageModel,
    terms: &Terms,
    lived: Lived,
    began: Instant,
) -> anyhow::Result<Figures> {
    let bar = Progress::new("measuring", 5, Unit::Count("parts"));
    let versions = versions(tool, place)?;
    let adapters = adapters(place, model, &versions)?;
    let (first, last) =
        (adapters.first().context("no version")?, adapters.last().context("no version")?);
    let nodes = node_reports(tool, place, people, &lived, adapters.len() as u64 - 1)?;
    bar.advance(1);
    let held_out: Vec<_> = people.iter().flat_map(|person| person.held_out.clone()).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let of = |adapter: &Adapter| measure::losses(model, Some(adapter), &held_out, threads);
    let all = adapters.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    bar.advance(1);
    tool.go_on()?;
    let rounds = terms.rounds;
    let pooled = yardstick::pooled(
        model,
        first,
        people,
        &terms.training,
        rounds,
        threads,
        &StopToken::new(),
    )?;
    bar.advance(1);
    let survivors: Vec<usize> = (1..=u64::from(rounds))
        .map(|version| {
            people.len() - lived.killed.iter().filter(|killed| killed.version == version).count()
        })
        .collect();
    let zeroed = yardstick::zeroed(model, first, &terms.mechanism, &survivors)?;
    bar.advance(1);
    let mean = |losses: &[_]| measure::mean(losses).context("nothing is held out to measure with");
    let token_mean = |pick: fn(&NodeReport) -> f64| weighted(&nodes, people, &all[0], pick);
    let losses = Losses {
        before: token_mean(|node| node.loss.0),
        after: token_mean(|node| node.loss.1),
        pooled: mean(&of(&pooled)?)?,
        zeroed: mean(&of(&zeroed)?)?,
        by_version: all.iter().map(|losses| mean(losses)).collect::<anyhow::Result<_>>()?,
    };
    let ends = all[0].iter().zip(&all[all.len() - 1]);
    let drops = ends.map(|(before, after)| before.mean() - after.mean()).collect();
    let replies = replies(model, first, last, threads)?;
    bar.advance(1);
    bar.finish();
    let dimension = first.to_flat().len();
    let nodes_needed =
        terms.mechanism.nodes_needed(dimension, people.len() as u32, rounds, WORTHY)?;
    let method = Method {
        noise_multiplier: terms.mechanism.noise_multiplier,
        clip: terms.mechanism.clip,
        dimension,
        steps: terms.training.steps,
    };
    let took = Took { all: began.elapsed(), rounds: lived.rounds_took };
    let killed = killed(&lived, &nodes);
    Ok(Figures { nodes, versions, losses, drops, replies, killed, method, nodes_needed, took })
}

/// Whom it hit, when, and in how many later rounds it was counted.
fn killed(lived: &Lived, nodes: &[NodeReport]) -> Vec<(String, u64, u64)> {
    let later =
        |name: &str| nodes.iter().find(|node| node.name == name).map_or(0, |node| node.rounds);
    lived
        .killed
        .iter()
        .map(|killed| {
            let after = later(&killed.name).saturating_sub(killed.contributions_before);
            (killed.name.clone(), killed.round, after)
        })
        .collect()
}

/// The loss over all people's tokens from the loss of each person's.
fn weighted(
    nodes: &[NodeReport],
    people: &[Person],
    losses: &[measure::ConversationLoss],
    pick: fn(&NodeReport) -> f64,
) -> f64 {
    let (mut total, mut tokens, mut at) = (0.0, 0, 0);
    for (node, person) in nodes.iter().zip(people) {
        let own = &losses[at..at + person.held_out.len()];
        let counted: u64 = own.iter().map(|loss| loss.tokens).sum();
        (total, tokens, at) =
            (total + pick(node) * counted as f64, tokens + counted, at + own.len());
    }
    total / tokens as f64
}

fn versions(tool: &Tool, place: &Place) -> anyhow::Result<Vec<Version>> {
    let steps = tool.ask(
        tool.coordinator(&place.coordinator()).args(["versions", "--export"]).arg(place.versions()),
    )?;
    serde_json::from_value(steps).context("the coordinator's versions cannot be read")
}

/// The adapters of versions 0 to the last.
fn adapters(
    place: &Place,
    model: &LanguageModel,
    versions: &[Version],
) -> anyhow::Result<Vec<Adapter>> {
    let last = versions.iter().map(|version| version.version).max().unwrap_or(0);
    let load = |version| {
        let loaded = Adapter::load(&place.version(version), model.config());
        Ok(loaded.map_err(LearningError::from)?)
    };
    (0..=last).map(load).collect()
}

fn node_reports(
    tool: &Tool,
    place: &Place,
    people: &[Person],
    lived: &Lived,
    last: u64,
) -> anyhow::Result<Vec<NodeReport>> {
    std::fs::create_dir_all(place.root.join("held-out"))?;
    for_each_at_once(people, |person| {
        std::fs::write(place.held_out(&person.name), person.held_out_json_lines())?;
        let loss = |version| evaluate(tool, place, &person.name, version);
        let loss = (loss(0)?, loss(last)?);
        let node = || tool.node(&place.node(&person.name));
        let budget = tool.ask(node().arg("budget"))?;
        let status = &tool.ask(node().arg("status"))?["status"];
        let lost = lived.lost_traffic.get(&person.name).copied().unwrap_or_default();
        Ok(NodeReport {
            name: person.name.clone(),
            rounds: budget["charges"].as_u64().unwrap_or(0),
            rho: number(&budget, "rho")?,
            epsilon: budget["epsilon"].as_f64().unwrap_or(f64::INFINITY),
            bytes_sent: status["bytes_sent"].as_u64().unwrap_or(0) + lost.0,
            bytes_received: status["bytes_received"].as_u64().unwrap_or(0) + lost.1,
            verdict: budget["verdict"].as_str().unwrap_or_default().to_owned(),
            loss,
        })
    })
}

/// `murmur-node evaluate` of one person's held-out conversations: demo only, not private, since all
/// eight people's figures come together here.
fn evaluate(tool: &Tool, place: &Place, name: &str, version: u64) -> anyhow::Result<f64> {
    let answer = tool.ask(
        tool.node(&place.node(name))
            .args(["evaluate", "--threads", "1", "--model"])
            .arg(&place.model)
            .arg("--adapter")
            .arg(place.version(version))
            .arg("--data")
            .arg(place.held_out(name)),
    )?;
    number(&answer, "loss")
}

fn number(value: &Value, key: &str) -> anyhow::Result<f64> {
    value[key].as_f64().with_context(|| format!("a program's answer lacks the number \"{key}\""))
}

fn replies(
    model: &LanguageModel,
    first: &Adapter,
    last: &Adapter,
    threads: usize,
) -> anyhow::Result<Vec<Reply>> {
    let said = SAID.iter().enumerate();
    said.map(|(seed, said)| {
        let says = |adapter| reply(model, Some(adapter), said, seed as u64 + 1, threads);
        Ok(Reply { said: (*said).to_owned(), before: says(first)?, after: says(last)? })
    })
    .collect()
}
