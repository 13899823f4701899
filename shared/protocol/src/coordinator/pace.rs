//! How long the next round's windows are: from what the last rounds took, so that nobody has to
//! guess a timeout. They are frozen in the plan.

use wire::Windows;

use crate::time::Time;

/// A window is never shorter than this share of its first setting …
const SHRINK_LIMIT: u32 = 4;
/// … nor longer than this multiple of it.
const GROWTH_LIMIT: u32 = 16;
/// The same for windows of random instants: a member that is present and never answers must not
/// stretch everybody's rounds for ever.
const RANDOM_GROWTH_LIMIT: u32 = 3;

/// The windows of the next plan.
pub(super) struct Pace {
    first: Windows,
    next: Windows,
}

/// Which window was measured.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Train,
    Shares,
    Consistency,
    Contribute,
    Survivors,
    Reveal,
}

impl Pace {
    pub fn new(first: Windows) -> Self {
        Self { first, next: first }
    }

    pub fn windows(&self) -> Windows {
        self.next
    }

    /// Everybody answered: the window moves a quarter of the way towards twice what it took. How long
    /// nodes took in the window of contributions says nothing, since they leave at random instants: it moves back
    /// towards its first setting.
    pub fn complete(&mut self, phase: Phase, opened: Time, now: Time) {
        if matches!(phase, Phase::Contribute) {
            let (first, next) = self.slot(phase);
            *next -= (*next - first) / 4;
            return;
        }
        let took = u32::try_from(now.since(opened)).unwrap_or(u32::MAX);
        let (first, next) = self.slot(phase);
        let target = took.saturating_mul(2).max(first / SHRINK_LIMIT);
        *next = next.saturating_sub(*next / 4).saturating_add(target / 4).max(1);
    }

    /// Everybody has advertised. When a node that was ready in time does so is drawn and says nothing. But whoever was not
    /// ready when the training window ended draws from a window that begins later, and so may come after that of the
    /// others: then the training window was too short by about as much. Where nobody did, it is shortened by an eighth, to find
    /// out how long training takes without asking anybody. Late nodes cost no round: they are waited for
    /// as long again as the window to advertise takes ([`super::recruiting`]).
    pub fn advertised(&mut self, plan: &Windows, opened: Time, now: Time) {
        let took = u32::try_from(now.since(opened)).unwrap_or(u32::MAX);
        let in_time = plan.train_ms.saturating_add(plan.advertise_ms);
        let late = took.saturating_sub(in_time);
        // On the way a message takes its time, too.
        if late > plan.advertise_ms / 4 {
            let limit = self.first.train_ms.saturating_mul(RANDOM_GROWTH_LIMIT);
            self.next.train_ms = plan.train_ms.saturating_add(late).min(limit);
        } else {
            let least = self.first.train_ms / SHRINK_LIMIT;
            self.next.train_ms = (plan.train_ms - plan.train_ms / 8).max(least);
        }
    }

    /// Somebody was missing when the window closed: half as long again next time.
    pub fn incomplete(&mut self, phase: Phase) {
        let random = matches!(phase, Phase::Train | Phase::Contribute);
        let limit = if random { RANDOM_GROWTH_LIMIT } else { GROWTH_LIMIT };
        let (first, next) = self.slot(phase);
        *next = next.saturating_add(*next / 2).min(first.saturating_mul(limit));
    }

    fn slot(&mut self, phase: Phase) -> (u32, &mut u32) {
        let (first, next) = (&self.first, &mut self.next);
        match phase {
            Phase::Train => (first.train_ms, &mut next.train_ms),
            Phase::Shares => (first.shares_ms, &mut next.shares_ms),
            Phase::Consistency => (first.consistency_ms, &mut next.consistency_ms),
            Phase::Contribute => (first.contribute_ms, &mut next.contribute_ms),
            Phase::Survivors => (first.survivors_ms, &mut next.survivors_ms),
            Phase::Reveal => (first.reveal_ms, &mut next.reveal_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace::new(Windows {
            train_ms: 1000,
            advertise_ms: 1000,
            shares_ms: 1000,
            consistency_ms: 1000,
            contribute_ms: 1000,
            survivors_ms: 1000,
            reveal_ms: 1000,
        })
    }

    #[test]
    fn windows_follow_what_rounds_take() {
        let mut pace = pace();
        (0..20).for_each(|_| pace.complete(Phase::Shares, Time(0), Time(300)));
        assert!((590..=610).contains(&pace.windows().shares_ms), "{:?}", pace.windows());
        (0..50).for_each(|_| pace.complete(Phase::Shares, Time(0), Time(1)));
        assert!((240..=260).contains(&pace.windows().shares_ms), "{:?}", pace.windows());
        (0..50).for_each(|_| pace.incomplete(Phase::Shares));
        assert_eq!(pace.windows().shares_ms, 16_000);
    }

    #[test]
    fn windows_of_random_instants_grow_little_and_come_back() {
        let mut pace = pace();
        pace.complete(Phase::Contribute, Time(0), Time(1));
        assert_eq!(pace.windows().contribute_ms, 1000);
        pace.incomplete(Phase::Contribute);
        assert_eq!(pace.windows().contribute_ms, 1500);
        (0..50).for_each(|_| pace.incomplete(Phase::Contribute));
        assert_eq!(pace.windows().contribute_ms, 3000);
        (0..50).for_each(|_| pace.complete(Phase::Contribute, Time(0), Time(1)));
        assert!(pace.windows().contribute_ms <= 1003, "{:?}", pace.windows());
    }

    /// Nodes that take `training_ms` advertise at the last instant that they may draw.
    fn train(pace: &mut Pace, training_ms: u32) -> bool {
        let plan = pace.windows();
        let ready = training_ms.max(plan.train_ms);
        pace.advertised(&plan, Time(0), Time(0) + (ready + plan.advertise_ms + 20));
        training_ms > plan.train_ms
    }

    #[test]
    fn the_training_window_finds_out_how_long_training_takes() {
        let mut pace = pace();
        let late = (0..40).filter(|_| train(&mut pace, 600)).count();
        let settled = pace.windows().train_ms;
        assert!((300..=700).contains(&settled), "{settled} ms for a training of 600 ms");
        assert!(late > 0, "it is never tried whether less would do");
        // Whatever happens, it stays near what the operator has set.
        for _ in 0..40 {
            train(&mut pace, 1);
        }
        assert_eq!(pace.windows().train_ms, 250);
        for _ in 0..40 {
            train(&mut pace, 60_000);
        }
        assert_eq!(pace.windows().train_ms, 3000);
        (0..50).for_each(|_| pace.incomplete(Phase::Train));
        assert_eq!(pace.windows().train_ms, 3000);
    }
}
