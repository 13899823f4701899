//! How far long work has come: a bar on a terminal, a plain line every few seconds elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{human, output::note, terminal};

/// Time between two plain lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things, by the name of many of them: `Unit::Count("steps")`.
    Count(&'static str),
    /// Bytes.
    Bytes,
}

impl Unit {
    fn amount(self, amount: u64) -> String {
        match self {
            Self::Count(_) => human::count(amount),
            Self::Bytes => human::bytes(amount),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Count(name) => name,
            Self::Bytes => "",
        }
    }
}

/// The progress of one piece of work. Dropping it takes the bar away; [`finish`](Self::finish) leaves a line.
#[derive(Debug)]
pub struct Progress {
    what: String,
    unit: Unit,
    started: Instant,
    /// Done before that.
    before: AtomicU64,
    bar: ProgressBar,
    lines: Mutex<Lines>,
}

/// When the last plain line was printed, and what it is to say.
#[derive(Debug)]
struct Lines {
    last: Instant,
    detail: String,
}

impl Progress {
    /// Work of known length, such as `Progress::new("training", 400, Unit::Count("steps"))`.
    pub fn new(what: impl Into<String>, total: u64, unit: Unit) -> Self {
        Self::with_bar(what.into(), unit, ProgressBar::new(total), bar_style(unit))
    }

    /// Work of unknown length.
    pub fn endless(what: impl Into<String>, unit: Unit) -> Self {
        Self::with_bar(what.into(), unit, ProgressBar::no_length(), spinner_style(unit))
    }

    /// A line that only says something (see [`Waiting`](crate::Waiting)).
    pub(crate) fn waiting() -> Self {
        Self::with_bar(
            String::new(),
            Unit::Bytes,
            ProgressBar::no_length(),
            style("{spinner:.cyan} {msg}, {elapsed}"),
        )
    }

    /// The text of a line made by [`waiting`](Self::waiting), drawn or printed.
    pub(crate) fn show(&self, text: &str) {
        if terminal::draws() { self.bar.set_message(text.to_owned()) } else { note(text) }
    }

    fn with_bar(what: String, unit: Unit, bar: ProgressBar, style: ProgressStyle) -> Self {
        let bar = terminal::bars().add(bar.with_style(style).with_prefix(what.clone()));
        if terminal::draws() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        let now = Instant::now();
        Self {
            what,
            unit,
            started: now,
            before: AtomicU64::new(0),
            bar,
            lines: Mutex::new(Lines { last: now, detail: String::new() }),
        }
    }

    /// So much was done before this work began, and says nothing of its speed.
    pub fn begin_at(&self, done: u64) {
        self.before.store(done, Ordering::Relaxed);
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// So much more is done.
    pub fn advance(&self, amount: u64) {
        self.bar.inc(amount);
        self.line_if_due();
    }

    /// So much is done in all.
    pub fn set(&self, done: u64) {
        self.bar.set_position(done);
        self.line_if_due();
    }

    /// What to say beside the numbers, such as the present loss.
    pub fn detail(&self, detail: impl Into<String>) {
        let detail = detail.into();
        self.bar.set_message(detail.clone());
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).detail = detail;
        self.line_if_due();
    }

    /// The work is done: the bar goes and one line stays.
    pub fn finish(self) {
        let done = self.unit.amount(self.bar.position());
        note(format!(
            "{}: {} in {}",
            self.what,
            with_name(&done, self.unit),
            human::duration(self.started.elapsed())
        ));
    }

