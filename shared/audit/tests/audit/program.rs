//! The program itself: what it prints, and its exit codes.

use std::path::Path;
use std::process::{Command, Output};

use crate::world::{node_id, play};

fn run(arguments: &[&str]) -> Output {
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

    let nobody = run(&["ledger", text(&file)]);
    assert_eq!(code(&nobody), 2);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("--node"));

    let named = ["ledger", text(&file), "--node", &node, "--policy", "research", "--json"];
    let named = run(&named);
    assert_eq!(code(&named), 0, "{}", String::from_utf8_lossy(&named.stdout));
    let answer = json(&named);
    assert_eq!((&answer["charges"], &answer["node"]), (&1.into(), &node.as_str().into()));
    assert!(answer["epsilon"].as_f64().is_some_and(|epsilon| (4.0..6.0).contains(&epsilon)));

    std::fs::write(folder.path().join("status.json"), format!("{{\"node\": \"{node}\"}}")).unwrap();
    let shown = run(&["ledger", text(&file), "--policy", "strict", "--html", text(&page)]);
    assert_eq!(code(&shown), 3, "one round of this cost is beyond the policy strict");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("FAULT") && shown.contains("does not hold"), "{shown}");
    assert!(std::fs::read_to_string(page).unwrap().contains("<svg"));

    // The owner's own limits, from the owner's own file.
    let owners = folder.path().join("node.toml");
    let write = |limits: &str| {
        let written =
            format!("[model]\nfolder = \"m\"\n[privacy]\npolicy = \"research\"\n{limits}");
        std::fs::write(&owners, written).unwrap();
        code(&run(&["ledger", text(&file), "--policy", text(&owners)]))
    };
    assert_eq!(write("[privacy.limits]\nparticipations_max = 1"), 0);
    assert_eq!(write("[privacy.limits]\nparticipations_max = 0"), 3);
    assert_eq!(write("epsilon = 2.0"), 3, "narrower than research");
    assert_eq!(write("[privacy.limits]\nparticipation = 1"), 2, "a mistyped limit");

    let mut bytes = evidence.ledgers[0].1.clone();
    bytes.truncate(bytes.len() - 5);
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(code(&run(&["ledger", text(&file)])), 2);
    assert_eq!(code(&run(&["ledger", "/nowhere/ledger", "--node", &node])), 1);
}

#[test]
fn a_round_is_audited_in_its_coordinators_folder() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = play(5, 2, false);
    evidence.write(folder.path());
    let record = folder.path().join(format!("records/{}", evidence.records[1].hash()));
    let transcript = folder.path().join("transcripts/round-000002");

    let alone = run(&["round", text(&record), "--json"]);
    assert_eq!(code(&alone), 0, "{}", String::from_utf8_lossy(&alone.stdout));
    let whole = run(&["round", text(&record), "--transcript", text(&transcript), "--json"]);
    assert_eq!(code(&whole), 0, "{}", String::from_utf8_lossy(&whole.stdout));
    let answer = json(&whole);
    assert_eq!((&answer["round"], &answer["survivors"]), (&2.into(), &5.into()));
    let findings = answer["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["level"] == "ok"), "{findings:?}");

    let other = folder.path().join("transcripts/round-000001");
    let page = folder.path().join("page.html");
    let boxed = |transcript: &Path, ends: i32| {
        let run =
            run(&["round", text(&record), "--transcript", text(transcript), "--html", text(&page)]);
        assert_eq!(code(&run), ends);
        let page = std::fs::read_to_string(&page).unwrap();
        page.contains("class=\"box bad\"") && page.contains("does not hold")
    };
    assert!(boxed(&other, 3), "what does not hold is in a red box");
    assert!(!boxed(&transcript, 0));
    assert_eq!(code(&run(&["round", text(&transcript)])), 1, "a transcript is no record");

    // A record that was sent to somebody, without the folder around it.
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("record");
    std::fs::copy(&record, &copy).unwrap();
    assert_eq!(code(&run(&["round", text(&copy)])), 2);
    let genesis = folder.path().join("genesis");
    assert_eq!(code(&run(&["round", text(&copy), "--genesis", text(&genesis)])), 0);

    let chain = folder.path().join("chain");
    let mut bytes = std::fs::read(&chain).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&chain, bytes).unwrap();
    let damaged = run(&["round", text(&record)]);
    assert_eq!(code(&damaged), 1);
    assert!(String::from_utf8_lossy(&damaged.stderr).contains("byte 8"));
}

