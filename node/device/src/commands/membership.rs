//! `murmur-node pause` and `leave`.

use std::path::Path;

use anyhow::Context as _;
use program::{Exit, Output, UsageError};
use serde_json::json;
use store::Folder;

use crate::{home::Home, task::Task};

/// The node takes part in no new round; a running one notices within a second.
///
/// # Errors
/// If the folder is no node's.
pub fn pause(folder: &Path, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    program::write_atomically(&home.join("paused"), b"")?;
    output.answer(&json!({ "paused": true }), |_| {
        "Paused: no new round until `murmur-node run`; a round that is under way is finished."
            .into()
    })?;
    Ok(Exit::Success)
}

/// Ends the pause of a node that runs in another process.
///
/// # Errors
/// If the folder cannot be written.
pub fn resume(home: &Home, output: Output) -> anyhow::Result<Exit> {
    let file = home.join("paused");
    std::fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    output.answer(&json!({ "paused": false }), |_| {
        "Resumed: the node that runs already takes part again, from the next round on.".into()
    })?;
    Ok(Exit::Success)
}

/// Forgets a swarm. The ledger stays: what was spent stays spent.
#[derive(clap::Args)]
pub struct LeaveOptions {
    /// Which swarm, by its name or the first digits of its task; needed only if there are several
    swarm: Option<String>,
}

/// Forgets a swarm.
///
/// # Errors
/// If the node runs, or is in no such swarm.
pub fn leave(folder: &Path, options: &LeaveOptions, output: Output) -> anyhow::Result<Exit> {
    let home = Home::open(folder)?;
    let _lock = Folder::open(folder)?;
    let task = match &options.swarm {
        Some(swarm) => named(home.tasks()?, swarm)?,
        None => home.task()?,
    };
    let name = task.joined.genesis.name.clone();
    task.remove()?;
    output.answer(&json!({ "left": name }), |_| {
        format!("Left \"{name}\". Its ledger entries stay, and count for every swarm to come.")
    })?;
    Ok(Exit::Success)
}

/// The one swarm of that name, or with a task of those first digits.
fn named(tasks: Vec<Task>, swarm: &str) -> anyhow::Result<Task> {
    let names: Vec<String> = tasks
        .iter()
        .map(|task| format!("\"{}\" ({})", task.joined.genesis.name, task.id().short()))
        .collect();
    let fits = |task: &Task| {
        let digits = swarm.to_ascii_lowercase();
        let begins = !digits.is_empty() && task.id().to_string().starts_with(&digits);
        task.joined.genesis.name == swarm || begins
    };
    let mut found: Vec<Task> = tasks.into_iter().filter(fits).collect();
    match (found.pop(), found.is_empty()) {
        (Some(task), true) => Ok(task),
        _ => {
            let known = if names.is_empty() { "none".into() } else { names.join(", ") };
            Err(UsageError(format!(
                "\"{swarm}\" is not the name or the first digits of exactly one swarm of this node: it is in {known}"
            ))
            .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::{AdapterKind, AdapterSpec, CoordinatorId, Genesis, ModelHash, StateHash};

    use super::*;
    use crate::task::Joined;

    fn swarms(folder: &Path, names: &[&str]) -> Vec<Task> {
        let join = |name: &&str| {
            let adapter = AdapterSpec {
                kind: AdapterKind::FfaLora,
                rank: 1,
                alpha: 1,
                targets: Vec::new(),
                seed: [0; 32],
            };
            let genesis = Genesis {
                name: (*name).into(),
                coordinator: CoordinatorId([1; 32]),
                base: ModelHash([2; 32]),
                adapter,
                dimension: 2,
                initial: StateHash([3; 32]),
            };
            Task::create(folder, Joined { genesis, addresses: Vec::new() }).unwrap()
        };
        names.iter().map(join).collect()
    }

    #[test]
    fn one_of_several_swarms_is_named_by_its_name_or_task() {
        let folder = tempfile::tempdir().unwrap();
        let digits = swarms(folder.path(), &["a", "b"])[1].id().to_string();
        let again = || Task::open(&folder.path().join(&digits)).unwrap();
        assert_eq!(named(vec![again()], "b").unwrap().id(), again().id());
        assert_eq!(named(vec![again()], &digits[..8]).unwrap().id(), again().id());
        for wrong in ["", "c"] {
            let error = named(vec![again()], wrong).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("it is in \"b\" ("), "{error}");
        }
        assert!(
            named(vec![again(), again()], "b").is_err(),
            "two of one name are told apart by their tasks"
        );
    }
}
