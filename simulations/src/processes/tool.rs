//! The programs of this build, run to their end for an answer in JSON.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, bail};
use program::{Interrupted, Shutdown};
use serde_json::Value;

/// The sibling programs, checked to be of this build.
pub struct Tool {
    node: PathBuf,
    coordinator: PathBuf,
    shutdown: Shutdown,
}

impl Tool {
    /// Finds them beside our own executable.
    ///
    /// # Errors
    /// If one is missing or was built from other sources.
    pub fn find(shutdown: Shutdown) -> anyhow::Result<Self> {
        let find = |name| -> anyhow::Result<PathBuf> {
            let path = program::sibling(name)?;
            program::check_build(&path)?;
            Ok(path)
        };
        Ok(Self { node: find("murmur-node")?, coordinator: find("murmur-coordinator")?, shutdown })
    }

    /// `murmur-node --folder …`.
    pub fn node(&self, folder: &Path) -> Command {
        in_folder(&self.node, folder)
    }

    /// `murmur-coordinator --folder …`.
    pub fn coordinator(&self, folder: &Path) -> Command {
        in_folder(&self.coordinator, folder)
    }

    /// Ends the demo if the person at the keyboard asked for it.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn go_on(&self) -> anyhow::Result<()> {
        if self.shutdown.is_requested() { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// Runs a command to its end and reads its answer.
    ///
    /// # Errors
    /// If it fails: with its own words.
    pub fn ask(&self, command: &mut Command) -> anyhow::Result<Value> {
        self.go_on()?;
        command.arg("--json").stdin(Stdio::null());
        let Output { status, stdout, stderr } =
            command.output().with_context(|| format!("cannot start {}", told(command)))?;
        self.go_on()?;
        if !status.success() {
            bail!("{} failed: {}", told(command), String::from_utf8_lossy(&stderr).trim());
        }
        serde_json::from_slice(&stdout)
            .with_context(|| format!("{} answered something that is not JSON", told(command)))
    }
}

fn in_folder(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--folder").arg(folder);
    command
}

/// The command as it would be typed.
pub fn told(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(name).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Does `what` for each of `items`, for [`AT_ONCE`] of them at the same time.
///
/// # Errors
/// The first error, in the order of the items.
pub fn for_each_at_once<T: Sync, R: Send>(
    items: &[T],
    what: impl Fn(&T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let mut done = Vec::with_capacity(items.len());
    for some in items.chunks(AT_ONCE) {
        done.extend(each_at_once(some, &what)?);
    }
    Ok(done)
}

/// Programs that are started for an answer and have the model need some 200 MB each.
const AT_ONCE: usize = 8;

fn each_at_once<T: Sync, R: Send>(
    items: &[T],
    what: &(impl Fn(&T) -> anyhow::Result<R> + Sync),
) -> anyhow::Result<Vec<R>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(|| what(item))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, anyhow::Result<R>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}