#[test]
fn ledgers_and_transcripts_are_reconciled() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = play(4, 2, false);
    evidence.write(folder.path());
    let ledger = |node| folder.path().join(format!("ledgers/{}", node_id(node).short()));
    let (ledgers, transcripts) = ([ledger(0), ledger(1)], folder.path().join("transcripts"));
    let arguments =
        ["reconcile", text(&ledgers[0]), text(&ledgers[1]), "--transcript", text(&transcripts)];
    let answer = run(&[&arguments[..], &["--json"]].concat());
    assert_eq!(code(&answer), 0, "{}", String::from_utf8_lossy(&answer.stdout));
    assert_eq!(json(&answer)["rows"].as_array().unwrap().len(), 4);

    std::fs::write(&ledgers[1], &evidence.ledgers[0].1[..0]).unwrap();
    assert_eq!(code(&run(&arguments)), 3);
}

#[test]
fn the_calculator_gives_the_reference_and_says_what_it_ignores() {
    let numbers = ["epsilon", "--noise", "1", "--rounds", "1", "--delta", "1e-5", "--json"];
    let all = json(&run(&[&numbers[..], &["--accountant", "all"]].concat()));
    // A reference made in Python with dp_accounting and scipy.
    let zcdp = all["epsilon"]["zcdp"].as_f64().unwrap();
    let exact = all["epsilon"]["exact"].as_f64().unwrap();
    assert!((zcdp - 4.728386984943314).abs() < 1e-8, "{zcdp}");
    assert!((exact - 4.377178095681232).abs() < 1e-8, "{exact}");
    assert_eq!(all["claims"].as_array().unwrap().len(), all["epsilon"].as_object().unwrap().len());

    let one = json(&run(&[&numbers[..], &["--accountant", "zcdp"]].concat()));
    assert_eq!((&one["epsilon"], &one["accountant"]), (&zcdp.into(), &"zcdp".into()));
    let best = json(&run(&numbers));
    assert!(best["epsilon"].as_f64().unwrap() <= exact);

    let sampled = [&numbers[..], &["--accountant", "exact", "--sampling-rate", "0.03"]].concat();
    let sampled = json(&run(&sampled));
    assert_eq!(sampled["epsilon"].as_f64(), Some(exact));
    assert!(sampled["ignored"].to_string().contains("sampling rate"), "{sampled}");
}

#[test]
fn the_calculator_solves_for_noise() {
    let asked = ["epsilon", "--epsilon", "8", "--rounds", "10", "--delta", "1e-6"];
    let answer = json(&run(&[&asked[..], &["--accountant", "zcdp", "--json"]].concat()));
    // z = 2.180 for ten rounds at ε = 8.
    assert!((answer["noise"].as_f64().unwrap() - 2.180).abs() < 5e-4, "{answer}");
    assert!(answer["epsilon"].as_f64().unwrap() <= 8.0);
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let shown = run(&[&asked[..], &["--accountant", "all", "--html", text(&page)]].concat());
    assert_eq!(code(&shown), 0);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("assumed:") && shown.contains("left out:"), "{shown}");
    assert!(std::fs::read_to_string(page).unwrap().contains("ε over rounds"));
}

#[test]
fn the_calculator_refuses_what_makes_no_sense() {
    let wrong: [&[&str]; 6] = [
        &["--noise", "1", "--rounds", "1", "--delta", "1"],
        &["--noise", "-1", "--rounds", "1", "--delta", "1e-6"],
        &["--noise", "1", "--rounds", "0", "--delta", "1e-6"],
        &["--noise", "1", "--rounds", "1", "--delta", "1e-6", "--sampling-rate", "2"],
        &["--noise", "1", "--epsilon", "1", "--rounds", "1", "--delta", "1e-6"],
        &["--noise", "1", "--rounds", "1", "--delta", "1e-6", "--accountant", "moments"],
    ];
    for arguments in wrong {
        assert_eq!(code(&run(&[&["epsilon"], arguments].concat())), 2, "{arguments:?}");
    }
    let weak = run(&["epsilon", "--noise", "0.1", "--rounds", "9", "--delta", "1e-6"]);
    assert!(String::from_utf8_lossy(&weak.stdout).contains("NO MEANINGFUL GUARANTEE"));
}

