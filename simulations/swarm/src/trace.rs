//! A line for everything that happens, kept only when somebody wants to read it.

use protocol::Time;

/// The lines so far.
#[derive(Default)]
pub(crate) struct Trace {
    lines: Option<Vec<String>>,
}

impl Trace {
    pub fn on() -> Self {
        Self { lines: Some(Vec::new()) }
    }

    pub fn line(&mut self, now: Time, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>7} ms  {}", now.0, text()));
        }
    }

    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
