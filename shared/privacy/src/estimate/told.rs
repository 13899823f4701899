//! An estimate in words, the same in every program.

use super::{Estimate, Solved};
use crate::words::at_most;

impl Solved {
    /// What was solved, as a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Epsilon => "ε follows from noise and rounds",
            Self::Noise => "noise: as much as ε and rounds need",
            Self::NoiseForSignal => "noise: as much as leaves the signal wanted",
            Self::Nodes => "nodes: as many as the signal wanted needs",
            Self::Rounds => "rounds: as many as ε pays",
        }
    }
}

impl Estimate {
    /// Name and value of everything but the table of adversaries, for people.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let epsilon = self.epsilon.map_or("∞".to_owned(), at_most);
        vec![
            ("solved", self.solved.words().to_owned()),
            ("nodes in a round (counted on)", format!("{} ({})", self.nodes, self.honest)),
            ("rounds of one node", self.rounds.to_string()),
            ("trained parameters (that travel)", format!("{} ({})", self.dimension, self.padded)),
            ("noise multiplier z", format!("{:.4}", self.noise_multiplier)),
            ("σ of one node, grid units", format!("{:.1}", self.sigma)),
            ("ρ of one round", format!("{:.6}", self.rho_per_round)),
            ("ε against the coordinator", format!("{epsilon} (δ = {:e})", self.delta)),
            ("noise in a coordinate of the mean", format!("{:.2e}", self.noise_per_coordinate)),
            (
                "final delta: signal at most, noise",
                format!("{:.3}, {:.3}", self.signal_norm, self.noise_norm),
            ),
            ("signal-to-noise, at most", format!("{:.3}", self.signal_to_noise)),
            ("one node sends, receives", format!("{}, {}", kb(self.bytes_up), kb(self.bytes_down))),
            ("the coordinator moves in a round", kb(self.bytes_coordinator)),
            (
                "memory of a node, of the coordinator",
                format!("{}, {}", kb(self.memory_node), kb(self.memory_coordinator)),
            ),
        ]
    }
}

fn kb(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
