//! Programs that were built together find and recognise each other.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Exit, ProgramError};

/// Names the sources that all programs of this build were made of (16 hexadecimal digits; see `build.rs`).
pub const BUILD_ID: &str = env!("MURMUR_BUILD_ID");

/// What `--version` prints after the name, for `#[command(version = program::VERSION)]`: `0.1.0 (build 4f…)`.
pub const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (build ", env!("MURMUR_BUILD_ID"), ")");

/// [`BUILD_ID`], as a function for those who hand it on.
pub fn build_id() -> &'static str {
    BUILD_ID
}

/// The program `name` (such as `murmur-node`) in our own executable's folder; a test looks one folder higher too.
///
/// # Errors
/// It is not there.
pub fn sibling(name: &str) -> Result<PathBuf, ProgramError> {
    sibling_of(&env::current_exe().map_err(ProgramError::OwnPath)?, name)
}

fn sibling_of(executable: &Path, name: &str) -> Result<PathBuf, ProgramError> {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    let mut folder = executable.parent().unwrap_or(Path::new("."));
    // cargo puts test programs into target/release/deps
    if folder.ends_with("deps") {
        folder = folder.parent().unwrap_or(folder);
    }
    let path = folder.join(&file);
    if path.is_file() {
        Ok(path)
    } else {
        Err(ProgramError::SiblingMissing { name: file, folder: folder.to_owned() })
    }
}

/// Asks a program for its `--version` and refuses one that was built from other sources than we were.
///
/// # Errors
/// It cannot be started, or its build id is not ours.
pub fn check_build(program: &Path) -> Result<(), ProgramError> {
    let broken = |source| ProgramError::SiblingBroken { program: program.to_owned(), source };
    let output = Command::new(program).arg("--version").output().map_err(broken)?;
    let said = String::from_utf8_lossy(&output.stdout);
    match id_in(&said) {
        Some(BUILD_ID) => Ok(()),
        other => Err(ProgramError::SiblingDiffers {
            program: program.to_owned(),
            found: other.unwrap_or("unknown").to_owned(),
            expected: BUILD_ID.to_owned(),
        }),
    }
}

/// Carries our build id to the sibling that takes our place.
const BUILD_VARIABLE: &str = "MURMUR_BUILD";

/// Replaces this process by the program `name` beside it, with the same arguments: the same process for whoever waits for it or
/// signals it. So a program whose quick commands should not load a large library leaves the others to a second executable.
///
/// # Errors
/// It is not there, or cannot be started. On success this does not return (where processes cannot be
/// replaced, it returns how the other one ended).
pub fn become_sibling(name: &str) -> Result<Exit, ProgramError> {
    let program = sibling(name)?;
    let mut command = Command::new(&program);
    command.args(env::args_os().skip(1)).env(BUILD_VARIABLE, BUILD_ID);
    replace_by(command).map_err(|source| ProgramError::SiblingBroken { program, source })
}

#[cfg(unix)]
fn replace_by(mut command: Command) -> io::Result<Exit> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec())
}

#[cfg(not(unix))]
fn replace_by(mut command: Command) -> io::Result<Exit> {
    let status = command.status()?;
    std::process::exit(status.code().unwrap_or_else(|| Exit::Failure.code().into()))
}

/// Refuses to take the place of a program that was built from other sources; for the executable that
/// [`become_sibling`] starts. One that was started by hand is nobody's successor.
///
/// # Errors
/// The caller's build id is not ours.
pub fn check_predecessor() -> Result<(), ProgramError> {
    match env::var(BUILD_VARIABLE) {
        Ok(found) if found != BUILD_ID => Err(ProgramError::SiblingDiffers {
            program: env::args_os().next().unwrap_or_default().into(),
            found: BUILD_ID.to_owned(),
            expected: found,
        }),
        _ => Ok(()),
    }
}

/// The id in `murmur-node 0.1.0 (build 4f…)`.
fn id_in(version: &str) -> Option<&str> {
    version.split_once("(build ")?.1.split_once(')').map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_version_holds_the_build_id() {
        assert_eq!(id_in(&format!("murmur-node {VERSION}\n")), Some(build_id()));
        assert_eq!(BUILD_ID.len(), 16);
        assert_eq!(["", "1.0", "(build ", "(build x"].map(id_in), [None; 4]);
    }

    #[test]
    fn siblings_lie_beside_programs_and_above_tests() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("murmur-node");
        fs::write(&program, "").unwrap();
        for executable in ["murmur-simulate", "deps/end_to_end-123"] {
            assert_eq!(
                sibling_of(&folder.path().join(executable), "murmur-node").unwrap(),
                program
            );
        }
        let error = sibling_of(&folder.path().join("murmur-simulate"), "murmur-audit").unwrap_err();
        assert!(error.to_string().contains("no murmur-audit in"), "{error}");
        assert!(error.to_string().ends_with("`make build`"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn only_a_program_of_the_same_build_is_accepted() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let says = |name: &str, words: &str| {
            let path = folder.path().join(name);
            fs::write(&path, format!("#!/bin/sh\necho 'murmur-node {words}'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        check_build(&says("same", VERSION)).unwrap();
        let other = check_build(&says("other", "0.1.0 (build 0000)")).unwrap_err();
        assert!(other.to_string().contains("is build 0000, but this is build"), "{other}");
        assert!(check_build(&says("mute", "")).unwrap_err().to_string().contains("build unknown"));
        let broken = check_build(&folder.path().join("none")).unwrap_err();
        assert!(matches!(broken, ProgramError::SiblingBroken { .. }), "{broken}");
    }
}
