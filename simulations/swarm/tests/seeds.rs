//! The shipped rules under the default fault mix: 200 seeds, no broken invariant.

use std::{panic, thread};

use swarm::{Boundary, FaultKind, Invariant, Outcome, Scenario, Shipped, Violation, replay, run};

/// Seeds of one campaign; the mutants are looked for in the same ones.
const SEEDS: u64 = 200;

/// Runs the campaign on two threads and adds everything up.
fn campaign(scenario: &Scenario) -> (Outcome, u64) {
    let part = |first: u64| {
        let scenario = scenario.clone();
        move || (first..SEEDS).step_by(2).map(|seed| one(&scenario, seed)).collect::<Vec<_>>()
    };
    let halves = [0, 1].map(|first| thread::spawn(part(first)));
    let outcomes = halves.into_iter().flat_map(|half| half.join().expect("a half ran"));
    let (mut all, mut in_trouble) = (Outcome::default(), 0);
    let mut broken = Vec::new();
    for (seed, outcome) in outcomes {
        in_trouble += u64::from(outcome.versions_in_trouble > 0);
        if let Some(violation) = outcome.violations.first() {
            broken.push((seed, violation.to_string()));
        }
        all.add(outcome);
    }
    if let Some((seed, what)) = broken.iter().min() {
        let count = broken.len();
        panic!(
            "{what}\n{count} of {SEEDS} seeds are broken; see the first again with\n  \
             SWARM_SEED={seed} cargo test --release -p swarm --test seeds replay_one_seed -- --nocapture"
        );
    }
    (all, in_trouble)
}

/// One seed. A panic is a violation like any other.
fn one(scenario: &Scenario, seed: u64) -> (u64, Outcome) {
    let outcome = panic::catch_unwind(|| run(scenario, seed)).unwrap_or_else(|_| {
        let what = "a machine panicked".to_owned();
        let violation = Violation { invariant: Invariant::Restarts, at_ms: 0, round: None, what };
        Outcome { seed, violations: vec![violation], ..Outcome::default() }
    });
    (seed, outcome)
}

#[test]
fn two_hundred_seeds_break_nothing() {
    let (all, in_trouble) = campaign(&Scenario::rough());
    eprintln!("{SEEDS} seeds, {in_trouble} issued a version in trouble\n{all}");
    assert!(in_trouble * 100 >= SEEDS * 80, "only {in_trouble} of {SEEDS} seeds issue a version");
    for kind in FaultKind::ALL {
        assert!(all.faults.contains_key(&kind), "no seed has a {kind}");
    }
    for boundary in Boundary::all() {
        assert!(all.boundaries.contains_key(&boundary), "no seed stops a {boundary}");
    }
}

#[test]
fn nothing_breaks_in_a_storm() {
    for seed in 0..20 {
        let (_, outcome) = one(&Scenario::stormy(), seed);
        assert_eq!(outcome.violations, [], "stormy seed {seed}");
    }
}

/// Replays the seed of SWARM_SEED with a line for everything that happens; 0 without one.
#[test]
fn replay_one_seed() {
    let seed = std::env::var("SWARM_SEED").ok().and_then(|seed| seed.parse().ok());
    let outcome = replay(&Scenario::rough(), seed.unwrap_or(0), Box::new(Shipped));
    if seed.is_some() {
        outcome.trace.iter().for_each(|line| println!("{line}"));
        println!("{outcome}");
    }
    assert_eq!(outcome.violations, []);
}

#[test]
fn a_seed_is_the_same_every_time() {
    let traced = |seed| replay(&Scenario::rough(), seed, Box::new(Shipped)).trace;
    assert_eq!(traced(3), traced(3));
    assert_ne!(traced(3), traced(4));
}

#[test]
fn without_faults_every_round_issues_a_version() {
    let outcome = run(&Scenario::calm(), 1);
    assert_eq!(outcome.violations, []);
    assert!(outcome.rounds >= 3 && outcome.rounds == outcome.versions, "{outcome}");
    assert!(outcome.faults.keys().all(|kind| *kind == FaultKind::Reordered), "{outcome}");
    assert!(outcome.boundaries.is_empty());
}
