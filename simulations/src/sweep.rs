//! `murmur-simulate sweep`: one scenario with every combination of some values.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ::learning::Scenario;
use anyhow::Context as _;
use program::{Exit, Output, Shutdown, UsageError, note};
use serde_json::json;
use toml::{Table, Value};

use crate::learning::{self, Run, choose};

/// Runs a scenario once for every combination of some keys' values, each in a folder of its own, and
/// lays the runs over each other on one page. Runs that are done already are not done again.
#[derive(clap::Args)]
pub struct Options {
    /// A scenario's file, or its name in configs/scenarios
    scenario: String,
    /// A key with its values, such as privacy.epsilon=[1,2,4,8]; may be given several times
    #[arg(long = "over", value_name = "KEY=[VALUES]", required = true)]
    over: Vec<String>,
    /// Another value for a key, in all runs
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The folder for all runs and the page
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// If a combination makes no scenario (then nothing runs), or a run fails.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Exit> {
    let axes = options.over.iter().map(|axis| values(axis)).collect::<Result<Vec<_>, _>>()?;
    let mut planned = Vec::new();
    for changes in combinations(&axes) {
        let set = [&options.set[..], &changes].concat();
        planned.push((name(&changes), choose::scenario(&options.scenario, &set)?));
    }
    differ(&planned)?;
    let shutdown = Shutdown::on_signals()?;
    for (name, scenario) in &planned {
        learning::check(scenario).with_context(|| format!("run {name}"))?;
    }
    let mut runs: Vec<Run> = Vec::new();
    for (index, (name, scenario)) in planned.iter().enumerate() {
        note(format!("run {} of {}: {name}", index + 1, planned.len()));
        let folder = options.out.join(name);
        let done = learning::simulate(scenario, Some(&folder), None, &shutdown, output)?;
        output.line(&json!({ "run": name, "result": done.last_line() }))?;
        output.say(done.summary())?;
        runs.push(learning::read_run(&folder)?);
    }
    let file = options.out.join("report.html");
    program::write_atomically(&file, learning::page(&runs).to_html().as_bytes())?;
    output.say(format!("all runs on one page: {}", file.display()))?;
    Ok(Exit::Success)
}

/// Two runs in one folder would be one.
fn differ(planned: &[(String, Scenario)]) -> Result<(), UsageError> {
    let mut names = BTreeSet::new();
    let twice = planned.iter().find(|(name, _)| !names.insert(name));
    twice.map_or(Ok(()), |(name, _)| {
        Err(UsageError(format!(
            "--over gives two runs the folder {name}: give each value once, and plain ones"
        )))
    })
}

/// `key=[a, b]` → `key=a`, `key=b`.
fn values(axis: &str) -> Result<Vec<String>, UsageError> {
    let wrong = || UsageError(format!("--over {axis}: write it as privacy.epsilon=[1,2,4,8]"));
    let (key, list) = axis.split_once('=').ok_or_else(wrong)?;
    let table: Table = toml::from_str(&format!("list = {list}")).map_err(|_| wrong())?;
    match table.get("list") {
        Some(Value::Array(values)) if !values.is_empty() => {
            Ok(values.iter().map(|value| format!("{}={value}", key.trim())).collect())
        }
        _ => Err(wrong()),
    }
}

/// One value of each axis, in every combination; the last axis changes fastest.
fn combinations(axes: &[Vec<String>]) -> Vec<Vec<String>> {
    axes.iter().fold(vec![Vec::new()], |so_far, axis| {
        let longer = so_far.iter().flat_map(|head| {
            axis.iter().map(|value| [&head[..], std::slice::from_ref(value)].concat())
        });
        longer.collect()
    })
}

/// A folder's name that says what is different.
fn name(changes: &[String]) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "=.-_".contains(c) { c } else { '-' };
    changes
        .iter()
        .map(|change| change.chars().map(plain).collect::<String>())
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_comes_once() {
        let axes = [values("a.b=[1, 2.5]").unwrap(), values("c = [\"x\", { y = 1 }]").unwrap()];
        let found = combinations(&axes);
        assert_eq!(found.len(), 4);
        assert_eq!(found[0], ["a.b=1", "c=\"x\""]);
        assert_eq!(found[3], ["a.b=2.5", "c={ y = 1 }"]);
        assert_eq!(name(&found[3]), "a.b=2.5,c=--y-=-1--");
        assert_eq!(combinations(&[]), [Vec::<String>::new()]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for wrong in ["a", "a=1", "a=[]", "a=[1"] {
            assert!(values(wrong).is_err(), "{wrong}");
        }
    }
}
