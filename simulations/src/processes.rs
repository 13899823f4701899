//! `murmur-simulate processes`: a real swarm of real programs on this machine, over real chat exports.

mod children;
mod figures;
mod measure;
mod page;
mod place;
mod report_json;
mod swarm;
mod terms;
mod timing;
mod told;
mod tool;

use std::{path::PathBuf, time::Instant};

use anyhow::Context as _;
use learning::people::{self, Person};
use program::{Exit, Output, Shutdown, note};

use self::{place::Place, terms::Terms, tool::Tool};

/// Runs a swarm of programs on this machine: one coordinator, and one node for each person, with
/// folders of their own. Each node imports its own chat export, fine-tunes locally, and shares only
/// masked, noised contributions. One node is killed in the middle of a round and comes back. It ends
/// by itself, says what was learned and what it cost, and leaves a report and the versions.
#[derive(clap::Args)]
pub struct Options {
    /// Where the swarm lives and the report is written; a demo that was there before is replaced
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    folder: PathBuf,
    /// The people: a folder each, with person.toml and a chat export
    #[arg(long, value_name = "DIR", default_value = "simulations/demo/people")]
    people: PathBuf,
    /// Public conversations that no node has, to judge versions with
    #[arg(long, value_name = "FILE", default_value = "simulations/demo/gate.jsonl")]
    gate: PathBuf,
    /// The base model
    #[arg(long, value_name = "DIR", default_value = "models/seedling")]
    model: PathBuf,
    /// Versions to issue
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// So many nodes; where there are fewer people, several nodes have the chats of one
    #[arg(long, value_parser = clap::value_parser!(u16).range(8..=64))]
    nodes: Option<u16>,
    /// Only run the rounds, kill nobody, and say where the time of a round went
    #[arg(long)]
    timing: bool,
}

/// Runs the command.
///
/// # Errors
/// If a program is missing or fails, or the swarm issues no version in time.
pub fn run(options: Options, output: Output) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let shutdown = Shutdown::on_signals()?;
    let tool = Tool::find(shutdown)?;
    let people = people::read_people(&options.people).context(
        "the demo needs its people: run it in the repository's folder, or name them with --people",
    )?;
    let people = options.nodes.map_or_else(|| people.clone(), |nodes| repeat(&people, nodes));
    let place = Place::prepare(&options.folder, &options.model, &options.gate)?;
    note(format!(
        "{} nodes, one for each person, in {}. Their policy is \"none\", typed in full: so few nodes are too few for a meaningful privacy guarantee.",
        people.len(),
        place.root.display()
    ));
    let model = learning::LanguageModel::load(&place.model, learning::Device::Cpu)
        .map_err(learning::LearningError::from)
        .context("the base model cannot be loaded")?;
    let terms = Terms::for_this_machine(&model, &people, options.rounds)?;
    let lived = swarm::live(&tool, &place, &people, &terms, !options.timing)?;
    if options.timing {
        output.answer(&lived.timing.value(), |_| lived.timing.told())?;
        return Ok(Exit::Success);
    }
    let figures = measure::measure(&tool, &place, &people, &model, &terms, lived, began)?;
    report_json::write(&place, &figures)?;
    page::write(&place, &figures)?;
    let answer = report_json::value(&figures);
    output.answer(&answer, |_| told::summary(&place, &figures))?;
    Ok(Exit::Success)
}

/// So many people: the same ones again and again, under other names.
fn repeat(people: &[Person], nodes: u16) -> Vec<Person> {
    let again = people.iter().cycle().take(nodes.into()).cloned().enumerate();
    let named = again.map(|(place, person)| match place / people.len() {
        0 => person,
        more => Person { name: format!("{}-{}", person.name, more + 1), ..person },
    });
    named.collect()
}
