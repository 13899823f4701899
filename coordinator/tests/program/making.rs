//! `init`: checks everything before it writes anything, and never overwrites.

use std::fs;

use crate::support::{Swarm, error_of, model};

#[test]
fn a_task_is_made_private_and_never_overwritten() {
    let swarm = Swarm::new();
    let made = swarm.init();
    assert!(made.status.success(), "{}", error_of(&made));
    let answer: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(answer["dimension"], 384);
    assert!(answer["loss"].as_f64().unwrap() > 0.0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |name: &str| {
            fs::metadata(swarm.folder().join(name)).unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode(""), mode("coordinator.key"), mode("members")), (0o700, 0o600, 0o600));
    }
    let genesis = fs::read(swarm.folder().join("genesis")).unwrap();
    let again = swarm.init();
    assert_eq!(again.status.code(), Some(1));
    assert!(error_of(&again).contains("never overwritten"), "{}", error_of(&again));
    assert_eq!(fs::read(swarm.folder().join("genesis")).unwrap(), genesis);
}

#[test]
fn a_bad_model_gate_or_configuration_is_named_and_nothing_is_written() {
    let swarm = Swarm::new();
    let missing = swarm.path("none");
    let refused = |output: std::process::Output, code: i32, words: &[&str]| {
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(code), "{error}");
        for word in words {
            assert!(error.contains(word), "{word:?} is not in: {error}");
        }
        assert!(!swarm.folder().exists(), "nothing is written");
    };
    refused(swarm.init_with(&missing, &swarm.path("gate.jsonl")), 1, &["--model", "none"]);
    refused(swarm.init_with(&model(), &missing), 1, &["gate", "none"]);
    let garbage = swarm.path("garbage");
    fs::write(&garbage, b"\x00\x01\x02 not a chat").unwrap();
    refused(swarm.init_with(&model(), &garbage), 1, &["gate", "garbage"]);
    fs::write(&garbage, b"").unwrap();
    refused(swarm.init_with(&model(), &garbage), 1, &["garbage"]);
    swarm.configure("\nsequence = 32", "\nsequence = 65");
    refused(swarm.init(), 2, &["coordinator.toml:", "`sequence`", "64"]);
    swarm.configure("\nsequence = 65", "\nsequence = 32\nspeed = 9");
    refused(swarm.init(), 2, &["coordinator.toml:", "`speed`"]);
}

#[test]
fn a_folder_that_is_no_coordinators_is_said_so() {
    let swarm = Swarm::new();
    for command in
        [&["run"][..], &["status"], &["invite"], &["versions"], &["rollback", "--to", "0"]]
    {
        let output = swarm.call(command);
        assert_eq!(output.status.code(), Some(1));
        assert!(error_of(&output).contains("init"), "{}", error_of(&output));
    }
    fs::create_dir(swarm.folder()).unwrap();
    fs::write(swarm.folder().join("mine"), b"").unwrap();
    let output = swarm.init();
    assert!(error_of(&output).contains("not empty"), "{}", error_of(&output));
}
