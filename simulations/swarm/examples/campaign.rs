//! A campaign without the rest of `murmur-simulate` (which needs libtorch), for profiling:
//! `cargo run --release -p swarm --example campaign -- stormy 0 1000 50 real`.

use std::{process::ExitCode, time::Instant};

use swarm::{Campaign, Masking, Scenario};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, otherwise| {
        arguments.get(place).and_then(|number| number.parse().ok()).unwrap_or(otherwise)
    };
    let named = arguments.first().and_then(|name| Scenario::named(name));
    let mut scenario = named.unwrap_or_else(Scenario::rough);
    if number(3, 0) > 0 {
        scenario = scenario.sized(&[number(3, 0) as usize]);
    }
    let real = arguments.get(4).is_some_and(|masks| masks == "real");
    let scenario = scenario.masked(if real { Masking::Real } else { Masking::Dummy });
    let (first, seeds) = (number(1, 0), number(2, 200));
    let began = Instant::now();
    let campaign = Campaign { scenario, first, seeds, threads: 1, counts_all: true };
    let tally = campaign.run(|_| true);
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    println!("{}", tally.all);
    for broken in &tally.broken {
        println!("seed {}: {}", broken.seed, broken.violation);
    }
    println!("{} seeds, {:.0} rounds a minute", tally.seeds, tally.all.rounds as f64 / minutes);
    if tally.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
