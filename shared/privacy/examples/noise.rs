//! Samples per second of both exact samplers on one core, and their ratio, in one run:
//! `cargo run --release -p privacy --example noise`

use std::time::Instant;

use grid::Ratio;
use privacy::{Sampler, discrete_gaussian};

/// Each σ is measured this often; the fastest one counts, since other work on the machine only slows.
const REPEATS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One worker: samples a second and core.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    println!("{:>10}  {:>14}  {:>14}  {:>6}", "σ", "blocks", "opendp", "ratio");
    for (numerator, denominator) in
        [(1, 2), (2, 1), (27, 8), (30, 1), (1000, 1), (1_000_000, 1), (1 << 40, 1)]
    {
        let sigma = Ratio::new(numerator, denominator)?;
        let blocks = per_second(sigma, 2_000_000, Sampler::Blocks)?;
        let opendp = per_second(sigma, 50_000, Sampler::Opendp)?;
        println!(
            "{:>10}  {:>10.1} M/s  {:>10.3} M/s  {:>6.1}",
            sigma.to_f64(),
            blocks / 1e6,
            opendp / 1e6,
            blocks / opendp
        );
    }
    let start = Instant::now();
    discrete_gaussian(Ratio::new(1000, 1)?, 1, Sampler::Blocks)?;
    println!("the tables of one σ take {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

fn per_second(sigma: Ratio, count: usize, sampler: Sampler) -> Result<f64, privacy::PrivacyError> {
    let mut best = 0.0_f64;
    for _ in 0..REPEATS {
        let start = Instant::now();
        let samples = discrete_gaussian(sigma, count, sampler)?;
        best = best.max(samples.len() as f64 / start.elapsed().as_secs_f64());
    }
    Ok(best)
}
