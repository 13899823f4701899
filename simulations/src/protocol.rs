//! `murmur-simulate protocol`: the shipped rules in a made world, over many seeds or one.

mod lines;
mod told;

use std::{
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use program::{Exit, Output, Progress, Shutdown, Unit, UsageError, human};
use swarm::{Campaign, Masking, Outcome, Scenario, Tally, World};

/// The largest swarm that is tried: with more a single round takes minutes.
const NODES_MAX: usize = 10_000;
/// The fewest nodes that a roster can have.
const NODES_MIN: usize = 4;

/// Plays the machines that ship, coordinator and nodes, in a made world: virtual clock, made disks
/// and links, and everything that can go wrong drawn from a seed. Nine invariants are checked after
/// every step. A seed that breaks one is printed with the command that plays it again, line by line.
///
/// A round is counted when it has ended: with a version, a candidate that the gate refused, or a
/// signed abort. Exit code 3 if an invariant was broken.
#[derive(clap::Args)]
pub struct Options {
    /// How many seeds to play
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    first: u64,
    /// Play this seed alone
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first", "count_all"])]
    seed: Option<u64>,
    /// Print a line for everything that happens in the seed; on standard error with --json, whose one line then has standard output to itself
    #[arg(long, requires = "seed")]
    trace: bool,
    /// How many nodes there are, 4 to 10,000; at most 64 of them are in one round [default: drawn by each seed, 4 to 24, half of them at most 6]
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// Masks and seals: dummy ones, which cost nothing, or the real cryptography; keys, shares and signatures are always real
    #[arg(long, value_name = "KIND", default_value = "dummy", value_parser = ["dummy", "real"])]
    masks: String,
    /// What goes wrong, and how often: "rough" is the mix of every campaign, "stormy" many times more of everything, "calm" nothing
    #[arg(long, value_name = "NAME", default_value = "rough", value_parser = Scenario::NAMES)]
    mix: String,
    /// Worlds played at the same time [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Go on after a broken invariant, and count them all
    #[arg(long)]
    count_all: bool,
}

/// Runs the command.
///
/// # Errors
/// If the options cannot work, or it is interrupted.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    let scenario = options.scenario()?;
    match options.seed {
        Some(seed) => one_seed(options, &scenario, seed, output),
        None => many_seeds(options, scenario, output),
    }
}

impl Options {
    fn scenario(&self) -> Result<Scenario, UsageError> {
        // Unwrap safety: the command line takes no other name.
        let scenario = Scenario::named(&self.mix).expect("one of the names");
        let real = self.masks == "real";
        let scenario = scenario.masked(if real { Masking::Real } else { Masking::Dummy });
        match self.nodes {
            None => Ok(scenario),
            Some(nodes) if (NODES_MIN..=NODES_MAX).contains(&nodes) => Ok(scenario.sized(&[nodes])),
            Some(nodes) => Err(UsageError(format!(
                "--nodes {nodes}: a swarm has {NODES_MIN} to {NODES_MAX} nodes here; try --nodes {}",
                nodes.clamp(NODES_MIN, NODES_MAX)
            ))),
        }
    }

    fn campaign(&self, scenario: Scenario) -> Result<Campaign, UsageError> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.unwrap_or(cores);
        if threads == 0 || threads > 4 * cores {
            let most = 4 * cores;
            let message =
                format!("--threads {threads}: this machine can do with 1 to {most}; try {cores}");
            return Err(UsageError(message));
        }
        if self.first == u64::MAX {
            return Err(UsageError(format!(
                "--first {}: there are no seeds from there on; try --first 0",
                self.first
            )));
        }
        if self.seeds == 0 || self.first.checked_add(self.seeds).is_none() {
            let most = u64::MAX - self.first;
            return Err(UsageError(format!(
                "--seeds {} from --first {}: there are 1 to {most} seeds from there; try --seeds {}",
                self.seeds,
                self.first,
                self.seeds.clamp(1, most.max(1)),
            )));
        }
        let (first, seeds, counts_all) = (self.first, self.seeds, self.count_all);
        Ok(Campaign { scenario, first, seeds, threads, counts_all })
    }

    /// The command that plays a seed again.
    fn replay(&self, seed: u64) -> String {
        let program = std::env::args().next().unwrap_or_else(|| "murmur-simulate".to_owned());
        let nodes = self.nodes.map_or(String::new(), |nodes| format!(" --nodes {nodes}"));
        let Self { mix, masks, .. } = self;
        format!("{program} protocol --mix {mix} --masks {masks}{nodes} --seed {seed} --trace")
    }
}

