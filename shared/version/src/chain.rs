//! The signed header chain of one task, verified link by link.
//!
//! Every header names the one before by hash, so that one head commits to the whole history. What a
//! header claims of itself is checked here; that its state follows from its sum is checked with
//! [`crate::next_state`] by whoever holds the record.

use std::collections::BTreeMap;

use wire::{
    Checked, Genesis, Header, HeaderHash, Outcome, Round, Signed, StateHash, TaskId, VersionNumber,
};

use crate::ChainError;

/// One task's history from its genesis to its head. Only links that follow are ever in it.
#[derive(Clone, Debug)]
pub struct Chain {
    genesis: Genesis,
    task: TaskId,
    head: HeaderHash,
    last_round: Round,
    headers: Vec<Signed<Header>>,
    /// Every header's place; the genesis has 0.
    places: BTreeMap<HeaderHash, u64>,
    /// By version number.
    versions: Vec<Version>,
}

/// What the chain knows of a version.
#[derive(Clone, Copy, Debug)]
struct Version {
    state: StateHash,
    /// The place of the step that made it the newest one; 0 for version 0.
    index: u64,
    /// The best loss of it and the issued versions that it descends from.
    best_loss_micro: Option<u64>,
}

impl Chain {
    /// The chain of a task of which nothing has happened yet: version 0, round 0.
    pub fn new(genesis: Genesis) -> Self {
        let (task, head) = (genesis.task(), genesis.head());
        let first = Version { state: genesis.initial, index: 0, best_loss_micro: None };
        Self {
            genesis,
            task,
            head,
            last_round: Round(0),
            headers: Vec::new(),
            places: BTreeMap::from([(head, 0)]),
            versions: vec![first],
        }
    }

    /// Adds the next header, if it follows (see [`Chain::check`]).
    ///
    /// # Errors
    /// [`ChainError`]; nothing has changed then.
    pub fn extend(&mut self, header: &Signed<Header>) -> Result<Checked<Header>, ChainError> {
        let checked = self.check(header)?;
        let index = checked.index;
        match checked.outcome {
            Outcome::Issued { state, gate, .. } => {
                let best =
                    self.best_loss_micro().map_or(gate.loss_micro, |b| b.min(gate.loss_micro));
                self.versions.push(Version { state, index, best_loss_micro: Some(best) });
            }
            Outcome::RolledBack { to, state } => {
                let best_loss_micro = self.known(to).and_then(|version| version.best_loss_micro);
                self.versions.push(Version { state, index, best_loss_micro });
            }
            Outcome::Refused { .. } | Outcome::Aborted { .. } => {}
        }
        self.head = checked.hash();
        self.last_round = checked.round;
        self.places.insert(self.head, checked.index);
        self.headers.push(header.clone());
        Ok(checked)
    }

    /// Whether a header follows: signed by the task's coordinator, next in place, linked to the
    /// head, its round above the last one (a rollback may keep it), its version number as the
    /// outcome makes it (issuing and rolling back raise it by one), its outcome as its gate says,
    /// and a rollback to a version of this chain with exactly that version's state.
    ///
    /// # Errors
    /// [`ChainError`], each reason its own.
    pub fn check(&self, header: &Signed<Header>) -> Result<Checked<Header>, ChainError> {
        let header = header.check(self.genesis.coordinator)?;
        self.check_place(&header)?;
        self.check_counters(&header)?;
        self.check_outcome(&header)?;
        Ok(header)
    }

    fn check_place(&self, header: &Checked<Header>) -> Result<(), ChainError> {
        let index = header.index;
        if header.task != self.task {
            return Err(ChainError::Task { index });
        }
        if self.places.get(&header.hash()) == Some(&index) {
            return Err(ChainError::Known { index });
        }
        let expected = self.next_index();
        if (1..expected).contains(&index) {
            return Err(ChainError::Fork { index });
        }
        if index != expected {
            return Err(ChainError::Index { expected, found: index });
        }
        if header.parent != self.head {
            return Err(ChainError::Parent { index });
        }
        Ok(())
    }

