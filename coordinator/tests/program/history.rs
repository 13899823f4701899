//! `versions` and `rollback`, and who may have the folder.

use std::{fs, path::Path};

use model::{Adapter, Config};

use crate::support::{Swarm, error_of, model};

fn golden_config() -> Config {
    let file = model().join("config.json");
    Config::from_json(&fs::read(&file).unwrap(), &file).unwrap()
}

fn exported(folder: &Path, version: &str) -> Adapter {
    Adapter::load(&folder.join(version), &golden_config()).unwrap()
}

#[test]
fn rollbacks_are_steps_of_the_history_and_every_version_is_exported() {
    let swarm = Swarm::initialised();
    let answer = swarm.json(&["rollback", "--to", "0"]);
    assert_eq!((&answer["version"], &answer["restored"]), (&1.into(), &0.into()));
    let beyond = swarm.call(&["rollback", "--to", "2"]);
    assert_eq!(beyond.status.code(), Some(2));
    assert!(error_of(&beyond).contains("the newest is 1"), "{}", error_of(&beyond));

    let target = swarm.path("exported");
    let steps = swarm.json(&["versions", "--export", target.to_str().unwrap()]);
    let steps = steps.as_array().unwrap();
    assert_eq!(steps.len(), 2);
    assert_eq!(
        (&steps[0]["outcome"], &steps[1]["outcome"]),
        (&"genesis".into(), &"rolled back".into())
    );
    assert_eq!(steps[1]["parent"], steps[0]["hash"]);
    assert_eq!(steps[1]["hash"], answer["header"]);
    assert_eq!(steps[1]["state"], steps[0]["state"]);
    assert_eq!(exported(&target, "v0000").to_flat(), exported(&target, "v0001").to_flat());
    assert!(exported(&target, "v0000").to_flat().iter().all(|value| *value == 0.0));
}

#[test]
fn one_program_at_a_time_has_the_folder() {
    let swarm = Swarm::initialised();
    let running = swarm.run(&[]);
    for command in [&["run"][..], &["rollback", "--to", "0"]] {
        let output = swarm.call(command);
        assert_eq!(output.status.code(), Some(1));
        assert!(error_of(&output).contains("in use by process"), "{}", error_of(&output));
    }
    assert_eq!(swarm.json(&["versions"]).as_array().unwrap().len(), 1, "reading is allowed");
    assert_eq!(running.stop(), Some(0));
    assert!(!swarm.json(&["status"])["running"].as_bool().unwrap());
    assert!(swarm.call(&["rollback", "--to", "0"]).status.success());
}

#[test]
fn a_run_ends_by_itself_when_its_version_is_there() {
    let swarm = Swarm::initialised();
    swarm.json(&["rollback", "--to", "0"]);
    let output = swarm.call(&["run", "--until-version", "1", "--json"]);
    assert!(output.status.success(), "{}", error_of(&output));
    let first = String::from_utf8(output.stdout).unwrap();
    let line: serde_json::Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!((&line["event"], &line["version"]), (&"listening".into(), &1.into()));
}

#[test]
fn a_moved_or_changed_base_model_is_said_so() {
    let swarm = Swarm::initialised();
    let other = model().with_file_name("qwen2");
    let output = swarm.call(&["run", "--model", other.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("is not the base model"), "{}", error_of(&output));
}
