//! `murmur-simulate learning`: a scenario in, what a swarm learns and what that costs out.

mod choose;
mod told;

use std::time::Instant;

use learning::{Federation, Machine, Scenario, StopToken};
use program::{Exit, Output, Progress, Shutdown, Unit, human, note};

/// Trains thousands of virtual nodes on this machine, with the model, the mechanism and the server
/// rules that ship, and no network. A scenario says everything: see configs/scenarios/quick.toml,
/// where every key is explained.
#[derive(clap::Args)]
pub struct Options {
    /// A scenario's file, or its name in configs/scenarios
    scenario: String,
    /// Another value for a key, such as cohort.nodes=50; without a value the key is left out
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// If the scenario cannot be read or cannot work, or the training fails.
pub fn run(options: Options, output: Output) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let scenario = choose::scenario(&options.scenario, &options.set)?;
    let shutdown = Shutdown::on_signals()?;
    let stop = StopToken::new();
    stop_with(&shutdown, &stop);
    let machine = Machine::here();
    let federation = Federation::new(scenario.clone(), &machine, stop).map_err(refused)?;
    announce(&scenario, &federation);
    let bar = Progress::new("rounds", scenario.rounds.into(), Unit::Count("rounds"));
    let mut unwritten = None;
    let run = federation.run(&mut |round| {
        bar.set(round.round.into());
        bar.detail(told::detail(round));
        unwritten = unwritten.take().or(output.line(&told::line(round)).err());
    });
    let figures = match run {
        Err(_) if shutdown.is_requested() => return Err(program::Interrupted.into()),
        run => run?,
    };
    if let Some(error) = unwritten {
        return Err(error.into());
    }
    bar.finish();
    let seconds = began.elapsed().as_secs_f64();
    if output.is_json() {
        output.line(&told::last_line(&scenario, &figures, seconds))?;
    } else {
        output.say(told::summary(&scenario, &figures, seconds))?;
    }
    Ok(Exit::Success)
}

/// What will run, and what a person should know before believing a number.
fn announce(scenario: &Scenario, federation: &Federation) {
    let (population, checked) = (federation.population(), federation.checked());
    note(format!(
        "{}: {} rounds of {} of {} nodes ({} people; {} held out), {} trained parameters each",
        scenario.title,
        scenario.rounds,
        scenario.cohort.nodes,
        human::count(population.nodes.len() as u64),
        population.people,
        population.held_out.len(),
        human::count(federation.dimension() as u64),
    ));
    for warning in &checked.warnings {
        note(format!("{} {warning}", program::paint(program::Paint::Red, "warning:")));
    }
}

/// A scenario that cannot work is a mistake on the command line.
fn refused(error: learning::LearningError) -> anyhow::Error {
    match error {
        learning::LearningError::Invalid(invalid) => {
            program::UsageError(format!("the scenario cannot work: {invalid}")).into()
        }
        other => other.into(),
    }
}

/// The training looks at its own switch between two blocks of a pass.
fn stop_with(shutdown: &Shutdown, stop: &StopToken) {
    let (shutdown, stop) = (shutdown.clone(), stop.clone());
    std::thread::spawn(move || {
        while !shutdown.is_requested() {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        stop.stop();
    });
}
