//! `murmur-audit empirical` as a program: exit codes, words, JSON and page.

use std::path::Path;
use std::process::{Command, Output};

use audit::{
    Arm, ArmName, CANARY_FORMAT, CanaryClaim, CanaryRecord, Fixed, PlantedSecret, RunTerms, coin,
};
use serde_json::Value;

/// A record under a claim of ε = 2, of which a canary that was in stands out by `signal` in noise even between −1 and 1.
fn write(file: &Path, signal: f64, guesses: u64) {
    let included: Vec<bool> = (0..1000).map(|canary| coin(9, canary)).collect();
    let arm = |arm, noise_share, signal: f64, secret| Arm {
        arm,
        noise_share,
        scores: (0..1000_u64)
            .zip(&included)
            .map(|(canary, &is)| {
                let noise = (canary * 633 % 1024) as f64 / 512.0 - 1.0;
                if is { signal + noise } else { noise }
            })
            .collect(),
        release_length: 60.0,
        loss_before: Some(3.0),
        loss_after: Some(2.5),
        secrets: vec![secret],
        alternatives: (0..1023).map(f64::from).collect(),
    };
    let record = CanaryRecord {
        format: CANARY_FORMAT.to_owned(),
        title: "a test".to_owned(),
        adversary: "whoever has the last version".to_owned(),
        claim: CanaryClaim { epsilon: Some(2.0), delta: 1e-6, rho: None },
        fixed: Fixed { seed: 9, canaries: 1000, guesses, threshold: 0.5, confidence: 0.95 },
        run: RunTerms {
            mechanism: "distributed".to_owned(),
            noise_multiplier: Some(2.4),
            clip: 1.0,
            rounds: 1,
            contributions: 1012,
            dimension: 4096,
        },
        included: included.iter().map(|&is| if is { '1' } else { '0' }).collect(),
        secrets: vec![PlantedSecret { repeated: 16 }],
        arms: vec![
            arm(ArmName::Run, 1.0, signal, 510.5),
            arm(ArmName::WithoutNoise, 0.0, 9.0, -1.0),
        ],
    };
    std::fs::write(file, serde_json::to_vec(&record).unwrap()).unwrap();
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_murmur-audit"))
        .arg("empirical")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_claim_is_consistent_refuted_or_beyond_what_a_run_can_say() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("canaries.json");
    let file_name = file.to_str().unwrap();

    write(&file, 0.1, 200);
    let (code, shown, _) = run(&[file_name]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("Consistent") && shown.contains("estimate, no bound"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 160), "{shown}");
    let (code, shown, _) = run(&[file_name, "--claim", "8"]);
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains("cannot refute") && shown.contains("not a pass"), "{shown}");

    write(&file, 5.0, 200);
    let (code, shown, _) = run(&[file_name]);
    assert_eq!(code, Some(3), "{shown}");
    assert!(shown.contains("REFUTED"), "{shown}");
    let (code, shown, _) = run(&[file_name, "--claim", "4.1", "--json"]);
    let answer: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &answer["verdict"]), (Some(3), &"refuted".into()));
    assert!(answer["arms"][0]["bound"].as_f64().unwrap() > 4.1, "{answer}");

    write(&file, 5.0, 20);
    let (code, shown, _) = run(&[file_name]);
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains("cannot refute"), "{shown}");
}

#[test]
fn the_page_shows_bounds_scores_and_exposures_of_both_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (file, page) = (folder.path().join("canaries.json"), folder.path().join("page.html"));
    write(&file, 0.1, 200);
    let (code, shown, _) = run(&[file.to_str().unwrap(), "--html", page.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert!(
        shown.contains("1.00 (rank 512 of 1024)") && shown.contains("10.00 (rank 1 of 1024)"),
        "{shown}"
    );
    let page = std::fs::read_to_string(page).unwrap();
    for words in ["<svg", "ceiling of the run", "Planted secrets", "without noise"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn what_is_no_record_is_refused_with_the_file_and_what_makes_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("canaries.json");
    std::fs::write(&file, "{}").unwrap();
    let (code, _, told) = run(&[file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(
        told.contains("canaries.json") && told.contains("murmur-simulate learning canaries"),
        "{told}"
    );
    let (code, _, told) = run(&[file.to_str().unwrap(), "--claim", "-1"]);
    assert_eq!(code, Some(2), "{told}");
}
