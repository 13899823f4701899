//! A line for everything that happens, made only when somebody wants to read it.

use protocol::Time;

/// Where the lines go.
#[derive(Default)]
pub(crate) enum Trace {
    #[default]
    Off,
    Kept(Vec<String>),
    Told(Box<dyn FnMut(String)>),
}

impl Trace {
    pub fn kept() -> Self {
        Self::Kept(Vec::new())
    }

    pub fn told(tell: Box<dyn FnMut(String)>) -> Self {
        Self::Told(tell)
    }

    pub fn line(&mut self, now: Time, text: impl FnOnce() -> String) {
        let line = || format!("{:>7} ms  {}", now.0, text());
        match self {
            Self::Off => {}
            Self::Kept(lines) => lines.push(line()),
            Self::Told(tell) => tell(line()),
        }
    }

    pub fn into_lines(self) -> Vec<String> {
        match self {
            Self::Kept(lines) => lines,
            Self::Off | Self::Told(_) => Vec::new(),
        }
    }
}
