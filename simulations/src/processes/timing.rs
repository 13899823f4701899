//! Where the time of a round goes, seen from outside: what the coordinator waits for, and what all programs together
//! have had of the processors. What a round would take if nobody ever waited is the latter over the number of
//! cores: its training, cryptography and everything else that is computed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use program::human;
use report::{Column, Table};
use serde_json::{Value, json};

/// What one round took.
pub struct Round {
    /// The version that it issued.
    version: u64,
    wall: Duration,
    /// Of all programs; none where the system does not say.
    cpu: Option<Duration>,
    /// By what the coordinator waited for.
    phases: BTreeMap<String, Duration>,
}

/// The rounds that were watched: all but the first, in which programs start.
pub struct Timing {
    cores: usize,
    rounds: Vec<Round>,
    version: u64,
    began: Instant,
    cpu: Option<Duration>,
    looked: Instant,
    phases: BTreeMap<String, Duration>,
}

impl Timing {
    /// Nothing was seen yet.
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            rounds: Vec::new(),
            version: 0,
            began: now,
            cpu: None,
            looked: now,
            phases: BTreeMap::new(),
        }
    }

    /// Notes what the coordinator waits for; `cpu` is asked when a version is new.
    pub fn look(&mut self, version: u64, waits_for: &str, cpu: impl FnOnce() -> Option<Duration>) {
        let now = Instant::now();
        *self.phases.entry(waits_for.to_owned()).or_default() += now - self.looked;
        self.looked = now;
        if version == self.version {
            return;
        }
        let cpu = cpu();
        let phases = std::mem::take(&mut self.phases);
        if self.version > 0 {
            let spent = cpu.zip(self.cpu).map(|(now, before)| now.saturating_sub(before));
            self.rounds.push(Round { version, wall: now - self.began, cpu: spent, phases });
        }
        (self.version, self.began, self.cpu) = (version, now, cpu);
    }

    /// The rounds, for people.
    pub fn told(&self) -> String {
        let mut rounds = Table::new([
            Column::number("version"),
            Column::number("round, s"),
            Column::number("computed, s on all cores"),
            Column::number("ratio"),
        ]);
        for round in &self.rounds {
            let computed = self.computed(round);
            rounds.push([
                round.version.to_string(),
                format!("{:.2}", round.wall.as_secs_f64()),
                computed.map_or("?".into(), |computed| format!("{computed:.2}")),
                self.ratio(round).map_or("?".into(), |ratio| format!("{ratio:.2}")),
            ]);
        }
        let mut phases = Table::new([
            Column::text("in the last round the coordinator waited for"),
            Column::number("s"),
        ]);
        for (phase, took) in self.rounds.last().map(|round| &round.phases).into_iter().flatten() {
            phases.push([phase.clone(), format!("{:.2}", took.as_secs_f64())]);
        }
        let cores = human::plural(self.cores as u64, "core");
        format!(
            "{}\n\n{}\n\nSeconds that all programs computed are divided by {cores}.",
            rounds.for_terminal(),
            phases.for_terminal()
        )
    }

    /// The rounds, for scripts: seconds.
    pub fn value(&self) -> Value {
        let rounds = self.rounds.iter().map(|round| {
            let phases: BTreeMap<&str, f64> = round
                .phases
                .iter()
                .map(|(name, took)| (name.as_str(), took.as_secs_f64()))
                .collect();
            json!({
                "version": round.version, "wall": round.wall.as_secs_f64(),
                "computed": self.computed(round), "ratio": self.ratio(round), "phases": phases,
            })
        });
        json!({ "cores": self.cores, "rounds": rounds.collect::<Vec<_>>() })
    }

    /// Seconds that the round would have taken without waiting.
    fn computed(&self, round: &Round) -> Option<f64> {
        Some(round.cpu?.as_secs_f64() / self.cores as f64)
    }

    fn ratio(&self, round: &Round) -> Option<f64> {
        Some(round.wall.as_secs_f64() / self.computed(round)?)
    }
}

/// What a process has had of the processors since it started; none where the system does not say, or it has ended.
pub fn cpu_of(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is a name in parentheses that may hold anything; utime and stime are 14 and 15.
    let fields = stat.rsplit(')').next()?.split_whitespace().skip(11).take(2);
    let ticks = fields.map(str::parse::<u64>).sum::<Result<u64, _>>().ok()?;
    // Linux tells these in hundredths of a second on every platform.
    Some(Duration::from_millis(ticks * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_by_round_and_by_what_was_waited_for() {
        let mut timing = Timing::new();
        let mut seconds = 0;
        let mut look = |version, waits_for: &str| {
            seconds += 1;
            timing.look(version, waits_for, || Some(Duration::from_secs(seconds)));
        };
        look(0, "nodes");
        look(1, "nodes");
        look(1, "shares");
        look(1, "contributions");
        look(2, "contributions");
        let [round] = &timing.rounds[..] else { panic!("one round after the first") };
        assert_eq!((round.version, round.cpu), (2, Some(Duration::from_secs(3))));
        let known: Vec<&str> = round.phases.keys().map(String::as_str).collect();
        assert_eq!(known, ["contributions", "shares"]);
        assert_eq!(round.phases.values().sum::<Duration>(), round.wall);
        assert!(timing.told().contains("contributions"));
        assert_eq!(timing.value()["rounds"][0]["version"], 2);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_says_what_a_process_has_had() {
        let mut sum = 0_u64;
        while cpu_of(std::process::id()).unwrap() == Duration::ZERO {
            sum = (0..1_000_000_u64).fold(sum, |sum, i| std::hint::black_box(sum ^ i));
        }
        assert_eq!(cpu_of(u32::MAX), None);
    }
}
