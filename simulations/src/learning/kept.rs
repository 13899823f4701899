//! The folder of a run: its scenario, a line for each round, and where to go on after a kill.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use learning::{Checkpoint, LearningError, Scenario};
use program::UsageError;

use super::lines::{PersonalLosses, RoundLine};

/// A run's folder.
pub struct Kept {
    folder: PathBuf,
    /// Held for as long as the run lasts: two programs in one folder would mix their rounds.
    _lock: File,
}

impl Kept {
    /// Opens a folder for a run of this scenario: a new one, or one in which the same scenario was run before.
    ///
    /// # Errors
    /// If the folder cannot be made, or holds a run of another scenario.
    pub fn open(folder: &Path, scenario: &Scenario) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let kept = Self { folder: folder.to_owned(), _lock: lock(folder)? };
        let (file, text) = (kept.scenario(), toml::to_string(scenario)?);
        let begun = folder.join(CHECKPOINT).exists();
        match fs::read_to_string(&file) {
            Ok(found) if found == text => Ok(kept),
            Ok(_) if begun => Err(UsageError(format!(
                "{} holds a run of another scenario: name another folder with --out",
                folder.display()
            ))
            .into()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot read {}", file.display()))
            }
            _ => {
                program::write_atomically(&file, text.as_bytes())?;
                Ok(kept)
            }
        }
    }

    /// Where the run was when it ended, if it had begun; lines of rounds after that are taken away.
    ///
    /// # Errors
    /// If what is there cannot be read.
    pub fn checkpoint(&self) -> anyhow::Result<Option<Checkpoint>> {
        let bytes = match fs::read(self.folder.join(CHECKPOINT)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.write_lines(&[])?;
                return Ok(None);
            }
            Err(error) => return Err(error).context("cannot read the checkpoint"),
        };
        let found =
            Checkpoint::decode(&bytes).with_context(|| self.folder.display().to_string())?;
        let mut lines = read_lines(&self.folder)?;
        lines.retain(|line| line.round <= found.round);
        self.write_lines(&lines)?;
        Ok(Some(found))
    }

    /// Keeps one round: first its line, then the checkpoint after it.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn keep(&self, line: &RoundLine, done: &Checkpoint) -> Result<(), LearningError> {
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().append(true).create(true).open(self.lines())?;
            file.write_all(format!("{}\n", serde_json::to_string(line)?).as_bytes())?;
            program::write_atomically(&self.folder.join(CHECKPOINT), &done.encode())
                .map_err(io::Error::other)
        };
        write().map_err(LearningError::Unkept)
    }

    /// Keeps what personal adapters gave.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn keep_personal(&self, personal: &PersonalLosses) -> anyhow::Result<()> {
        let text = serde_json::to_string(personal)?;
        Ok(program::write_atomically(&self.folder.join(PERSONAL), text.as_bytes())?)
    }

    /// Keeps what a person should know before believing a number.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn keep_warnings(&self, warnings: &[String]) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(warnings)?;
        Ok(program::write_atomically(&self.folder.join(WARNINGS), text.as_bytes())?)
    }

    fn write_lines(&self, lines: &[RoundLine]) -> anyhow::Result<()> {
        let text = lines.iter().map(|line| Ok(format!("{}\n", serde_json::to_string(line)?)));
        let text = text.collect::<Result<String, serde_json::Error>>()?;
        Ok(program::write_atomically(&self.lines(), text.as_bytes())?)
    }

    fn scenario(&self) -> PathBuf {
        self.folder.join("scenario.toml")
    }

    fn lines(&self) -> PathBuf {
        self.folder.join(LINES)
    }
}

fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("cannot make {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(UsageError(format!(
            "another program runs in {}: wait for it, or name another folder with --out",
            folder.display()
        ))
        .into()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// The rounds that a folder holds. A last line that was cut off by a kill is left out.
///
/// # Errors
/// If there is no such file, or a line is not a round.
pub fn read_lines(folder: &Path) -> anyhow::Result<Vec<RoundLine>> {
    let file = folder.join(LINES);
    let text = fs::read_to_string(&file)
        .with_context(|| format!("{} holds no run: make one with --out", folder.display()))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().enumerate().map(|(index, line)| {
        serde_json::from_str(line)
            .with_context(|| format!("{}, line {}: not a round", file.display(), index + 1))
    });
    lines.collect()
}

/// The scenario that a folder's run had.
///
/// # Errors
/// If it is not there or not a scenario.
pub fn read_scenario(folder: &Path) -> anyhow::Result<Scenario> {
    let file = folder.join("scenario.toml");
    if !file.exists() {
        return Err(UsageError(format!(
            "{} holds no run: give a folder that `murmur-simulate learning --out DIR` has written",
            folder.display()
        ))
        .into());
    }
    Ok(program::load_toml(&file)?)
}

