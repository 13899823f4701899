//! Programs as a person starts them; none outlives the test that started it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything may take before a test gives up: generous, for a machine that is much slower than ours.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks.
pub const LOOK: Duration = Duration::from_millis(20);

/// A command of one of our programs, such as `murmur-node`, on one folder.
pub fn command(program: &str, folder: &Path) -> Command {
    let program = program::sibling(program).unwrap_or_else(|error| {
        panic!("{error} (`make test` builds the programs before it tests)")
    });
    let mut command = Command::new(program);
    command.arg("--folder").arg(folder).stdin(Stdio::null());
    // The real thing says the same wherever it runs: no colours, no levels of the tester's shell.
    command.env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

/// Runs a command to its end, and reads the one JSON value that it answers.
///
/// # Panics
/// If it fails, with what it said.
pub fn answer(command: &mut Command) -> Value {
    try_answer(command).unwrap_or_else(|said| panic!("{command:?} failed:\n{said}"))
}

/// As [`answer`]; a failure is what the program said on standard error.
pub fn try_answer(command: &mut Command) -> Result<Value, String> {
    let output = command.arg("--json").output().expect("our program can be started");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{command:?} answered {text:?}: {error}")))
}

/// A running program. Dropped, it is killed.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it says goes to `log`, behind what an earlier run said.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file =
            File::options().create(true).append(true).open(log).expect("a log can be written");
        let errors = file.try_clone().expect("a file has more than one handle");
        let child =
            command.stdout(file).stderr(errors).spawn().expect("our program can be started");
        Self { child, log: log.to_owned() }
    }

    /// SIGKILL: no warning, no farewell.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("a killed child can be waited for");
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Panics
    /// If it does not end.
    pub fn terminate(&mut self) -> ExitStatus {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.expect("kill is there").success(), "it ran no more:\n{}", self.said());
        self.ended()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(Instant::now() < until, "it does not end:\n{}", self.said());
            thread::sleep(LOOK);
        }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many TCP sockets it listens on, as Linux tells.
    pub fn listening_sockets(&self) -> usize {
        let process = PathBuf::from("/proc").join(self.child.id().to_string());
        let own: Vec<String> = fs::read_dir(process.join("fd"))
            .expect("its files are listed")
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .map(|link| link.to_string_lossy().into_owned())
            .collect();
        let tables = ["net/tcp", "net/tcp6"]
            .map(|table| fs::read_to_string(process.join(table)).unwrap_or_default());
        tables
            .iter()
            .flat_map(|table| table.lines())
            .filter(|line| {
                let columns: Vec<&str> = line.split_whitespace().collect();
                let listens = columns.get(3) == Some(&"0A");
                listens
                    && columns
                        .get(9)
                        .is_some_and(|inode| own.contains(&format!("socket:[{inode}]")))
            })
            .count()
    }

    /// The last lines of what it said.
    pub fn said(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
