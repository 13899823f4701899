//! The task of the bench: as the made world's, but for its size.

use grid::{Modulus, Q32};
use privacy::{Clipped, Ledger, Sampler};
use protocol::{
    coordinator::{Conduct, CoordinatorStart, Settings},
    node::NodeStart,
};
use swarm::scenario;
use version::{Chain, State};
use wire::Genesis;

/// b.
pub const BITS: u32 = 20;

/// What updates are clipped to, and grid units for each parameter unit: 1.
const CLIP: Q32 = Q32::from_raw(1 << 32);

/// How much there is to do.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Members of the round.
    pub nodes: usize,
    /// Parameters.
    pub values: usize,
    /// How many of the nodes deal shares and never contribute.
    pub dropped: usize,
    /// Whether each node rotates and rounds its update in the round.
    pub quantises: bool,
}

impl Size {
    /// Values of a contribution: a power of two.
    pub fn padded(&self) -> usize {
        grid::padded_dimension(self.values).unwrap()
    }

    fn initial(&self) -> State {
        State::initial(vec![0.0; self.values])
    }

    fn genesis(&self) -> Genesis {
        let dimension = u32::try_from(self.values).unwrap();
        Genesis { dimension, initial: self.initial().hash(), ..scenario::genesis() }
    }

    fn settings(&self) -> Settings {
        let one = CLIP;
        let modulus = Modulus::new(BITS).unwrap();
        let (scale, noise) = Settings::noise_for(one, one, 3, modulus, self.values).unwrap();
        let modulus_bits = u8::try_from(BITS).unwrap();
        Settings { scale_q32: scale.raw(), noise, modulus_bits, ..scenario::settings() }
    }

    /// A coordinator at the beginning of the task.
    pub fn coordinator(&self) -> CoordinatorStart {
        CoordinatorStart {
            key: scenario::coordinator_key(),
            settings: self.settings(),
            chain: Chain::new(self.genesis()),
            state: self.initial(),
            base_loss_micro: scenario::LOSS_MICRO,
            round: None,
            heads: Vec::new(),
            conduct: Conduct::default(),
        }
    }

    /// A node at the beginning of the task.
    pub fn node(&self, node: usize) -> NodeStart {
        let (key, policy) = (scenario::node_key(node), scenario::policy());
        let saved = privacy::SavedState::NothingSent;
        let (ledger, _) = Ledger::open(&[], key.clone(), policy.limits(), saved, 0).unwrap();
        NodeStart {
            key,
            policy,
            ledger,
            chain: Chain::new(self.genesis()),
            state: Some(self.initial()),
            journal: None,
            memory: None,
            sampler: Sampler::default(),
            has_conversations: true,
        }
    }

    /// What training would have given.
    pub fn update(&self, node: usize) -> Clipped {
        let seven: [f32; 7] = std::array::from_fn(|place| ((node + place) % 7) as f32 * 0.01);
        let mut values = seven.repeat(self.values.div_ceil(7));
        values.truncate(self.values);
        Clipped::new(&values, CLIP).unwrap()
    }

    /// What a node contributes: integers whose sum is known.
    pub fn made(&self, node: usize) -> Vec<u32> {
        let mask = (1 << BITS) - 1;
        let factor = (node as u32 + 1).wrapping_mul(2_654_435_761);
        (0..self.padded() as u32).map(|place| place.wrapping_mul(factor) & mask).collect()
    }

    /// The sum of what these nodes contribute.
    pub fn expected(&self, nodes: impl Iterator<Item = usize>) -> Vec<u32> {
        let modulus = Modulus::new(BITS).unwrap();
        let mut sum = vec![0; self.padded()];
        nodes.for_each(|node| modulus.add_assign(&mut sum, &self.made(node)).unwrap());
        sum
    }
}
