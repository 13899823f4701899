//! Diagnostics for those who run a program: levels, filters, standard error.

use tracing_subscriber::EnvFilter;

use crate::{ProgramError, output::COMMON, terminal};

/// The flags of [`start_logging`], for `#[command(flatten)]`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LogOptions {
    /// Log more: -v what happens, -vv details, -vvv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 991, help_heading = COMMON)]
    pub verbose: u8,

    /// Log by part, for example "info,network=debug"; overrides -v
    #[arg(long, global = true, value_name = "FILTER", display_order = 992, help_heading = COMMON)]
    pub log: Option<String>,
}

/// Starts the log of this process, on standard error. Without flags it shows warnings only.
///
/// There is no environment variable for it: a setting has one place.
///
/// # Errors
/// A filter that cannot be parsed, or a second start in one process.
pub fn start_logging(options: &LogOptions) -> Result<(), ProgramError> {
    tracing_subscriber::fmt()
        .with_env_filter(filter(options)?)
        .with_writer(|| terminal::Aside)
        .with_ansi(terminal::colours())
        .with_target(options.verbose > 1 || options.log.is_some())
        .try_init()
        .map_err(|_| ProgramError::LoggingStarted)
}

/// Warnings, but for gossip's: a node that comes back too soon for it is no news to anybody.
const QUIET: &str = "libp2p_gossipsub=error,warn";

fn filter(options: &LogOptions) -> Result<EnvFilter, ProgramError> {
    let text = options.log.as_deref().unwrap_or(match options.verbose {
        0 => QUIET,
        1 => "info",
        2 => "debug",
        _ => "trace",
    });
    EnvFilter::builder()
        .parse(text)
        .map_err(|source| ProgramError::LogFilter { filter: text.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter_of(verbose: u8, log: Option<&str>) -> Result<String, ProgramError> {
        filter(&LogOptions { verbose, log: log.map(str::to_owned) })
            .map(|filter| filter.to_string())
    }

    #[test]
    fn each_v_shows_more_and_log_wins() {
        let levels: Vec<_> = (0..5).map(|verbose| filter_of(verbose, None).unwrap()).collect();
        assert_eq!(levels, [QUIET, "info", "debug", "trace", "trace"]);
        assert_eq!(filter_of(3, Some("network=debug")).unwrap(), "network=debug");
    }

    #[test]
    fn a_wrong_filter_says_how_to_write_one() {
        let error = filter_of(0, Some("network=loud")).unwrap_err();
        assert!(error.to_string().contains("--log info,network=trace"), "{error}");
    }
}