/// What personal adapters gave, where the run had any and is done.
///
/// # Errors
/// If the file cannot be read or is damaged.
pub fn read_personal(folder: &Path) -> anyhow::Result<Option<PersonalLosses>> {
    read_if_there(&folder.join(PERSONAL))
}

/// What a person should know before believing a number of this run.
///
/// # Errors
/// As [`read_personal`].
pub fn read_warnings(folder: &Path) -> anyhow::Result<Vec<String>> {
    Ok(read_if_there(&folder.join(WARNINGS))?.unwrap_or_default())
}

fn read_if_there<T: serde::de::DeserializeOwned>(file: &Path) -> anyhow::Result<Option<T>> {
    match fs::read(file) {
        Ok(bytes) => {
            let read = serde_json::from_slice(&bytes);
            read.map(Some).with_context(|| format!("{} is damaged: run again", file.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Where the noise of a folder's run comes from.
///
/// # Errors
/// If the folder holds no run.
pub fn read_noise(folder: &Path) -> anyhow::Result<[u8; 32]> {
    let file = folder.join(CHECKPOINT);
    let bytes = fs::read(&file)
        .with_context(|| format!("{} holds no run: make one with --out", folder.display()))?;
    Ok(Checkpoint::decode(&bytes)?.noise)
}

const LINES: &str = "rounds.jsonl";
const CHECKPOINT: &str = "checkpoint";
const PERSONAL: &str = "personal.json";
const WARNINGS: &str = "warnings.json";

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario() -> Scenario {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/scenarios/benchmark.toml");
        program::load_toml(&file).unwrap()
    }

    fn line(round: u32) -> RoundLine {
        let mut line = RoundLine::new(&learning::RoundFigures::default(), &checkpoint(round));
        line.round = round;
        line
    }

    /// As after so many rounds; made of the bytes, since only a federation makes one.
    fn checkpoint(round: u32) -> Checkpoint {
        let counters = format!(
            r#"{{"round":{round},"rounds":{round},"spent_q40":[],"participations":[],"trained":0,"steps":0,"group":1,"microseconds":0,"noise":{:?},"inputs":{:?}}}"#,
            [0; 32], [0; 32]
        );
        let state = [b"murstate\x01\x00".as_slice(), &[0; 16]].concat();
        Checkpoint::decode(&[counters.as_bytes(), b"\n", &state].concat()).unwrap()
    }

    #[test]
    fn a_run_goes_on_after_its_last_checkpoint_and_later_lines_are_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::open(folder.path(), &scenario()).unwrap();
        assert!(kept.checkpoint().unwrap().is_none());
        for round in 0..3 {
            kept.keep(&line(round), &checkpoint(round)).unwrap();
        }
        // Killed after a line and before its checkpoint, in the middle of a further line.
        let mut file = OpenOptions::new().append(true).open(kept.lines()).unwrap();
        writeln!(file, "{}", serde_json::to_string(&line(3)).unwrap()).unwrap();
        file.write_all(b"{\"round\":4,\"no").unwrap();
        let twice = Kept::open(folder.path(), &scenario()).err().unwrap().to_string();
        assert!(twice.contains("another program"), "{twice}");
        drop(kept);
        let again = Kept::open(folder.path(), &scenario()).unwrap();
        assert_eq!(again.checkpoint().unwrap().unwrap().round, 2);
        let rounds: Vec<u32> =
            read_lines(folder.path()).unwrap().iter().map(|line| line.round).collect();
        assert_eq!(rounds, [0, 1, 2]);
        assert_eq!(read_scenario(folder.path()).unwrap(), scenario());
    }

    #[test]
    fn warnings_are_kept_for_every_later_page() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_warnings(folder.path()).unwrap().is_empty());
        let warnings = vec!["ε is that of one node, not of a person".to_owned()];
        Kept::open(folder.path(), &scenario()).unwrap().keep_warnings(&warnings).unwrap();
        assert_eq!(read_warnings(folder.path()).unwrap(), warnings);
    }

    #[test]
    fn another_scenario_and_damage_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(Kept::open(folder.path(), &Scenario { seed: 98, ..scenario() }).unwrap());
        // That one never began: its folder is free.
        let kept = Kept::open(folder.path(), &scenario()).unwrap();
        kept.keep(&line(0), &checkpoint(0)).unwrap();
        drop(kept);
        let other = Scenario { seed: 99, ..scenario() };
        let refused = Kept::open(folder.path(), &other).err().unwrap().to_string();
        assert!(refused.contains("--out"), "{refused}");
        fs::write(folder.path().join("checkpoint"), b"{}").unwrap();
        let kept = Kept::open(folder.path(), &scenario()).unwrap();
        assert!(kept.checkpoint().is_err());
    }
}
