//! What a program was asked for: text for people or one JSON value for scripts.

use std::io::{self, Write};

use serde::Serialize;

use crate::terminal;

/// The heading, in every `--help`, of what all commands have in common; a command's own options stand above it.
pub const COMMON: &str = "Options of every command";

/// The flags of [`Output`], for `#[command(flatten)]`.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct OutputOptions {
    /// Print one JSON value on standard output instead of text
    #[arg(long, global = true, display_order = 993, help_heading = COMMON)]
    pub json: bool,
}

/// Standard output, in one of two tongues. Its errors are I/O errors; [`run`](crate::run) takes a closed pipe calmly.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// As the command line asks.
    pub fn new(options: &OutputOptions) -> Self {
        Self { json: options.json }
    }

    /// Whether a script reads.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// The answer: `value` as JSON with `--json`, else the text that `human` makes of it.
    pub fn answer<T: Serialize>(
        self,
        value: &T,
        human: impl FnOnce(&T) -> String,
    ) -> io::Result<()> {
        let text = if self.json { serde_json::to_string_pretty(value)? } else { human(value) };
        print_line(&text)
    }

    /// A sentence for people; nothing with `--json`.
    pub fn say(self, text: impl AsRef<str>) -> io::Result<()> {
        if self.json { Ok(()) } else { print_line(text.as_ref()) }
    }

    /// One of many answers, such as a round's figures: one JSON value on one line with `--json`, nothing without.
    ///
    /// # Errors
    /// The value cannot be written as JSON, or standard output is closed.
    pub fn line<T: Serialize>(self, value: &T) -> io::Result<()> {
        if self.json { print_line(&serde_json::to_string(value)?) } else { Ok(()) }
    }
}

fn print_line(text: &str) -> io::Result<()> {
    terminal::aside(|| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.trim_end_matches('\n').as_bytes())?;
        stdout.write_all(b"\n")?;
        stdout.flush()
    })
}

/// A line on standard error, for people, in both tongues. A standard error that is closed is no reason to stop.
pub fn note(text: impl AsRef<str>) {
    terminal::aside(|| {
        let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
    });
}
