//! The node's view of the one history: every step is recomputed from its published sum, and one
//! that does not follow is refused (promise 7).

use version::{Chain, ChainError, State};
use wire::{
    Checked, Header, Outcome, Round, RoundRecord, RoundResult, Signed, StateHash, VersionNumber,
};

use super::{Effect, Event, Record};
use crate::{
    evidence::{Evidence, explain},
    rejection::Rejection,
};

/// The verified chain, and the newest version's state where it is known.
pub(super) struct History {
    chain: Chain,
    state: Option<State>,
}

/// What a result did.
pub(super) struct Followed {
    pub rejection: Option<Rejection>,
    /// The round that it ends.
    pub round: Option<Round>,
    /// Whether the round gave a sum.
    pub summed: bool,
}

impl Followed {
    fn rejected(rejection: Rejection) -> Self {
        Self { rejection: Some(rejection), round: None, summed: false }
    }

    fn nothing() -> Self {
        Self { rejection: None, round: None, summed: false }
    }

    /// Whether the given round is over.
    pub fn ends(&self, round: Round) -> bool {
        self.round.is_some_and(|ended| ended >= round)
    }
}

impl History {
    pub fn new(chain: Chain, state: Option<State>) -> Self {
        let state = state.filter(|state| state.hash() == chain.state());
        Self { chain, state }
    }

    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    pub fn want_headers(&self, effects: &mut Vec<Effect>) {
        effects.push(Effect::FetchHeaders { from: self.chain.next_index() });
    }

    /// Asks for the newest version's bytes where they are missing.
    pub fn want_state(&self, effects: &mut Vec<Effect>) {
        if self.state.is_none() {
            effects.push(Effect::FetchState(self.chain.state()));
        }
    }

    /// Phase 6: takes a result if it is the next step and follows from what is known.
    pub fn follow(&mut self, result: &RoundResult, effects: &mut Vec<Effect>) -> Followed {
        if self.chain.contains(result.header.hash()) {
            return Followed::nothing();
        }
        let header = match self.chain.check(&result.header) {
            Ok(header) => header,
            Err(ChainError::Index { expected, found }) if found > expected => {
                self.want_headers(effects);
                return Followed::nothing();
            }
            Err(error) => return Followed::rejected(chain_fault(&error)),
        };
        let next = match self.recompute(&header, result.record.as_ref()) {
            Ok(next) => next,
            Err(rejection) => return Followed::rejected(rejection),
        };
        self.adopt(&header, result.record.clone(), next, effects)
    }

    /// The state after this step: none where it does not change or cannot be computed here.
    fn recompute(
        &self,
        header: &Checked<Header>,
        record: Option<&RoundRecord>,
    ) -> Result<Option<State>, Rejection> {
        let (hash, expected) = match header.outcome {
            Outcome::Issued { record, state, .. } => (record, state),
            Outcome::Refused { record, candidate, .. } => (record, candidate),
            Outcome::Aborted { .. } | Outcome::RolledBack { .. } => return Ok(None),
        };
        let record = record.ok_or(Rejection::DoesNotFollow)?;
        if record.hash() != hash {
            return Err(Rejection::DoesNotFollow);
        }
        let evidence = Evidence::read(record, self.chain.genesis())?;
        let plan = evidence.terms.plan();
        if plan.head != header.parent || plan.round != header.round {
            return Err(Rejection::DoesNotFollow);
        }
        let Some(state) = &self.state else { return Ok(None) };
        let next = version::next_state(state, plan, evidence.survivors.len(), &record.sum)
            .map_err(|_| Rejection::DoesNotFollow)?;
        if next.hash() == expected { Ok(Some(next)) } else { Err(Rejection::DoesNotFollow) }
    }

