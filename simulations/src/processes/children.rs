//! Programs that run beside this one, and never outlive it.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;

/// A running program. Dropping it kills it, so that an error or Ctrl-C leaves nothing behind.
pub struct Running {
    name: String,
    child: Child,
}

impl Running {
    /// Starts a program whose words go to the end of a log file.
    ///
    /// # Errors
    /// If it cannot be started, or the log not be written.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let append = || -> anyhow::Result<File> {
            if let Some(folder) = log.parent() {
                std::fs::create_dir_all(folder)?;
            }
            File::options()
                .create(true)
                .append(true)
                .open(log)
                .with_context(|| format!("cannot write {}", log.display()))
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(append()?)
            .stderr(append()?)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// SIGKILL: it gets no chance to put anything in order.
    ///
    /// # Errors
    /// If it has ended before.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits; after `patience` it is killed.
    pub fn stop(mut self, patience: Duration) {
        let asked = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let until = Instant::now() + patience;
        while asked.is_ok() && Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(folder: &Path) -> (Running, u32) {
        let log = folder.join("logs/sleeper.log");
        let running = Running::start("sleeper", Command::new("sleep").arg("600"), &log).unwrap();
        let process = running.child.id();
        (running, process)
    }

    fn lives(process: u32) -> bool {
        Command::new("kill")
            .arg("-0")
            .arg(process.to_string())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    #[test]
    fn nothing_outlives_its_guard() {
        let folder = tempfile::tempdir().unwrap();
        let (dropped, first) = sleeper(folder.path());
        let (stopped, second) = sleeper(folder.path());
        let (killed, third) = sleeper(folder.path());
        assert!(lives(first) && lives(second) && lives(third));
        drop(dropped);
        stopped.stop(Duration::from_secs(10));
        killed.kill().unwrap();
        assert!(!lives(first) && !lives(second) && !lives(third));
    }
}
