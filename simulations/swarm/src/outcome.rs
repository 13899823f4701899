//! What came of one run, or of many.

use std::{collections::BTreeMap, fmt};

use wire::AbortReason;

use crate::{effects::Boundary, faults::FaultKind, invariants::Violation, words};

/// What came of one seed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// How many nodes there were.
    pub nodes: usize,
    /// Rounds that ended: with a version, a refused candidate or a signed abort.
    pub rounds: u64,
    /// Versions that were issued.
    pub versions: u64,
    /// Versions that were issued while things went wrong.
    pub versions_in_trouble: u64,
    /// Inputs that machines took.
    pub steps: u64,
    /// What went wrong, and how often.
    pub faults: BTreeMap<FaultKind, u64>,
    /// Where programs were stopped, and how often.
    pub boundaries: BTreeMap<Boundary, u64>,
    /// Why rounds ended, and how often.
    pub endings: BTreeMap<String, u64>,
    /// Rejections by the machines, by side and reason.
    pub rejections: BTreeMap<String, u64>,
    /// What the owners of nodes and the operator were told, in words.
    pub reports: BTreeMap<&'static str, u64>,
    /// Broken invariants.
    pub violations: Vec<Violation>,
    /// A line for everything that happened, if asked for.
    pub trace: Vec<String>,
}

impl Outcome {
    /// Adds what came of another seed; its trace and its violations are kept too.
    pub fn add(&mut self, other: Self) {
        self.nodes += other.nodes;
        self.rounds += other.rounds;
        self.versions += other.versions;
        self.versions_in_trouble += other.versions_in_trouble;
        self.steps += other.steps;
        merge(&mut self.faults, other.faults);
        merge(&mut self.boundaries, other.boundaries);
        merge(&mut self.endings, other.endings);
        merge(&mut self.rejections, other.rejections);
        merge(&mut self.reports, other.reports);
        self.violations.extend(other.violations);
        self.trace.extend(other.trace);
    }

    /// How often a rejection of this reason was counted on either side.
    pub fn rejected(&self, reason: &str) -> u64 {
        let named = self.rejections.iter().filter(|(name, _)| name.contains(reason));
        named.map(|(_, count)| count).sum()
    }

    /// How many rounds were aborted for this reason.
    pub fn aborted(&self, reason: AbortReason) -> u64 {
        self.endings.get(&words::abort(reason)).copied().unwrap_or_default()
    }
}

fn merge<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key).or_default() += count;
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, versions, versions_in_trouble, steps, .. } = self;
        writeln!(
            f,
            "{rounds} rounds, {versions} versions ({versions_in_trouble} of them in trouble), {steps} steps"
        )?;
        table(f, "faults", &self.faults)?;
        table(f, "programs stopped at", &self.boundaries)?;
        table(f, "rounds ended by", &self.endings)?;
        table(f, "rejections", &self.rejections)?;
        table(f, "owners and the operator were told", &self.reports)?;
        self.violations.iter().try_for_each(|violation| writeln!(f, "BROKEN: {violation}"))
    }
}

fn table<K: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    counts: &BTreeMap<K, u64>,
) -> fmt::Result {
    writeln!(f, "{title}:")?;
    counts.iter().try_for_each(|(name, count)| writeln!(f, "  {count:>7}  {name}"))
}