    fn adopt(
        &mut self,
        header: &Checked<Header>,
        record: Option<RoundRecord>,
        next: Option<State>,
        effects: &mut Vec<Effect>,
    ) -> Followed {
        if let Err(error) = self.chain.extend(header.signed()) {
            return Followed::rejected(chain_fault(&error));
        }
        let mut state = None;
        match header.outcome {
            Outcome::Issued { .. } => {
                state = next.as_ref().map(State::encode);
                self.state = next;
            }
            Outcome::RolledBack { .. } => self.state = None,
            Outcome::Refused { .. } | Outcome::Aborted { .. } => {}
        }
        let recomputed = state.is_some();
        effects.push(Effect::Persist(Record::Chain {
            headers: vec![header.signed().clone()],
            record: record.map(Box::new),
            state,
        }));
        effects.push(Effect::Report(event(header, recomputed)));
        self.want_state(effects);
        let summed = matches!(header.outcome, Outcome::Issued { .. } | Outcome::Refused { .. });
        Followed { rejection: None, round: Some(header.round), summed }
    }

    /// How a round ended, where the chain says so: whether it gave a sum.
    pub fn ending_of(&self, round: Round) -> Option<bool> {
        if round == Round(0) || self.chain.last_round() < round {
            return None;
        }
        let coordinator = self.chain.genesis().coordinator;
        let headers = self.chain.headers().iter().rev();
        let mut headers = headers.filter_map(|header| header.check(coordinator).ok());
        let ending = headers.find(|header| {
            header.round <= round && !matches!(header.outcome, Outcome::RolledBack { .. })
        })?;
        let summed = matches!(ending.outcome, Outcome::Issued { .. } | Outcome::Refused { .. });
        Some(summed && ending.round == round)
    }

    /// Takes headers that were missed. Their states are not recomputed: the newest is fetched by
    /// its hash, and whoever reports says so.
    pub fn catch_up(
        &mut self,
        headers: &[Signed<Header>],
        effects: &mut Vec<Effect>,
    ) -> Option<Rejection> {
        let mut taken = Vec::new();
        let mut fault = None;
        for header in headers {
            if self.chain.contains(header.hash()) {
                continue;
            }
            if let Err(error) = self.chain.extend(header) {
                fault = Some(chain_fault(&error));
                break;
            }
            taken.push(header.clone());
        }
        if taken.is_empty() {
            return fault;
        }
        let newest = self.chain.state();
        self.state.take_if(|state| state.hash() != newest);
        effects.push(Effect::Persist(Record::Chain { headers: taken, record: None, state: None }));
        self.want_state(effects);
        fault
    }

    fn was_version(&self, state: StateHash) -> bool {
        let versions = (0..self.chain.version().0).rev().map(VersionNumber);
        versions.into_iter().any(|version| self.chain.state_of(version) == Some(state))
    }

    /// Takes the bytes of the newest version's state, if they are its.
    pub fn take_state(&mut self, bytes: &[u8], effects: &mut Vec<Effect>) -> Option<Rejection> {
        if self.state.is_some() {
            return None;
        }
        let wanted: StateHash = self.chain.state();
        match State::decode(bytes) {
            // Asked for before the chain went on.
            Ok(state) if state.hash() != wanted && self.was_version(state.hash()) => None,
            Ok(state) if state.hash() == wanted => {
                self.state = Some(state);
                effects.push(Effect::Persist(Record::Chain {
                    headers: Vec::new(),
                    record: None,
                    state: Some(bytes.to_vec()),
                }));
                let version = self.chain.version();
                effects.push(Effect::Report(Event::AdoptedByHash { version }));
                None
            }
            _ => Some(Rejection::DoesNotFollow),
        }
    }
}

fn chain_fault(error: &ChainError) -> Rejection {
    match error {
        ChainError::Signature(error) => Rejection::Signed(*error),
        ChainError::Task { .. } => Rejection::OtherTask,
        ChainError::Fork { .. } | ChainError::Parent { .. } => Rejection::Fork,
        _ => Rejection::DoesNotFollow,
    }
}

fn event(header: &Checked<Header>, recomputed: bool) -> Event {
    let round = header.round;
    match header.outcome {
        Outcome::Issued { .. } if recomputed => Event::Adopted { version: header.version },
        Outcome::Issued { .. } => Event::NoVersion {
            round,
            why: "the version before is not here: the new one will be fetched by its hash",
        },
        Outcome::Refused { .. } => {
            Event::NoVersion { round, why: "the candidate failed the gate; the charge stays spent" }
        }
        Outcome::Aborted { reason } => Event::NoVersion { round, why: explain(reason) },
        Outcome::RolledBack { .. } => {
            Event::NoVersion { round, why: "rolled back to an earlier version" }
        }
    }
}
