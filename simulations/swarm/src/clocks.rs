//! Every program's own clock: it began at a zero of its own, and runs a little fast or slow.

use protocol::Time;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

use crate::faults::{FaultKind, Faults};

/// The most that a clock is fast or slow, in millionths.
const SKEW_MOST: i64 = 20_000;
/// The furthest zero, in milliseconds: a week.
const ZERO_MOST_MS: u64 = 7 * 24 * 3_600_000;
/// A million.
const MILLION: i64 = 1_000_000;

/// One program's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// What it shows when the world begins.
    zero_ms: u64,
    /// How much it is fast, in millionths.
    fast: i64,
}

/// The clocks of a world.
pub(crate) struct Clocks {
    coordinator: Clock,
    nodes: Vec<Clock>,
}

impl Clocks {
    pub fn new(nodes: usize, faults: &mut Faults, rng: &mut ChaCha20Rng) -> Self {
        let mut draw = || Clock::draw(faults, rng);
        Self { coordinator: draw(), nodes: (0..nodes).map(|_| draw()).collect() }
    }

    pub fn coordinator(&self) -> Clock {
        self.coordinator
    }

    pub fn node(&self, node: usize) -> Clock {
        self.nodes[node]
    }
}

impl Clock {
    /// One that shows the world's time.
    const TRUE: Self = Self { zero_ms: 0, fast: 0 };

    fn draw(faults: &mut Faults, rng: &mut ChaCha20Rng) -> Self {
        let chance = faults.mix.skewed;
        if !faults.strikes(FaultKind::ClockSkewed, chance, rng) {
            return Self::TRUE;
        }
        let zero_ms = rng.random_range(0..ZERO_MOST_MS);
        Self { zero_ms, fast: rng.random_range(-SKEW_MOST..=SKEW_MOST) }
    }

    /// What it shows at a time of the world.
    pub fn local(self, world: Time) -> Time {
        let ran = i128::from(world.0) * i128::from(MILLION + self.fast) / i128::from(MILLION);
        // Unwrap safety: no world lasts for millions of years.
        Time(self.zero_ms + u64::try_from(ran).expect("a clock that runs forwards"))
    }

    /// The first time of the world at which it shows so much.
    pub fn world(self, local: Time) -> Time {
        let ran = i128::from(local.0.saturating_sub(self.zero_ms));
        let early = ran * i128::from(MILLION) / i128::from(MILLION + self.fast);
        let mut world = Time(u64::try_from(early).expect("a clock that runs forwards"));
        while self.local(world) < local {
            world = world + 1;
        }
        world
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_rings_when_the_clock_shows_its_time_and_not_before() {
        for fast in [-SKEW_MOST, -7, 0, 3, SKEW_MOST] {
            let clock = Clock { zero_ms: 12_345, fast };
            for ms in (0..200_000).step_by(377) {
                let world = clock.world(Time(12_345 + ms));
                assert!(clock.local(world) >= Time(12_345 + ms), "{fast} {ms}");
                assert!(world.0 == 0 || clock.local(Time(world.0 - 1)) < Time(12_345 + ms));
            }
        }
    }
}
