//! What an audit found: one line for each thing that was looked at, whatever came of it.

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Looked at, and right.
    Ok,
    /// Worth knowing; also whatever was *not* looked at.
    Note,
    /// To be looked at by somebody.
    Warning,
    /// A claim that does not hold.
    Fault,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// Which check, by a name that scripts may rely on.
    pub check: &'static str,
    /// Where: a file's part, a round, a member.
    pub at: String,
    /// What was found, for people.
    pub what: String,
}

/// All findings of one audit, in the order in which things were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Something is right.
    pub fn ok(&mut self, check: &'static str, at: impl Into<String>, what: impl Into<String>) {
        self.push(Level::Ok, check, at.into(), what.into());
    }

    /// Something is worth knowing, or was not looked at.
    pub fn note(&mut self, check: &'static str, at: impl Into<String>, what: impl Into<String>) {
        self.push(Level::Note, check, at.into(), what.into());
    }

    /// Somebody should look at something.
    pub fn warn(&mut self, check: &'static str, at: impl Into<String>, what: impl Into<String>) {
        self.push(Level::Warning, check, at.into(), what.into());
    }

    /// A claim does not hold.
    pub fn fault(&mut self, check: &'static str, at: impl Into<String>, what: impl Into<String>) {
        self.push(Level::Fault, check, at.into(), what.into());
    }

    fn push(&mut self, level: Level, check: &'static str, at: String, what: String) {
        self.0.push(Finding { level, check, at, what });
    }

    /// Adds another audit's findings behind these.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// All of them.
    pub fn all(&self) -> &[Finding] {
        &self.0
    }

    /// How many there are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }

    /// The gravest level; [`Level::Ok`] where nothing was found.
    pub fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    /// The findings of one check.
    pub fn of(&self, check: &str) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(move |finding| finding.check == check)
    }
}
