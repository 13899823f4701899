//! A clock that nobody sets back or forward while a program runs.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Unix milliseconds at the program's start, and from then on the time that has really passed,
/// whatever is done to the system's clock: for windows and alarms, not for dates.
pub fn steady_ms() -> u64 {
    static START: LazyLock<Clock> = LazyLock::new(|| Clock {
        unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        start: Instant::now(),
    });
    START.at(Instant::now())
}

struct Clock {
    unix: Duration,
    start: Instant,
}

impl Clock {
    fn at(&self, now: Instant) -> u64 {
        let time = self.unix + now.saturating_duration_since(self.start);
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_passed_counts() {
        let clock = Clock { unix: Duration::from_millis(1_700_000_000_000), start: Instant::now() };
        let later = clock.start + Duration::from_millis(250);
        assert_eq!(clock.at(later), 1_700_000_000_250);
        assert_eq!(clock.at(clock.start), 1_700_000_000_000);
        let first = steady_ms();
        assert!(steady_ms() >= first);
    }
}
