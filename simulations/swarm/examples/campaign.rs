//! Many seeds of one scenario: `cargo run --release -p swarm --example campaign -- stormy 0 1000`.

use std::process::ExitCode;

use swarm::{Outcome, Scenario, run};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let scenario = match arguments.next().as_deref() {
        Some("stormy") => Scenario::stormy(),
        Some("calm") => Scenario::calm(),
        _ => Scenario::rough(),
    };
    let mut number = |otherwise| arguments.next().and_then(|n| n.parse().ok()).unwrap_or(otherwise);
    let (first, count) = (number(0), number(200));
    let (mut all, mut broken) = (Outcome::default(), 0_u64);
    for seed in first..first + count {
        let outcome = run(&scenario, seed);
        if let Some(violation) = outcome.violations.first() {
            println!("seed {seed}: {violation}");
            broken += 1;
        }
        all.add(outcome);
    }
    println!("{} seeds of \"{}\", {broken} broken\n{all}", count, scenario.name);
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