fn many_seeds(options: &Options, scenario: Scenario, output: Output) -> anyhow::Result<Exit> {
    let campaign = options.campaign(scenario)?;
    let shutdown = Shutdown::on_signals()?;
    let began = Instant::now();
    let bar = Progress::new("seeds", campaign.seeds, Unit::Count("seeds"));
    let tally = campaign.run(|tally| {
        bar.set(tally.seeds);
        bar.detail(told::detail(tally, began.elapsed()));
        !shutdown.is_requested()
    });
    bar.finish();
    answer(options, &campaign.scenario, &tally, began.elapsed(), output)?;
    if shutdown.is_requested() {
        return Err(program::Interrupted.into());
    }
    Ok(exit(tally.broken.is_empty()))
}

fn one_seed(
    options: &Options,
    scenario: &Scenario,
    seed: u64,
    output: Output,
) -> anyhow::Result<Exit> {
    let (began, mut world) = (Instant::now(), World::shipped(scenario, seed));
    if options.trace {
        // Lines come as things happen, so that a panic ends them where it came. Whoever closed the
        // pipe has seen enough.
        world = match output.is_json() {
            true => world.telling(Box::new(|line| drop(writeln!(std::io::stderr(), "{line}")))),
            false => world.telling(Box::new(|line| drop(writeln!(std::io::stdout(), "{line}")))),
        };
    }
    let tally = Tally::of(world.run());
    answer(options, scenario, &tally, began.elapsed(), output)?;
    Ok(exit(tally.broken.is_empty()))
}

/// What came of it: for people, or as lines of JSON.
fn answer(
    options: &Options,
    scenario: &Scenario,
    tally: &Tally,
    took: Duration,
    output: Output,
) -> anyhow::Result<()> {
    for broken in &tally.broken {
        output.line(&lines::broken(broken, &options.replay(broken.seed)))?;
    }
    output.line(&lines::last(scenario, tally, took))?;
    output.say(told::summary(scenario, tally, took))?;
    for broken in &tally.broken {
        let (seed, violation) = (broken.seed, &broken.violation);
        let replay = options.replay(seed);
        output.say(format!("BROKEN by seed {seed}: {violation}\n  see it again: {replay}"))?;
    }
    Ok(())
}

fn exit(holds: bool) -> Exit {
    if holds { Exit::Success } else { Exit::Faults }
}

/// Rounds that ended in one minute.
fn rounds_per_minute(all: &Outcome, took: Duration) -> f64 {
    60.0 * all.rounds as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// A number for people.
fn count(number: u64) -> String {
    human::count(number)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(words: &str) -> Result<Options, clap::Error> {
        let line = Line::try_parse_from(["protocol"].into_iter().chain(words.split_whitespace()));
        line.map(|line| line.options)
    }

    fn refusal(words: &str) -> String {
        let options = options(words).expect("clap lets it pass");
        let campaign = options.scenario().and_then(|scenario| options.campaign(scenario));
        campaign.expect_err(words).to_string()
    }

    #[test]
    fn bad_options_are_refused_with_a_number_that_works() {
        assert!(refusal("--nodes 3").contains("try --nodes 4"));
        assert!(refusal("--nodes 10001").contains("try --nodes 10000"));
        assert!(refusal("--seeds 0").contains("try --seeds 1"));
        assert!(refusal("--seeds 2 --first 18446744073709551614").contains("try --seeds 1"));
        assert!(refusal("--first 18446744073709551615").contains("try --first 0"));
        assert!(refusal("--threads 0").contains("try "));
        assert!(refusal("--threads 100000").contains("try "));
        for unknown in ["--mix windy", "--masks glass", "--trace", "--seed 1 --seeds 5"] {
            assert!(options(unknown).is_err(), "{unknown}");
        }
    }

    /// The replayed seed is the very one of the campaign.
    #[test]
    fn the_command_that_is_printed_plays_the_same_scenario() {
        let campaign = options("--mix stormy --masks real --nodes 9 --seeds 3").unwrap();
        let command = campaign.replay(7);
        let words = command.split_once(" protocol ").expect("the command").1;
        let again = options(words).unwrap();
        assert_eq!(again.scenario().unwrap(), campaign.scenario().unwrap());
        assert_eq!((again.seed, again.trace), (Some(7), true));
    }

    #[test]
    fn the_last_line_has_every_figure() {
        let scenario = options("--mix calm").unwrap().scenario().unwrap();
        let tally = Tally::of(World::shipped(&scenario, 1).run());
        let line = lines::last(&scenario, &tally, Duration::from_secs(30));
        for key in ["seeds", "rounds", "versions", "faults", "violations", "rounds_per_minute"] {
            assert!(!line[key].is_null(), "{key} in {line}");
        }
        assert_eq!(line["rounds_per_minute"].as_f64(), Some(2.0 * tally.all.rounds as f64));
        assert!(line["faults"].as_object().is_some_and(|faults| faults.contains_key("lost")));
    }
}
