//! Exit codes, and the one place where an error ends a program.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use crate::{ConfigError, Paint, ProgramError, output::note, paint};

/// How a program ended. The numbers are part of every program's interface.
///
/// | code | meaning |
/// |---|---|
/// | 0 | done; a check found nothing |
/// | 1 | failed: the work could not be done, and standard error says why |
/// | 2 | wrong command line or configuration; for a check (`murmur-audit`): warnings |
/// | 3 | a check found a fault |
/// | 101 | a bug in the program (a Rust panic) |
/// | 130 | interrupted before the work was done |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; a check found nothing.
    Success,
    /// The work could not be done.
    Failure,
    /// The command line or a configuration file is wrong.
    Usage,
    /// A check found something to look at.
    Warnings,
    /// A check found a fault.
    Faults,
    /// Interrupted before the work was done.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage | Self::Warnings => 2,
            Self::Faults => 3,
            Self::Interrupted => 130,
        }
    }
}

/// The exit codes, for the end of a program's `--help`; `murmur-audit`, whose commands are checks, has words of its own.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed: standard error says what, where and what to do
  2    wrong command line or configuration file
  3    a check found a fault
  130  interrupted before the work was done";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The work was stopped by a signal before it was done: ends the program with code 130.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("interrupted before the work was done")]
pub struct Interrupted;

/// The command line asks for something that cannot be: ends the program with code 2.
///
/// For what clap cannot see by itself, such as two files that do not fit together.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Runs a program's main function; prints its error, if any, once and with all its causes.
pub fn run(main: impl FnOnce() -> anyhow::Result<Exit>) -> ExitCode {
    let exit = match main() {
        Ok(exit) => exit,
        Err(error) => {
            let exit = exit_for(&error);
            // Whoever closed our output (`… | head`) has seen enough.
            if exit != Exit::Success {
                note(describe(&error));
            }
            exit
        }
    };
    exit.into()
}

fn exit_for(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if cause.is::<Interrupted>() {
            return Exit::Interrupted;
        }
        if cause.is::<UsageError>() || cause.is::<ConfigError>() || is_usage(cause) {
            return Exit::Usage;
        }
        if cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        {
            return Exit::Success;
        }
    }
    Exit::Failure
}

fn is_usage(cause: &(dyn Error + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(ProgramError::LogFilter { .. }))
}

/// "error: what", then one line for each cause that says something new.
fn describe(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    let mut text = format!("{} {}", paint(Paint::Red, "error:"), indent(&said));
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !said.contains(&cause) {
            let _ = write!(text, "\n  because: {}", indent(&cause));
            said = cause;
        }
    }
    text
}

/// Later lines of one message stand under its first.
fn indent(message: &str) -> String {
    message.trim_end().replace('\n', "\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    fn failing_with(kind: io::ErrorKind) -> anyhow::Error {
        Err::<(), _>(io::Error::new(kind, "no such thing"))
            .context("cannot read node.toml")
            .unwrap_err()
    }

    #[test]
    fn codes_are_the_documented_ones() {
        let all = [
            Exit::Success,
            Exit::Failure,
            Exit::Usage,
            Exit::Warnings,
            Exit::Faults,
            Exit::Interrupted,
        ];
        assert_eq!(all.map(Exit::code), [0, 1, 2, 2, 3, 130]);
        for code in all.map(Exit::code) {
            let line = format!("\n  {code:<3}  ");
            assert!(EXIT_CODES.contains(&line), "--help does not explain {code}");
        }
    }

    #[test]
    fn every_cause_is_said_once() {
        let error = failing_with(io::ErrorKind::NotFound).context("the node cannot start");
        assert_eq!(
            describe(&error),
            "error: the node cannot start\n  because: cannot read node.toml\n  because: no such thing"
        );
        let repeated = anyhow::Error::new(UsageError("x".to_owned())).context("wrong: x");
        assert_eq!(describe(&repeated), "error: wrong: x");
    }

    #[test]
    fn errors_choose_the_code() {
        assert_eq!(exit_for(&failing_with(io::ErrorKind::NotFound)), Exit::Failure);
        assert_eq!(exit_for(&failing_with(io::ErrorKind::BrokenPipe)), Exit::Success);
        assert_eq!(
            exit_for(&anyhow::Error::new(Interrupted).context("training")),
            Exit::Interrupted
        );
        assert_eq!(exit_for(&anyhow::Error::new(UsageError("x".into())).context("y")), Exit::Usage);
        let config = crate::parse_toml::<u32>("[", "node.toml".as_ref()).unwrap_err();
        assert_eq!(exit_for(&config.into()), Exit::Usage);
    }
}
