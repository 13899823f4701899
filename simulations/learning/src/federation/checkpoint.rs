//! Where a run stands after a round: enough to go on with the same bits.
//!
//! As bytes: one line of JSON with the counters, then the state of the global model in its canonical form.

use grid::Q40;
use privacy::Adversary;
use serde::{Deserialize, Serialize};
use version::State;

use super::mechanism::Mechanism;
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
    /// Their optimiser steps.
    pub(crate) steps: usize,
    /// Nodes trained together on one thread; 0 before the first round.
    pub group: usize,
    /// Seconds of rounds.
    pub seconds: f64,
    /// Where the keys of all noise come from: with it, the same scenario gives the same run.
    pub noise: [u8; 32],
    /// Of model and data.
    pub(crate) inputs: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counters {
    round: u32,
    rounds: u32,
    spent_q40: Vec<u64>,
    participations: Vec<u32>,
    trained: usize,
    steps: usize,
    group: usize,
    /// Whole, so that what was read is written again as it was.
    microseconds: u64,
    noise: [u8; 32],
    inputs: [u8; 32],
}

impl Checkpoint {
    pub(crate) fn new(start: Vec<f32>, nodes: usize, noise: [u8; 32], inputs: [u8; 32]) -> Self {
        Self {
            round: 0,
            rounds: 0,
            state: State::initial(start),
            spent: vec![Q40::ZERO; nodes],
            participations: vec![0; nodes],
            trained: 0,
            steps: 0,
            group: 0,
            seconds: 0.0,
            noise,
            inputs,
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
            steps: self.steps,
            group: self.group,
            microseconds: (self.seconds * 1e6).round() as u64,
            noise: self.noise,
            inputs: self.inputs,
        };
        let mut bytes = serde_json::to_vec(&counters).expect("numbers and vectors serialize");
        bytes.push(b'\n');
        bytes.extend(self.state.encode());
        bytes
    }

    /// From [`Checkpoint::encode`].
    ///
    /// # Errors
    /// [`Invalid::DamagedCheckpoint`] for any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, LearningError> {
        let damaged = Invalid::DamagedCheckpoint;
        let end = bytes.iter().position(|&byte| byte == b'\n').ok_or(damaged.clone())?;
        let counters: Counters =
            serde_json::from_slice(&bytes[..end]).map_err(|_| damaged.clone())?;
        let state = State::decode(&bytes[end + 1..]).map_err(|_| damaged)?;
        let spent = counters.spent_q40.iter().copied().map(Q40::from_raw).collect();
        let Counters {
            round,
            rounds,
            participations,
            trained,
            steps,
            group,
            microseconds,
            noise,
            inputs,
            ..
        } = counters;
        Ok(Self {
            round,
            rounds,
            state,
            spent,
            participations,
            trained,
            steps,
            group,
            seconds: microseconds as f64 / 1e6,
            noise,
            inputs,
        })
    }

    /// ε of the node that has spent most.
    pub(crate) fn epsilon(&self, delta: f64) -> Result<f64, LearningError> {
        let most = self.spent.iter().copied().max().unwrap_or(Q40::ZERO);
        Ok(privacy::zcdp_epsilon(most, delta)?)
    }

    /// ε of the node that took part most against each adversary from whom noise protects.
    pub(crate) fn adversaries(
        &self,
        mechanism: &Mechanism,
        delta: f64,
    ) -> Result<Vec<(Adversary, f64)>, LearningError> {
        let facing = |who: Adversary| Some((who, mechanism.rho_facing(who)?));
        let all = Adversary::ALL.into_iter().filter_map(facing);
        all.map(|(who, rho)| Ok((who, self.epsilon_at(rho, delta)?))).collect()
    }

    /// ε of the node that took part most, if each participation had cost `rho`.
    pub(crate) fn epsilon_at(&self, rho: Q40, delta: f64) -> Result<f64, LearningError> {
        let most = self.participations.iter().copied().max().unwrap_or(0);
        Ok(privacy::zcdp_epsilon(rho.saturating_mul(most.into()), delta)?)
    }
}
