//! What can go wrong here, apart from configuration files (see [`ConfigError`](crate::ConfigError)).

use std::io;
use std::path::PathBuf;

/// A failure of this crate; each message names the place and the fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// A program that should lie beside this one does not.
    #[error("there is no {name} in {folder}: build all programs together with `make build`")]
    SiblingMissing {
        /// File name of the program.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A program beside this one was built from other sources.
    #[error(
        "{program} is build {found}, but this is build {expected}: build all programs together with `make build`"
    )]
    SiblingDiffers {
        /// The other program.
        program: PathBuf,
        /// Its build id, or "unknown".
        found: String,
        /// Our build id.
        expected: String,
    },
    /// A program beside this one could not be started.
    #[error("{program} cannot be started: build it again with `make build`")]
    SiblingBroken {
        /// The other program.
        program: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The system does not say where this program lies.
    #[error("the system does not say where this program lies: start it by its full path")]
    OwnPath(#[source] io::Error),
    /// A file could not be written; the file that was there before is untouched.
    #[error("cannot write {path}: check that its folder exists, is yours and has room")]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A secret would have replaced a file that is there.
    #[error("{path} exists already and is not replaced: move it away first if it is not needed")]
    SecretExists {
        /// The file that is there.
        path: PathBuf,
    },
    /// `--log` holds something else than a filter.
    #[error(
        "--log {filter}: not a log filter; write for example --log debug or --log info,network=trace"
    )]
    LogFilter {
        /// What was given.
        filter: String,
        /// Where it is wrong.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging was started twice in one process.
    #[error("logging is already started in this process: call start_logging once, in main")]
    LoggingStarted,
    /// The system refused a handler for SIGINT or SIGTERM.
    #[error("the system refuses to report SIGINT and SIGTERM to this program")]
    Signals(#[source] io::Error),
}
