//! What is asked, as options of a command line.

use privacy::Wish;

/// The options; the command around them has the words of its program.
#[derive(clap::Args)]
pub struct Question {
    /// Contributions in a round
    #[arg(long)]
    nodes: Option<u32>,
    /// Rounds that one node takes part in
    #[arg(long)]
    rounds: Option<u32>,
    /// ε over all of them, against the coordinator
    #[arg(long)]
    epsilon: Option<f64>,
    /// Noise multiplier z: the noise of the honest nodes together, over the clip
    #[arg(long)]
    noise: Option<f64>,
    /// Signal-to-noise of the final delta, where it decides
    #[arg(long, default_value_t = 1.0)]
    signal_to_noise: f64,
    /// Trained parameters (`murmur-coordinator init` prints those of an adapter)
    #[arg(long)]
    dimension: u32,
    /// L2 clip of an update, in parameter units
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// δ
    #[arg(long, default_value_t = 1e-6)]
    delta: f64,
    /// Part of a roster whose noise is not counted on
    #[arg(long, default_value = "1/10", value_parser = parse_fraction)]
    corrupt: (u32, u32),
    /// Sums are taken modulo 2 to this power
    #[arg(long, default_value_t = 20)]
    modulus_bits: u32,
    /// Assumed: seconds that the slowest node trains
    #[arg(long, default_value_t = 60.0)]
    pub(crate) train_s: f64,
    /// Assumed: seconds of the windows to advertise and to contribute together
    #[arg(long, default_value_t = 20.0)]
    pub(crate) windows_s: f64,
    /// Assumed: megabits that a node's line sends in a second (it receives five times as many)
    #[arg(long, default_value_t = 10.0)]
    pub(crate) uplink_mbit: f64,
}

fn parse_fraction(text: &str) -> Result<(u32, u32), String> {
    text.split_once('/')
        .and_then(|(above, below)| Some((above.trim().parse().ok()?, below.trim().parse().ok()?)))
        .ok_or_else(|| format!("\"{text}\" is not a fraction, written such as 1/10"))
}

impl Question {
    pub(crate) fn wish(&self) -> Wish {
        Wish {
            nodes: self.nodes,
            rounds: self.rounds,
            epsilon: self.epsilon,
            noise_multiplier: self.noise,
            signal_to_noise: self.signal_to_noise,
            dimension: self.dimension,
            clip: self.clip,
            delta: self.delta,
            corrupt: self.corrupt,
            modulus_bits: self.modulus_bits,
        }
    }

    /// What the answer takes for granted, for people.
    pub(crate) fn assumptions(&self) -> Vec<String> {
        vec![
            format!("training takes {} s on the slowest node", self.train_s),
            format!("windows of random instants take {} s", self.windows_s),
            format!("a line sends {} Mbit/s and receives five times as many", self.uplink_mbit),
            "masks are made at 1 GB/s, one core".to_owned(),
            "every node takes part in every round; no amplification by sampling is claimed"
                .to_owned(),
            "updates at the clip and all in one direction: the true signal is smaller".to_owned(),
        ]
    }
}
