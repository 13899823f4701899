//! The sample program, driven as a process: what a shell sees.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

fn sample() -> Command {
    Command::new(env!("CARGO_BIN_EXE_program-sample"))
}

fn output_of(arguments: &[&str]) -> Output {
    sample().args(arguments).output().expect("cargo builds the sample before the tests")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("our programs print UTF-8")
}

#[test]
fn a_person_and_a_script_each_get_their_answer() {
    let person = output_of(&["answer"]);
    assert_eq!((person.status.code(), text(&person.stdout)), (Some(0), "The answer:\nIt is 42.\n"));
    let script = output_of(&["answer", "--json"]);
    assert_eq!(
        (script.status.code(), text(&script.stdout), text(&script.stderr)),
        (Some(0), "42\n", "")
    );
}

#[test]
fn an_error_is_printed_once_with_its_cause() {
    let output = output_of(&["fail"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.starts_with("error: cannot do it\n  because: No such file or directory"),
        "{said}"
    );
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_wrong_command_line_is_code_2() {
    assert_eq!(output_of(&["dance"]).status.code(), Some(2));
    assert_eq!(output_of(&["answer", "--log", "a=b=c"]).status.code(), Some(2));
}

#[test]
fn logs_go_to_standard_error_and_only_when_asked_for() {
    assert_eq!(text(&output_of(&["answer"]).stderr), "");
    let output = output_of(&["-vv", "answer", "--json"]);
    assert!(text(&output.stderr).contains("logging has started"));
    assert_eq!(text(&output.stdout), "42\n");
}

#[test]
fn version_names_the_build() {
    let said = output_of(&["--version"]);
    assert_eq!(text(&said.stdout), format!("program-sample {}\n", program::VERSION));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child =
        sample().arg("answer").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

/// Starts `wait`; returns once the handlers are in place.
fn waiting(arguments: &[&str]) -> Child {
    let mut child = sample()
        .arg("wait")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the sample speaks");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("the sample speaks"))
        .read_line(&mut line)
        .expect("the sample speaks");
    assert_eq!(line, "ready\n");
    child
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status()
        .expect("every Unix has kill");
    assert!(sent.success());
}

#[test]
fn the_first_signal_stops_in_order() {
    for name in ["INT", "TERM"] {
        let mut child = waiting(&[]);
        signal(&child, name);
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(said.contains("stopping in order"), "{said}");
        assert!(said.contains("interrupted before the work was done"), "{said}");
    }
}

#[test]
fn the_second_signal_stops_at_once() {
    let mut child = waiting(&["--deaf"]);
    signal(&child, "INT");
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("once more stops at once"), "{line}");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
