//! Many seeds of one scenario: each is a world of its own on one thread, so threads share nothing but
//! what came of them. What a campaign finds does not depend on how many threads it has.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use crate::{Invariant, Outcome, Scenario, Violation, run};

/// Which seeds to play.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// What each of them is.
    pub scenario: Scenario,
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// How many worlds are played at the same time.
    pub threads: usize,
    /// Whether to go on after a broken invariant, and count them all.
    pub counts_all: bool,
}

/// What came of the seeds so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many have been played.
    pub seeds: u64,
    /// How many of them have issued a version while things went wrong.
    pub in_trouble: u64,
    /// All outcomes added up.
    pub all: Outcome,
    /// Seeds that broke an invariant, lowest first.
    pub broken: Vec<Broken>,
}

/// A seed with the first invariant that it broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The seed.
    pub seed: u64,
    /// What broke.
    pub violation: Violation,
}

impl Campaign {
    /// Plays the seeds; after each of them `goes_on` sees what there is so far, and may end it.
    pub fn run(&self, goes_on: impl Fn(&Tally) -> bool + Sync) -> Tally {
        let (next, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let tally = Mutex::new(Tally::default());
        let work = || {
            while !over.load(Ordering::Relaxed) {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                if turn >= self.seeds {
                    return;
                }
                let outcome = play(&self.scenario, self.first.wrapping_add(turn));
                let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                tally.take(outcome);
                let ends = !self.counts_all && !tally.broken.is_empty();
                if ends || !goes_on(&tally) {
                    over.store(true, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            (0..self.threads).for_each(|_| drop(scope.spawn(work)));
        });
        tally.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// What came of one seed.
    pub fn of(outcome: Outcome) -> Self {
        let mut tally = Self::default();
        tally.take(outcome);
        tally
    }

    fn take(&mut self, mut outcome: Outcome) {
        self.seeds += 1;
        self.in_trouble += u64::from(outcome.versions_in_trouble > 0);
        if let Some(violation) = std::mem::take(&mut outcome.violations).into_iter().next() {
            let broken = Broken { seed: outcome.seed, violation };
            let place = self.broken.partition_point(|known| known.seed < broken.seed);
            self.broken.insert(place, broken);
        }
        self.all.add(outcome);
    }
}

/// One seed. A panic is a broken invariant like any other.
fn play(scenario: &Scenario, seed: u64) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| run(scenario, seed))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
        let what = format!("a machine panicked: {said}");
        let violation = Violation { invariant: Invariant::NoPanic, at_ms: 0, round: None, what };
        Outcome { seed, violations: vec![violation], ..Outcome::default() }
    })
}