#[test]
fn budgets_of_ledgers_and_plans_are_told_by_adversary() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = play(4, 1, false);
    evidence.write(folder.path());
    let transcript = folder.path().join("transcripts/round-000001");
    let record = folder.path().join(format!("records/{}", evidence.records[0].hash()));
    let page = folder.path().join("page.html");
    let of = |file: &Path| {
        let arguments = ["budget", "--plan", text(file), "--policy", "research", "--json"];
        let answer = run(&arguments);
        assert_eq!(code(&answer), 0, "{}", String::from_utf8_lossy(&answer.stderr));
        json(&answer)
    };
    let plan = of(&transcript);
    assert_eq!(plan["adversaries"], of(&record)["adversaries"]);
    assert_eq!(plan["rounds_affordable"], 6, "ρ = 1/2 each of 3.35");

    let (ledger, node) = (folder.path().join("ledgers"), node_id(0).to_string());
    let ledger = ledger.join(node_id(0).short());
    let arguments = ["budget", "--ledger", text(&ledger), "--node", &node, "--html", text(&page)];
    let shown = run(&arguments);
    assert_eq!(code(&shown), 0);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for words in ["whoever watches the network", "NOT COVERED", "this node's own", "zero-out"] {
        assert!(shown.contains(words), "{shown}");
    }
    assert!(std::fs::read_to_string(page).unwrap().contains("<svg"));
    assert_eq!(code(&run(&["budget", "--plan", text(&ledger)])), 1);
    assert_eq!(code(&run(&["budget"])), 2);

    let mut bytes = evidence.ledgers[0].1.clone();
    bytes[20] ^= 1;
    std::fs::write(&ledger, bytes).unwrap();
    assert_eq!(code(&run(&["budget", "--ledger", text(&ledger), "--node", &node])), 3);
}

/// A log, a pager and a mail show about a hundred columns: what is longer goes on in the next line.
#[test]
fn nothing_that_is_piped_is_wider_than_a_hundred_columns() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = play(5, 2, false);
    evidence.write(folder.path());
    let record = folder.path().join(format!("records/{}", evidence.records[0].hash()));
    let transcripts = folder.path().join("transcripts");
    let transcript = transcripts.join("round-000001");
    let (ledgers, node) = (folder.path().join("ledgers"), node_id(0).to_string());
    let (ledger, other) = (ledgers.join(node_id(0).short()), ledgers.join(node_id(1).short()));
    let (ledger, other, record) = (text(&ledger), text(&other), text(&record));
    let commands: [&[&str]; 7] = [
        &["ledger", ledger, "--node", &node, "--policy", "strict"],
        &["round", record],
        &["round", record, "--transcript", text(&transcript)],
        &["reconcile", ledger, other, "--transcript", text(&transcripts), "--policy", "strict"],
        &["budget", "--ledger", ledger, "--node", &node],
        &["budget", "--plan", text(&transcript), "--rounds", "1000", "--policy", "default"],
        &["epsilon", "--noise", "2", "--rounds", "9", "--delta", "1e-6", "--accountant", "all"],
    ];
    for command in commands {
        let shown = String::from_utf8(run(command).stdout).unwrap();
        let widest = shown.lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| (40..=100).contains(&widest)), "{widest:?}\n{shown}");
    }
}

#[test]
fn the_self_test_passes_and_names_its_checks() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let answer = run(&["selftest", "--json", "--html", text(&page)]);
    assert_eq!(code(&answer), 0, "{}", String::from_utf8_lossy(&answer.stdout));
    assert!(std::fs::read_to_string(page).unwrap().contains("masks-cancel"));
    let answer = json(&answer);
    assert_eq!(answer["ok"], true);
    let names: Vec<&str> =
        answer["checks"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names, audit::CHECKS);
}
