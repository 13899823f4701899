//! `murmur-simulate learning`: a scenario in, what a swarm learns and what that costs out.

mod canaries;
pub mod choose;
mod kept;
mod lines;
mod page;
mod told;

use std::path::{Path, PathBuf};
use std::time::Instant;

use learning::{Federation, Figures, LearningError, Machine, ModelError, Scenario, StopToken};
use program::{Exit, Output, Progress, Shutdown, Unit, UsageError, human, note};

pub use self::page::{Run, page};
use self::{kept::Kept, lines::RoundLine};

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
    /// Keep the run in this folder: rounds as JSON lines, a report, and where to go on after a kill
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Take the noise of the run in this folder: with the same scenario, the same result again
    #[arg(long, value_name = "DIR")]
    noise_of: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// If the scenario cannot be read or cannot work, or the training fails.
pub fn run(options: Options, output: Output) -> anyhow::Result<Exit> {
    let scenario = choose::scenario(&options.scenario, &options.set)?;
    let shutdown = Shutdown::on_signals()?;
    let noise = options.noise_of.as_deref().map(kept::read_noise).transpose()?;
    let done = simulate(&scenario, options.out.as_deref(), noise, &shutdown, output)?;
    if output.is_json() {
        output.line(&done.last_line())?;
    } else {
        output.say(done.summary())?;
    }
    Ok(Exit::Success)
}

/// What one run of a scenario gave.
pub struct Done {
    scenario: Scenario,
    figures: Figures,
    seconds: f64,
    report: Option<PathBuf>,
}

impl Done {
    /// The last line of `--json`.
    pub fn last_line(&self) -> serde_json::Value {
        lines::last_line(&self.scenario, &self.figures, self.seconds)
    }

    /// For people.
    pub fn summary(&self) -> String {
        let mut text = told::summary(&self.scenario, &self.figures, self.seconds);
        if let Some(report) = &self.report {
            text.push_str(&format!("\nreport: {}", report.display()));
        }
        text
    }
}

/// Runs one scenario, or goes on with it where its folder says that it ended.
///
/// # Errors
/// If it cannot work, is stopped, or its folder cannot be used.
pub fn simulate(
    scenario: &Scenario,
    out: Option<&Path>,
    noise: Option<[u8; 32]>,
    shutdown: &Shutdown,
    output: Output,
) -> anyhow::Result<Done> {
    let began = Instant::now();
    let stop = StopToken::new();
    stop_with(shutdown, &stop);
    let first = canaries::first(scenario, out)?;
    let mut federation = Federation::new(first, &Machine::here(), stop.clone()).map_err(refused)?;
    if let Some(noise) = noise {
        federation = federation.with_noise(noise);
    }
    announce(scenario, &federation);
    let kept = out.map(|folder| Kept::open(folder, scenario)).transpose()?;
    let warnings = &federation.checked().warnings;
    kept.as_ref().map(|kept| kept.keep_warnings(warnings)).transpose()?;
    let from = kept.as_ref().map(Kept::checkpoint).transpose()?.flatten();
    let bar = Progress::new("rounds", scenario.rounds.into(), Unit::Count("rounds"));
    if let Some(from) = &from {
        if noise.is_some_and(|noise| noise != from.noise) {
            let message = "the folder of --out has rounds with other noise than --noise-of: name another folder";
            return Err(UsageError(message.to_owned()).into());
        }
        note(format!("going on after round {}", from.round));
        bar.begin_at(from.round.into());
    }
    let run = federation.run(from, &mut |round, done| {
        let line = RoundLine::new(round, done);
        bar.detail(told::detail(round));
        bar.set(round.round.into());
        output.line(&line).map_err(LearningError::Unkept)?;
        kept.as_ref().map_or(Ok(()), |kept| kept.keep(&line, done))
    });
    let figures = match run {
        Err(_) if shutdown.is_requested() => return Err(program::Interrupted.into()),
        run => run.map_err(refused)?,
    };
    bar.finish();
    if let Some(folder) = out {
        canaries::finish(scenario, &federation, &figures, folder, (shutdown, &stop))?;
    }
    if let Some(personal) = &figures.personal {
        output.line(&lines::personal_line(personal))?;
        if let Some(kept) = &kept {
            kept.keep_personal(&lines::PersonalLosses::new(personal))?;
        }
    }
    let report = out.map(write_report).transpose()?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Done { scenario: scenario.clone(), figures, seconds, report })
}

/// Refuses a scenario that cannot work; nothing runs, nothing is kept.
///
/// # Errors
/// With what would work.
pub fn check(scenario: &Scenario) -> anyhow::Result<()> {
    Federation::new(scenario.clone(), &Machine::here(), StopToken::new()).map(drop).map_err(refused)
}

fn write_report(folder: &Path) -> anyhow::Result<PathBuf> {
    let file = folder.join("report.html");
    program::write_atomically(&file, page(&[read_run(folder)?]).to_html().as_bytes())?;
    Ok(file)
}

/// A run that was kept in a folder, by the folder's name.
///
/// # Errors
/// If the folder holds no run.
pub fn read_run(folder: &Path) -> anyhow::Result<Run> {
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    let (scenario, lines) = (kept::read_scenario(folder)?, kept::read_lines(folder)?);
    let (personal, warnings) = (kept::read_personal(folder)?, kept::read_warnings(folder)?);
    Ok(Run { name, in_full: None, scenario, lines, warnings, personal })
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
fn refused(error: LearningError) -> anyhow::Error {
    match error {
        LearningError::Invalid(_)
        | LearningError::Model(
            ModelError::Recipe { .. }
            | ModelError::TooLong { .. }
            | ModelError::AdapterSpec { .. }
            | ModelError::Device { .. },
        )
        | LearningError::Grid(_)
        | LearningError::Privacy(_)
        | LearningError::Version(_) => {
            UsageError(format!("the scenario cannot work: {error}")).into()
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
