//! How long secure aggregation takes without training and network: whole rounds of the shipped machines in one process, with
//! real keys, signatures, shares, seals, masks, reveals and unmasking.
//!
//! `cargo run --release -p swarm --example secure_round -- 50 100000 0 3` plays three rounds of 50 nodes with
//! 100,000 parameters of which nobody drops out; a fifth argument `quantise` includes each node's rotation and
//! rounding. Beside it stands `simulations/peers/secagg.py`.
//!
//! What is not in the time: training, noise (its own bench: `cargo bench -p privacy`), disks, sockets, and the
//! version that follows from the sum (`version_s`). Every node works on its own, on all cores; the coordinator handles what
//! arrives meanwhile. Clocks are virtual: a node's jumps to its drawn instants, the coordinator's to the end of a window
//! once nobody has anything left to do.

#![allow(clippy::unwrap_used, reason = "a failed step of a bench ends it")]

mod cipher;
mod programs;
mod round;
mod task;

use std::env;

use round::{Seconds, Swarm};
use task::Size;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |place: usize, otherwise: usize| {
        arguments.get(place).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let size = Size {
        nodes: number(0, 50),
        values: number(1, 100_000),
        dropped: number(2, 0),
        quantises: arguments.iter().any(|word| word == "quantise"),
    };
    let rounds = number(3, 3);
    let mut swarm = Swarm::new(size);
    let mut seconds: Vec<Seconds> = (0..rounds).map(|_| swarm.round()).collect();
    seconds.sort_by(|one, other| one.sum.total_cmp(&other.sum));
    let limit = cipher::seconds(&size);
    println!("{}", told(&size, &seconds[seconds.len() / 2], limit));
}

/// One line of JSON: the median round.
fn told(size: &Size, seconds: &Seconds, (limit, limit_cpu): (f64, f64)) -> String {
    let phases: Vec<String> =
        seconds.phases.iter().map(|(name, took)| format!("\"{name}\": {took:.4}")).collect();
    format!(
        "{{\"what\": \"secure round\", \"nodes\": {}, \"values\": {}, \"padded\": {}, \"bits\": {}, \"dropped\": {}, \"quantises\": {}, \
         \"sum_s\": {:.4}, \"cpu_s\": {:.4}, \"unmasking_s\": {:.4}, \"version_s\": {:.4}, \"phases\": {{{}}}, \
         \"cipher_s\": {limit:.4}, \"cipher_cpu_s\": {limit_cpu:.4}, \"of_cipher\": {:.2}, \"of_cipher_cpu\": {:.2}, \"peak_mib\": {}}}",
        size.nodes,
        size.values,
        size.padded(),
        task::BITS,
        size.dropped,
        size.quantises,
        seconds.sum,
        seconds.cpu,
        seconds.unmasking,
        seconds.version,
        phases.join(", "),
        seconds.sum / limit,
        seconds.cpu / limit_cpu,
        peak_mib(),
    )
}

/// The most memory that the process has had, in MiB; 0 where the system does not say.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
