//! The one standard error of the process: bars, notes and logs share it without tearing each other.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use indicatif::{MultiProgress, ProgressDrawTarget};

/// A colour that carries a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Errors, and every sentence about missing privacy.
    Red,
    /// Warnings.
    Yellow,
    /// What is done and good.
    Green,
    /// Headings.
    Bold,
    /// What may be skipped.
    Dim,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Red => "31;1",
            Self::Yellow => "33",
            Self::Green => "32",
            Self::Bold => "1",
            Self::Dim => "2",
        }
    }
}

/// Colours a text, if both outputs are terminals and `NO_COLOR` (<https://no-color.org>) is not set.
pub fn paint(paint: Paint, text: &str) -> String {
    if colours() { coloured(paint, text) } else { text.to_owned() }
}

fn coloured(paint: Paint, text: &str) -> String {
    format!("\x1b[{}m{text}\x1b[0m", paint.code())
}

pub(crate) fn colours() -> bool {
    static COLOURS: OnceLock<bool> = OnceLock::new();
    *COLOURS.get_or_init(|| {
        io::stdout().is_terminal()
            && draws()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    })
}

/// Whether standard error is a terminal on which bars can be drawn.
pub(crate) fn draws() -> bool {
    static DRAWS: OnceLock<bool> = OnceLock::new();
    *DRAWS.get_or_init(|| {
        io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
    })
}

/// All bars of the process.
pub(crate) fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(|| {
        let target =
            if draws() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        MultiProgress::with_draw_target(target)
    })
}

/// Does something with the screen while no bar is on it.
pub(crate) fn aside<R>(act: impl FnOnce() -> R) -> R {
    bars().suspend(act)
}

/// Standard error for the log: whole lines, between redraws of the bars.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aside;

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        aside(|| io::stderr().lock().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_switched_off_again() {
        assert_eq!(coloured(Paint::Red, "no guarantee"), "\x1b[31;1mno guarantee\x1b[0m");
    }
}