    fn line_if_due(&self) {
        if terminal::draws() {
            return;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(lines.last) >= LINE_INTERVAL {
            lines.last = now;
            let line = self.line(&lines.detail, now.duration_since(self.started));
            drop(lines);
            note(line);
        }
    }

    fn line(&self, detail: &str, elapsed: Duration) -> String {
        let (done, total) = (self.bar.position(), self.bar.length());
        let since = Since { done: self.before.load(Ordering::Relaxed), elapsed };
        plain_line(&self.what, self.unit, done, total, since, detail)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        terminal::bars().remove(&self.bar);
    }
}

/// Where this work began, and how long ago.
#[derive(Clone, Copy)]
struct Since {
    done: u64,
    elapsed: Duration,
}

/// `training: 120 of 400 steps (30 %), 2 min left, loss 2.31`
fn plain_line(
    what: &str,
    unit: Unit,
    done: u64,
    total: Option<u64>,
    since: Since,
    detail: &str,
) -> String {
    let mut line = match total {
        Some(total) => {
            let amounts =
                with_name(&format!("{} of {}", unit.amount(done), unit.amount(total)), unit);
            let percent = if total == 0 { 100 } else { u128::from(done) * 100 / u128::from(total) };
            format!("{what}: {amounts} ({percent} %)")
        }
        None => format!("{what}: {}", with_name(&unit.amount(done), unit)),
    };
    if let Some(left) = total.and_then(|total| time_left(done, total, since)) {
        line += &format!(", {} left", human::duration(left));
    }
    if !detail.is_empty() {
        line += &format!(", {detail}");
    }
    line
}

fn with_name(amounts: &str, unit: Unit) -> String {
    format!("{amounts} {}", unit.name()).trim_end().to_owned()
}

/// At the speed so far.
fn time_left(done: u64, total: u64, since: Since) -> Option<Duration> {
    let own = done.checked_sub(since.done).filter(|&own| own > 0)?;
    let ratio = total.checked_sub(done).filter(|&left| left > 0)? as f64 / own as f64;
    Duration::try_from_secs_f64((since.elapsed.as_secs_f64() * ratio).ceil()).ok()
}

fn bar_style(unit: Unit) -> ProgressStyle {
    let amounts = match unit {
        Unit::Count(name) => format!("{{human_pos}} of {{human_len}} {name}"),
        Unit::Bytes => "{decimal_bytes} of {decimal_total_bytes}".to_owned(),
    };
    style(&format!("{{prefix}} {{bar:30.cyan/dim}} {amounts}, {{eta}} left  {{msg:.dim}}"))
        .progress_chars("━╸─")
}

fn spinner_style(unit: Unit) -> ProgressStyle {
    let amount = match unit {
        Unit::Count(name) => format!("{{human_pos}} {name}"),
        Unit::Bytes => "{decimal_bytes}".to_owned(),
    };
    style(&format!("{{spinner:.cyan}} {{prefix}} {amount}, {{elapsed}}  {{msg:.dim}}"))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates of this file are well formed")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: Unit = Unit::Count("steps");

    fn since(done: u64, seconds: u64) -> Since {
        Since { done, elapsed: Duration::from_secs(seconds) }
    }

    /// Of 30, 22 were done before: two in ten seconds leave six for thirty.
    #[test]
    fn what_was_done_before_says_nothing_of_the_time_left() {
        let line = plain_line("rounds", STEPS, 24, Some(30), since(22, 10), "");
        assert_eq!(line, "rounds: 24 of 30 steps (80 %), 30 s left");
        let line = plain_line("rounds", STEPS, 22, Some(30), since(22, 10), "");
        assert_eq!(line, "rounds: 22 of 30 steps (73 %)");
    }

    #[test]
    fn a_plain_line_says_how_far_and_how_long() {
        let minute = since(0, 60);
        assert_eq!(
            plain_line("training", STEPS, 1200, Some(4000), minute, "loss 2.31"),
            "training: 1,200 of 4,000 steps (30 %), 2 min 20 s left, loss 2.31"
        );
        assert_eq!(
            plain_line("version", Unit::Bytes, 500_000, Some(1_000_000), minute, ""),
            "version: 500 kB of 1.00 MB (50 %), 1 min left"
        );
        assert_eq!(
            plain_line("import", Unit::Count("messages"), 7, None, minute, ""),
            "import: 7 messages"
        );
    }

    #[test]
    fn odd_amounts_do_not_break_the_line() {
        let cases = [(0, 0), (0, 9), (9, 9), (12, 9), (u64::MAX, u64::MAX), (1, u64::MAX)];
        let lines =
            cases.map(|(done, total)| plain_line("x", STEPS, done, Some(total), since(0, 1), ""));
        assert_eq!(lines[0], "x: 0 of 0 steps (100 %)");
        assert_eq!(lines[1], "x: 0 of 9 steps (0 %)");
        assert_eq!(lines[2], "x: 9 of 9 steps (100 %)");
        assert_eq!(lines[3], "x: 12 of 9 steps (133 %)");
        assert!(lines[4].contains("(100 %)") && lines[5].contains("(0 %)"));
    }

    #[test]
    fn bars_of_all_kinds_can_be_made_and_used_by_many_threads() {
        let progress = Progress::new("training", 400, STEPS);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| progress.advance(1)));
            }
        });
        assert_eq!(progress.line("", Duration::ZERO), "training: 400 of 400 steps (100 %)");
        progress.finish();
        for unit in [STEPS, Unit::Bytes] {
            let endless = Progress::endless("reading", unit);
            endless.set(5);
            endless.detail("file a");
        }
        Progress::new("copying", 5, Unit::Bytes).set(1);
    }
}
