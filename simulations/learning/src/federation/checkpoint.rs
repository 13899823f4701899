//! Where a run stands after a round: enough to go on with the same bits.
//!
//! As bytes: one line of JSON with the counters, then the state of the global model in its canonical form.

use grid::Q40;
use serde::{Deserialize, Serialize};
use version::State;

use crate::{Invalid, LearningError};

/// All that a run needs to go on after a round.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Rounds tried so far.
    pub round: u32,
    /// Of these, rounds with a result.
    pub rounds: u32,
    /// The global model.
    pub(crate) state: State,
    /// What each node has spent.
    pub(crate) spent: Vec<Q40>,
    /// How often each node took part.
    pub participations: Vec<u32>,
    /// Nodes trained.
    pub trained: usize,
    /// Nodes trained together on one thread; 0 before the first round.
    pub group: usize,
    /// Seconds of rounds.
    pub seconds: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counters {
    round: u32,
    rounds: u32,
    spent_q40: Vec<u64>,
    participations: Vec<u32>,
    trained: usize,
    group: usize,
    seconds: f64,
}

impl Checkpoint {
    pub(crate) fn new(start: Vec<f32>, nodes: usize) -> Self {
        Self {
            round: 0,
            rounds: 0,
            state: State::initial(start),
            spent: vec![Q40::ZERO; nodes],
            participations: vec![0; nodes],
            trained: 0,
            group: 0,
            seconds: 0.0,
        }
    }

    /// To keep in a file.
    pub fn encode(&self) -> Vec<u8> {
        let counters = Counters {
            round: self.round,
            rounds: self.rounds,
            spent_q40: self.spent.iter().map(|spent| spent.raw()).collect(),
            participations: self.participations.clone(),
            trained: self.trained,
            group: self.group,
            seconds: self.seconds,
        };
        let mut bytes = serde_json::to_vec(&counters).expect("numbers and vectors serialize");
        bytes.push(b'\n');
        bytes.extend(self.state.encode());
        bytes
    }

    /// From [`Checkpoint::encode`].
    ///
    /// # Errors
    /// [`Invalid::Checkpoint`] for any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, LearningError> {
        let end = bytes.iter().position(|&byte| byte == b'\n').ok_or(Invalid::Checkpoint)?;
        let counters: Counters =
            serde_json::from_slice(&bytes[..end]).map_err(|_| Invalid::Checkpoint)?;
        let state = State::decode(&bytes[end + 1..]).map_err(|_| Invalid::Checkpoint)?;
        let Counters { round, rounds, spent_q40, participations, trained, group, seconds } =
            counters;
        let spent = spent_q40.into_iter().map(Q40::from_raw).collect();
        Ok(Self { round, rounds, state, spent, participations, trained, group, seconds })
    }

    /// ε of the node that has spent most.
    pub(crate) fn epsilon(&self, delta: f64) -> Result<f64, LearningError> {
        let most = self.spent.iter().copied().max().unwrap_or(Q40::ZERO);
        Ok(privacy::zcdp_epsilon(most, delta)?)
    }

    /// ε of the node that took part most, if each participation had cost `rho`.
    pub(crate) fn epsilon_at(&self, rho: Q40, delta: f64) -> Result<f64, LearningError> {
        let most = self.participations.iter().copied().max().unwrap_or(0);
        Ok(privacy::zcdp_epsilon(rho.saturating_mul(most.into()), delta)?)
    }
}
