//! The shipped rules under the default fault mix: thousands of seeds, no broken invariant.

use swarm::{
    Boundary, Broken, Campaign, FaultKind, Masking, Scenario, Shipped, Tally, replay, run,
};

/// Seeds of one campaign.
const SEEDS: u64 = 6_000;

/// Plays seeds on two threads.
fn play(scenario: Scenario, seeds: u64) -> Tally {
    let name = scenario.name;
    let campaign = Campaign { scenario, first: 0, seeds, threads: 2, counts_all: true };
    let tally = campaign.run(|_| true);
    if let Some(Broken { seed, violation }) = tally.broken.first() {
        let count = tally.broken.len();
        panic!(
            "{violation}\n{count} of {seeds} seeds are broken; see the first again with\n  \
             murmur-simulate protocol --mix {name} --masks dummy --seed {seed} --trace"
        );
    }
    tally
}

#[test]
fn thousands_of_seeds_break_nothing() {
    let tally = play(Scenario::rough().masked(Masking::Dummy), SEEDS);
    let (all, in_trouble) = (&tally.all, tally.in_trouble);
    eprintln!("{SEEDS} seeds, {in_trouble} issued a version in trouble\n{all}");
    assert!(in_trouble * 100 >= SEEDS * 80, "only {in_trouble} of {SEEDS} seeds issue a version");
    for kind in FaultKind::ALL {
        assert!(all.faults.contains_key(&kind), "no seed has a {kind}");
    }
    for boundary in Boundary::all() {
        assert!(all.boundaries.contains_key(&boundary), "no seed stops a {boundary}");
    }
}

/// Every sum that can be computed from what has left the nodes is computed.
#[test]
fn nothing_breaks_with_real_masks() {
    play(Scenario::rough(), 200);
}

#[test]
fn nothing_breaks_in_a_storm() {
    play(Scenario::stormy().masked(Masking::Dummy), 500);
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

#[test]
fn threads_change_nothing() {
    let tally = |threads| {
        let scenario = Scenario::rough().masked(Masking::Dummy);
        Campaign { scenario, first: 70, seeds: 12, threads, counts_all: true }.run(|_| true)
    };
    let (one, three) = (tally(1), tally(3));
    assert_eq!((one.seeds, one.in_trouble), (12, three.in_trouble));
    assert_eq!(one.all.to_string(), three.all.to_string());
}

#[test]
fn a_campaign_ends_when_it_is_told_to() {
    let scenario = Scenario::calm().masked(Masking::Dummy);
    let campaign = Campaign { scenario, first: 0, seeds: 100, threads: 2, counts_all: true };
    let tally = campaign.run(|tally| tally.seeds < 3);
    assert!((3..=4).contains(&tally.seeds), "{}", tally.seeds);
}