    fn check_counters(&self, header: &Header) -> Result<(), ChainError> {
        let (index, last, found) = (header.index, self.last_round, header.round);
        let (rolled_back, new_version) = match header.outcome {
            Outcome::RolledBack { .. } => (true, true),
            Outcome::Issued { .. } => (false, true),
            Outcome::Refused { .. } | Outcome::Aborted { .. } => (false, false),
        };
        if found < last || found == last && !rolled_back {
            return Err(ChainError::Round { index, last, found });
        }
        let expected = if new_version { self.version().next() } else { self.version() };
        if header.version != expected {
            return Err(ChainError::Version { index, expected, found: header.version });
        }
        Ok(())
    }

    fn check_outcome(&self, header: &Header) -> Result<(), ChainError> {
        let index = header.index;
        match header.outcome {
            Outcome::Issued { gate, .. } if !gate.passes() => {
                let (loss_micro, limit_micro) = (gate.loss_micro, gate.limit_micro);
                Err(ChainError::IssuedButFailed { index, loss_micro, limit_micro })
            }
            Outcome::Refused { gate, .. } if gate.passes() => {
                let (loss_micro, limit_micro) = (gate.loss_micro, gate.limit_micro);
                Err(ChainError::RefusedButPassed { index, loss_micro, limit_micro })
            }
            Outcome::RolledBack { to, state } => match self.known(to) {
                None => Err(ChainError::UnknownVersion { index, to }),
                Some(version) if version.state != state => {
                    Err(ChainError::RollbackState { index, to })
                }
                Some(_) => Ok(()),
            },
            Outcome::Issued { .. } | Outcome::Refused { .. } | Outcome::Aborted { .. } => Ok(()),
        }
    }

    /// What the task is.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The task.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// The hash of the last header; the genesis' where there is none.
    pub fn head(&self) -> HeaderHash {
        self.head
    }

    /// The place of the next header; the first header has 1.
    pub fn next_index(&self) -> u64 {
        self.headers.len() as u64 + 1
    }

    /// The last header's round; 0 where there is none.
    pub fn last_round(&self) -> Round {
        self.last_round
    }

    /// The newest version.
    pub fn version(&self) -> VersionNumber {
        VersionNumber(self.versions.len() as u64 - 1)
    }

    /// The newest version's state.
    pub fn state(&self) -> StateHash {
        self.newest().state
    }

    /// The state of any version, also of one that was rolled back.
    pub fn state_of(&self, version: VersionNumber) -> Option<StateHash> {
        self.known(version).map(|version| version.state)
    }

    /// The place of the last step that made a version with this state the newest one; 0 for version 0,
    /// none for a state of no version.
    pub fn place_of(&self, state: StateHash) -> Option<u64> {
        let version = self.versions.iter().rev().find(|version| version.state == state)?;
        Some(version.index)
    }

    /// The best loss, in millionths of a nat per token, of the issued versions that the newest one
    /// descends from, itself included: what [`crate::gate()`] judges the next candidate by. Versions
    /// that a rollback left behind no longer count. None while nothing has been issued.
    pub fn best_loss_micro(&self) -> Option<u64> {
        self.newest().best_loss_micro
    }

    /// All headers, first to last.
    pub fn headers(&self) -> &[Signed<Header>] {
        &self.headers
    }

    /// The headers from a place on; none where the chain does not reach it. The first header has 1.
    pub fn from(&self, index: u64) -> &[Signed<Header>] {
        let skipped = usize::try_from(index.saturating_sub(1)).unwrap_or(usize::MAX);
        self.headers.get(skipped..).unwrap_or_default()
    }

    /// Whether a hash is that of the genesis or of a header of this chain.
    pub fn contains(&self, header: HeaderHash) -> bool {
        self.places.contains_key(&header)
    }

    fn newest(&self) -> &Version {
        self.versions.last().expect("version 0 is always there")
    }

    fn known(&self, version: VersionNumber) -> Option<&Version> {
        self.versions.get(usize::try_from(version.0).ok()?)
    }
}
