//! The way between a node and the coordinator: latency with jitter, loss with retries, duplication, and
//! on slow links the time that a message's bytes take.

use protocol::Time;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

use crate::faults::{FaultKind, Faults};

/// How often the network tries before it gives a connection up.
const TRIES: u32 = 4;
/// How long it waits between two tries, in milliseconds.
const RETRY_MS: u32 = 150;

/// One node's connection to the coordinator.
pub(crate) struct Link {
    /// Whether there is one now.
    pub up: bool,
    /// Rises with every connection, so that what belonged to an earlier one is dropped.
    pub epoch: u64,
    lost: f64,
    latency_ms: u32,
    /// Whether nothing gets through for now.
    pub cut: bool,
    /// How many bytes it carries in a millisecond, where that is few.
    bytes_per_ms: Option<u32>,
    /// Until when it is busy with earlier messages, by direction.
    busy_until: [Time; 2],
    /// Messages sent and the latest that has arrived, by direction: to node, to coordinator.
    sent: [u64; 2],
    arrived: [u64; 2],
}

/// What becomes of one message.
pub(crate) enum Passage {
    /// It arrives after so many milliseconds, perhaps twice.
    Arrives(u32, Option<u32>),
    /// It does not, and the connection is given up after so many milliseconds.
    GivenUp(u32),
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToNode = 0,
    ToCoordinator = 1,
}

impl Link {
    pub fn new(faults: &Faults, rng: &mut ChaCha20Rng) -> Self {
        let mix = &faults.mix;
        let bad = mix.bad_link > 0.0 && rng.random_bool(mix.bad_link);
        let lost = if bad { mix.lost_on_bad_link } else { mix.lost };
        let latency_ms = rng.random_range(5..80);
        let slow = mix.slow_link > 0.0 && rng.random_bool(mix.slow_link);
        let bytes_per_ms = slow.then(|| rng.random_range(1..=8));
        Self {
            up: false,
            epoch: 0,
            lost,
            latency_ms,
            cut: false,
            bytes_per_ms,
            busy_until: [Time(0); 2],
            sent: [0; 2],
            arrived: [0; 2],
        }
    }

    /// From now on nothing is lost, cut or slow any more.
    pub fn heal(&mut self) {
        self.lost = 0.0;
        self.cut = false;
        self.bytes_per_ms = None;
    }

    /// How long a message waits for the link and is on it; none where that is no time.
    pub fn transfer_ms(
        &mut self,
        direction: Direction,
        bytes: impl FnOnce() -> usize,
        now: Time,
    ) -> Option<u32> {
        let rate = self.bytes_per_ms?;
        let takes = u32::try_from(bytes()).unwrap_or(u32::MAX) / rate;
        let busy = &mut self.busy_until[direction as usize];
        *busy = (*busy).max(now) + takes;
        u32::try_from(busy.0 - now.0).ok()
    }

    /// Up to three times the latency: enough that messages overtake each other.
    pub fn delay(&self, rng: &mut ChaCha20Rng) -> u32 {
        self.latency_ms + rng.random_range(0..=2 * self.latency_ms)
    }

    pub fn pass(&self, faults: &mut Faults, rng: &mut ChaCha20Rng) -> Passage {
        let mut after = self.delay(rng);
        for _ in 0..TRIES {
            if !faults.strikes(FaultKind::Lost, self.lost, rng) {
                let chance = faults.mix.duplicated;
                let twice = faults.strikes(FaultKind::Duplicated, chance, rng);
                return Passage::Arrives(after, twice.then(|| after + self.delay(rng)));
            }
            after += RETRY_MS;
        }
        Passage::GivenUp(after)
    }

    /// Numbers a message that is sent.
    pub fn number(&mut self, direction: Direction) -> u64 {
        self.sent[direction as usize] += 1;
        self.sent[direction as usize]
    }

    /// Whether a message that arrives was overtaken by one that was sent after it.
    pub fn was_overtaken(&mut self, direction: Direction, number: u64) -> bool {
        let arrived = &mut self.arrived[direction as usize];
        let overtaken = number < *arrived;
        *arrived = number.max(*arrived);
        overtaken
    }
}
