//! Folders, and the program as a process that does not outlive its test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

pub struct Swarm {
    outer: tempfile::TempDir,
}

impl Swarm {
    /// A folder with a configuration and a gate's conversations; no coordinator yet.
    pub fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        let config = include_str!("../../../configs/coordinator.toml")
            .replace("\"0.0.0.0:4001\"", "\"127.0.0.1:0\"")
            .replace("\nsequence = 128", "\nsequence = 32");
        fs::write(outer.path().join("coordinator.toml"), config).unwrap();
        let line = r#"{"messages":[{"role":"user","content":"w2 w3 w4 w5"},{"role":"assistant","content":"w6 w7 w8"}]}"#;
        fs::write(outer.path().join("gate.jsonl"), format!("{line}\n{line}\n")).unwrap();
        Self { outer }
    }

    /// One that `init` has made.
    pub fn initialised() -> Self {
        let swarm = Self::new();
        let made = swarm.init();
        assert!(made.status.success(), "{}", error_of(&made));
        swarm
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.outer.path().join(name)
    }

    pub fn folder(&self) -> PathBuf {
        self.path("coordinator")
    }

    /// Changes the configuration before `init`.
    pub fn configure(&self, from: &str, to: &str) {
        let file = self.path("coordinator.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from} stands in the configuration");
        fs::write(&file, text.replace(from, to)).unwrap();
    }

    pub fn init(&self) -> Output {
        self.init_with(&model(), &self.path("gate.jsonl"))
    }

    pub fn init_with(&self, model: &Path, gate: &Path) -> Output {
        self.command(&["init", "--json"])
            .arg("--config")
            .arg(self.path("coordinator.toml"))
            .arg("--model")
            .arg(model)
            .arg("--gate")
            .arg(gate)
            .output()
            .unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_murmur-coordinator"));
        command.arg("--folder").arg(self.folder()).args(arguments).stdin(Stdio::null());
        command
    }

    pub fn call(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The JSON answer of a command that succeeds.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).arg("--json").output().unwrap();
        assert!(output.status.success(), "{}", error_of(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Starts `run`, and waits until it listens.
    pub fn run(&self, arguments: &[&str]) -> Running {
        // What an earlier run said would be taken for this one's.
        let _ = fs::remove_file(self.folder().join("status.json"));
        let log = fs::File::create(self.path("run.err")).unwrap();
        let mut command = self.command(&["run"]);
        command.args(arguments).stdout(Stdio::null()).stderr(log);
        let running = Running(command.spawn().unwrap());
        until("the coordinator to listen", || {
            self.json(&["status"])["running"].as_bool().unwrap().then_some(())
        });
        running
    }
}

/// A running coordinator: killed when its test is over.
pub struct Running(pub Child);

impl Running {
    /// Asks it to end, and waits. Its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        assert!(asked.success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn model() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/model/golden/llama")
}

pub fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits, but not for ever.
pub fn until<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
