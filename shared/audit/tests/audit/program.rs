//! The program itself: what it prints, and its exit codes.

use std::path::Path;
use std::process::{Command, Output};

use crate::world::{node_id, play};

fn audit(arguments: &[&str]) -> Output {
    let program = Command::new(env!("CARGO_BIN_EXE_murmur-audit")).args(arguments).output();
    program.expect("the program is built with its tests")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ends by itself")
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

#[test]
fn a_ledger_is_audited_by_name_and_by_status() {
    let folder = tempfile::tempdir().unwrap();
    let (file, page) = (folder.path().join("ledger"), folder.path().join("page.html"));
    let evidence = play(4, 1, false);
    std::fs::write(&file, &evidence.ledgers[0].1).unwrap();
    let node = node_id(0).to_string();

    let nobody = audit(&["ledger", text(&file)]);
    assert_eq!(code(&nobody), 2);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("--node"));

    let named = ["ledger", text(&file), "--node", &node, "--policy", "research", "--json"];
    let named = audit(&named);
    assert_eq!(code(&named), 0, "{}", String::from_utf8_lossy(&named.stdout));
    let answer = json(&named);
    assert_eq!((&answer["charges"], &answer["node"]), (&1.into(), &node.as_str().into()));
    assert!(answer["epsilon"].as_f64().is_some_and(|epsilon| (4.0..6.0).contains(&epsilon)));

    std::fs::write(folder.path().join("status.json"), format!("{{\"node\": \"{node}\"}}")).unwrap();
    let shown = audit(&["ledger", text(&file), "--policy", "strict", "--html", text(&page)]);
    assert_eq!(code(&shown), 3, "one round of this cost is beyond the policy strict");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("FAULT") && shown.contains("does not hold"), "{shown}");
    assert!(std::fs::read_to_string(page).unwrap().contains("<svg"));

    let mut bytes = evidence.ledgers[0].1.clone();
    bytes.truncate(bytes.len() - 5);
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(code(&audit(&["ledger", text(&file)])), 2);
    assert_eq!(code(&audit(&["ledger", "/nowhere/ledger", "--node", &node])), 1);
}
