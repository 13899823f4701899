//! How a node keeps its connection to the coordinator: it dials, and after every loss it dials
//! again, with pauses that double and are never the same for two nodes.

use std::{num::NonZeroU8, time::Duration};

use libp2p::{
    Multiaddr, PeerId,
    swarm::dial_opts::{DialOpts, PeerCondition},
};
use tokio::time::Instant;

use crate::limits::Limits;

pub(crate) struct Dialer {
    coordinator: PeerId,
    addresses: Vec<Multiaddr>,
    backoff: Backoff,
    stable: Duration,
    state: State,
}

enum State {
    /// Will dial at this time.
    Pausing {
        until: Instant,
    },
    Dialing,
    Connected {
        since: Instant,
    },
}

impl Dialer {
    pub(crate) fn new(coordinator: PeerId, addresses: Vec<Multiaddr>, limits: &Limits) -> Self {
        Self {
            coordinator,
            addresses,
            backoff: Backoff::new(limits),
            stable: Duration::from_millis(limits.stable_ms),
            state: State::Pausing { until: Instant::now() },
        }
    }

    pub(crate) fn coordinator(&self) -> PeerId {
        self.coordinator
    }

    /// When to call [`Dialer::dial`]; `None` while there is a connection or an attempt.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Pausing { until } => Some(until),
            State::Dialing | State::Connected { .. } => None,
        }
    }

    /// The next attempt. Addresses are tried one after the other: two connections at once would
    /// look like a second one to the coordinator.
    pub(crate) fn dial(&mut self) -> DialOpts {
        self.state = State::Dialing;
        DialOpts::peer_id(self.coordinator)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .override_dial_concurrency_factor(NonZeroU8::MIN)
            .addresses(self.addresses.clone())
            .build()
    }

    pub(crate) fn on_connected(&mut self) {
        tracing::info!("connected to the coordinator");
        self.state = State::Connected { since: Instant::now() };
    }

    /// The connection is lost.
    pub(crate) fn on_lost(&mut self, why: &str) {
        if let State::Connected { since } = self.state
            && since.elapsed() >= self.stable
        {
            self.backoff.reset();
        }
        self.pause(why);
    }

    /// An attempt failed.
    pub(crate) fn on_failed(&mut self, why: &str) {
        self.pause(why);
    }

    fn pause(&mut self, why: &str) {
        let pause = self.backoff.next(rand::random());
        self.state = State::Pausing { until: Instant::now() + pause };
        let addresses = self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        tracing::info!(
            addresses = addresses.join(", "),
            why,
            "waiting for the coordinator, next attempt in {:.1} s",
            pause.as_secs_f64()
        );
    }
}

/// Pauses that double from the shortest to the longest, each cut by up to a half at random.
struct Backoff {
    shortest: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    fn new(limits: &Limits) -> Self {
        Self {
            shortest: Duration::from_millis(limits.redial_min_ms),
            longest: Duration::from_millis(limits.redial_max_ms),
            failures: 0,
        }
    }

    fn reset(&mut self) {
        self.failures = 0;
    }

    /// `random`: any number.
    fn next(&mut self, random: u32) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = (self.failures + 1).min(31);
        let pause = self.shortest.saturating_mul(doubled).min(self.longest);
        pause.mul_f64(1.0 - 0.5 * f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let limits = Limits { redial_min_ms: 250, redial_max_ms: 60_000, ..Limits::default() };
        let mut backoff = Backoff::new(&limits);
        let pauses: Vec<_> = (0..40).map(|_| backoff.next(0).as_millis()).collect();
        assert_eq!(pauses[..5], [250, 500, 1000, 2000, 4000]);
        assert!(pauses[9..].iter().all(|&pause| pause == 60_000));
        assert_eq!(backoff.next(u32::MAX), Duration::from_secs(30));
        backoff.reset();
        assert_eq!(backoff.next(0), Duration::from_millis(250));
    }
}
