//! What a program loads when it starts: libtorch is 486 MB, and takes a third of a second to load.

use std::process::{Command, Stdio};

/// What the dynamic loader of the GNU system says that it looks for while a program starts.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn loaded(program: &str) -> String {
    let program = program::sibling(program).unwrap();
    let output = Command::new(&program)
        .arg("--version")
        .env("LD_DEBUG", "libs")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{} does not start", program.display());
    let told = String::from_utf8_lossy(&output.stderr);
    told.lines().filter(|line| line.contains("find library=")).collect::<Vec<_>>().join("\n")
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn nothing_loads_libtorch_that_does_not_need_it() {
    for name in ["murmur-node", "murmur-audit"] {
        let loaded = loaded(name);
        assert!(loaded.contains("libc.so"), "the loader says nothing of {name}: {loaded}");
        assert!(!loaded.contains("torch"), "{name} loads libtorch:\n{loaded}");
    }
    let name = node::cli::WITH_MODEL;
    assert!(loaded(name).contains("torch"), "{name} has no libtorch to compute with");
}

/// An executable of another build does not take a program's place.
#[test]
fn the_executable_with_the_model_is_of_the_same_build() {
    let output = Command::new(program::sibling(node::cli::WITH_MODEL).unwrap())
        .arg("run")
        .env("MURMUR_BUILD", "0123456789abcdef")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("build all programs together"), "{told}");
}

/// Help and mistakes are the whole command line's business, whoever is asked.
#[test]
fn whoever_is_asked_knows_every_command() {
    let program = program::sibling("murmur-node").unwrap();
    let ask = |words: &[&str]| Command::new(&program).args(words).output().unwrap();
    let help = String::from_utf8(ask(&["--help"]).stdout).unwrap();
    for command in ["init", "join", "import", "run", "chat", "evaluate", "status", "budget", "keys"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is missing in\n{help}");
    }
    let wrong = ask(&["sttus"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("status"), "no hint at what was meant");
}
