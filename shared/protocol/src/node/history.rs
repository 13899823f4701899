//! The node's view of the one history: every step is recomputed from its published sum, and one
//! that does not follow is refused (promise 7).

use std::collections::BTreeSet;

use version::{Chain, ChainError, State};
use wire::{
    Checked, Header, HeaderHash, NodeId, Outcome, RecordHash, Round, RoundRecord, RoundResult,
    Signed, StateHash,
};

use super::{Effect, Event, Record};
use crate::{
    evidence::{Evidence, explain},
    rejection::Rejection,
};

/// The verified chain, and how far its versions are known.
///
/// Headers may be ahead of states: a node that has missed steps fetches the evidence of each, in
/// order, and recomputes from the last state that it knows. By its hash alone a state is taken where
/// nothing is known yet (a node that joins), where the coordinator no longer has the evidence, and
/// where a rollback names a version of the chain.
pub(super) struct History {
    chain: Chain,
    /// The state after the step at the place `known`.
    state: Option<State>,
    /// The place of the last step that is in the state; the genesis has 0.
    known: u64,
    /// The coordinator no longer has the evidence of the step after `known`.
    gone: bool,
    /// Headers of other histories that were kept since the program started.
    forks: BTreeSet<HeaderHash>,
}

/// How many headers of other histories are kept: one is enough.
const FORKS_MAX: usize = 16;

/// What a result did.
pub(super) struct Followed {
    pub rejection: Option<Rejection>,
    /// The round that it ends.
    pub round: Option<Round>,
    /// Whether the round gave a sum.
    pub summed: bool,
    /// Who is in it.
    pub met: BTreeSet<NodeId>,
}

impl Followed {
    fn rejected(rejection: Rejection) -> Self {
        Self { rejection: Some(rejection), ..Self::nothing() }
    }

    fn nothing() -> Self {
        Self { rejection: None, round: None, summed: false, met: BTreeSet::new() }
    }

    /// Whether the given round is over.
    pub fn ends(&self, round: Round) -> bool {
        self.round.is_some_and(|ended| ended >= round)
    }
}

impl History {
    pub fn new(chain: Chain, state: Option<State>) -> Self {
        let place = |state: &State| chain.place_of(state.hash());
        let known = state.as_ref().and_then(place);
        let state = state.filter(|_| known.is_some());
        let (known, gone, forks) = (known.unwrap_or(0), false, BTreeSet::new());
        let mut history = Self { chain, state, known, gone, forks };
        history.pass_idle_steps();
        history
    }

    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The newest version's state, once every step up to it is known.
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref().filter(|_| self.known + 1 == self.chain.next_index())
    }

    /// Whether no version's state is known yet.
    pub fn is_joining(&self) -> bool {
        self.state.is_none()
    }

    pub fn want_headers(&self, effects: &mut Vec<Effect>) {
        effects.push(Effect::FetchHeaders { from: self.chain.next_index() });
    }

    /// Asks for the first thing that is missing between what is known and the head of the chain.
    pub fn ask(&self, effects: &mut Vec<Effect>) {
        if let Some(state) = self.wanted_state() {
            effects.push(Effect::FetchState(state));
        } else if let Some((_, record, _)) = self.next_sum() {
            effects.push(Effect::FetchRecord(record));
        }
    }

    /// The state that only its hash can bring.
    fn wanted_state(&self) -> Option<StateHash> {
        if self.is_joining() || self.gone {
            return Some(self.chain.state());
        }
        match self.next_step()?.outcome {
            Outcome::RolledBack { state, .. } => Some(state),
            _ => None,
        }
    }

    /// The first step that is not known.
    fn next_step(&self) -> Option<Checked<Header>> {
        let header = self.chain.from(self.known + 1).first()?;
        header.check(self.chain.genesis().coordinator).ok()
    }

    /// The same, where it has a sum: with its evidence, and the state that it names.
    fn next_sum(&self) -> Option<(Checked<Header>, RecordHash, StateHash)> {
        let header = self.next_step()?;
        match header.outcome {
            Outcome::Issued { record, state, .. } => Some((header, record, state)),
            Outcome::Refused { record, candidate, .. } => Some((header, record, candidate)),
            Outcome::Aborted { .. } | Outcome::RolledBack { .. } => None,
        }
    }

    /// Goes past steps that leave the state as it is and need no evidence.
    fn pass_idle_steps(&mut self) {
        let Some(known) = &self.state else { return };
        while let Some(header) = self.next_step() {
            match header.outcome {
                Outcome::Aborted { .. } => {}
                Outcome::RolledBack { state, .. } if state == known.hash() => {}
                _ => return,
            }
            self.known = header.index;
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
            Err(error) => {
                self.keep_if_fork(&result.header, &error, effects);
                return Followed::rejected(chain_fault(&error));
            }
        };
        let Some(state) = self.state() else {
            // Steps before it are still being fetched: its turn will come.
            let rejection = self.catch_up(std::slice::from_ref(&result.header), effects);
            if self.is_joining() || self.gone {
                self.ask(effects);
            }
            return Followed { rejection, round: Some(header.round), ..Followed::nothing() };
        };
        let record = result.record.as_ref();
        match self.recompute(state, &header, record) {
            Ok((next, met)) => {
                let followed = self.adopt(&header, record.cloned(), next, effects);
                Followed { met, ..followed }
            }
            Err(rejection) => Followed::rejected(rejection),
        }
    }

    /// Holds a header that somebody else tells of against the chain.
    pub fn compare(&mut self, header: &Signed<Header>, effects: &mut Vec<Effect>) {
        if let Err(error) = self.chain.check(header) {
            self.keep_if_fork(header, &error, effects);
        }
    }

    /// Keeps a header that only another history can hold: another one in a place that is taken, or a
    /// next one after another head.
    fn keep_if_fork(
        &mut self,
        header: &Signed<Header>,
        error: &ChainError,
        effects: &mut Vec<Effect>,
    ) {
        let (ChainError::Fork { index } | ChainError::Parent { index }) = *error else { return };
        if self.forks.len() < FORKS_MAX && self.forks.insert(header.hash()) {
            effects.push(Effect::Persist(Record::Fork(header.clone())));
            effects.push(Effect::Report(Event::Forked { index }));
        }
    }

    /// The state after this step, none where it does not change, and who is in its sum.
    fn recompute(
        &self,
        state: &State,
        header: &Checked<Header>,
        record: Option<&RoundRecord>,
    ) -> Result<(Option<State>, BTreeSet<NodeId>), Rejection> {
        let (hash, expected) = match header.outcome {
            Outcome::Issued { record, state, .. } => (record, state),
            Outcome::Refused { record, candidate, .. } => (record, candidate),
            Outcome::Aborted { .. } | Outcome::RolledBack { .. } => {
                return Ok((None, BTreeSet::new()));
            }
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
        let next = version::next_state(state, plan, evidence.survivors.len(), &record.sum)
            .map_err(|_| Rejection::DoesNotFollow)?;
        if next.hash() != expected {
            return Err(Rejection::DoesNotFollow);
        }
        Ok((Some(next), evidence.roster.ids(evidence.survivors)))
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
        let state = self.know(header, next);
        effects.push(Effect::Persist(Record::Chain {
            headers: vec![header.signed().clone()],
            record: record.map(Box::new),
            state,
        }));
        effects.push(Effect::Report(event(header)));
        self.ask(effects);
        let summed = is_sum(&header.outcome);
        Followed { round: Some(header.round), summed, ..Followed::nothing() }
    }

    /// Remembers what a step has given; the bytes of a new state.
    fn know(&mut self, header: &Header, next: Option<State>) -> Option<Vec<u8>> {
        let mut bytes = None;
        match header.outcome {
            Outcome::Issued { .. } => {
                bytes = next.as_ref().map(State::encode);
                self.state = next;
                self.known = header.index;
            }
            Outcome::Refused { .. } => self.known = header.index,
            Outcome::Aborted { .. } | Outcome::RolledBack { .. } => {}
        }
        self.pass_idle_steps();
        bytes
    }

    /// How a round ended, where the chain says so: whether it gave a sum, which only its evidence
    /// shows.
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
        let summed = is_sum(&ending.outcome);
        Some(summed && ending.round == round && ending.index <= self.known)
    }

    /// How many sums the chain has of rounds after this one; nobody needs to know of more than `most`.
    pub fn sums_after(&self, round: Round, most: u32) -> u32 {
        let coordinator = self.chain.genesis().coordinator;
        let headers = self.chain.headers().iter().rev();
        let after = headers
            .filter_map(|header| header.check(coordinator).ok())
            .take_while(|header| header.round > round)
            .filter(|header| is_sum(&header.outcome));
        after.take(most as usize).count() as u32
    }

    /// Takes headers that were missed. Their states follow, one by one, from their evidence.
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
                self.keep_if_fork(header, &error, effects);
                fault = Some(chain_fault(&error));
                break;
            }
            taken.push(header.clone());
        }
        if !taken.is_empty() {
            self.pass_idle_steps();
            let (headers, record, state) = (taken, None, None);
            effects.push(Effect::Persist(Record::Chain { headers, record, state }));
        }
        fault
    }

    /// Takes the evidence of the first step that is not known, and recomputes; the round of the step and
    /// who is in its sum, if that is done. What comes for another step was asked for before: it is not looked at.
    pub fn take_record(
        &mut self,
        hash: RecordHash,
        record: Option<&RoundRecord>,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<(Round, BTreeSet<NodeId>)>, Rejection> {
        let next = self.next_sum().filter(|(_, wanted, _)| *wanted == hash);
        let (Some((header, ..)), Some(state)) = (next, &self.state) else { return Ok(None) };
        let Some(record) = record else {
            self.do_without(effects);
            return Ok(None);
        };
        let (next, met) = match self.recompute(state, &header, Some(record)) {
            Ok(recomputed) => recomputed,
            Err(rejection) => {
                if record.hash() == hash {
                    let version = header.version;
                    effects.push(Effect::Report(Event::DoesNotFollow { version }));
                }
                return Err(rejection);
            }
        };
        self.gone = false;
        if let Some(bytes) = self.know(&header, next) {
            let (headers, record) = (Vec::new(), Some(Box::new(record.clone())));
            effects.push(Effect::Persist(Record::Chain { headers, record, state: Some(bytes) }));
            effects.push(Effect::Report(Event::Adopted { version: header.version }));
        }
        self.ask(effects);
        Ok(Some((header.round, met)))
    }

    /// The evidence of the next step is gone: the newest version is taken by its hash.
    fn do_without(&mut self, effects: &mut Vec<Effect>) {
        if self.state.as_ref().is_some_and(|state| state.hash() == self.chain.state()) {
            self.known = self.chain.next_index() - 1;
        } else {
            self.gone = true;
            self.ask(effects);
        }
    }

    /// Takes the bytes of a state that only its hash can bring, if they are its.
    pub fn take_state(&mut self, bytes: &[u8], effects: &mut Vec<Effect>) -> Option<Rejection> {
        let wanted = self.wanted_state()?;
        let state = match State::decode(bytes) {
            Ok(state) if state.hash() == wanted => state,
            // Asked for before the chain went on.
            Ok(state) if self.chain.place_of(state.hash()).is_some() => return None,
            _ => return Some(Rejection::DoesNotFollow),
        };
        let event = if self.is_joining() || self.gone {
            self.known = self.chain.next_index() - 1;
            Event::AdoptedByHash { version: self.chain.version() }
        } else {
            let header = self.next_step()?;
            self.known = header.index;
            Event::Restored { version: header.version }
        };
        (self.state, self.gone) = (Some(state), false);
        self.pass_idle_steps();
        effects.push(Effect::Persist(Record::Chain {
            headers: Vec::new(),
            record: None,
            state: Some(bytes.to_vec()),
        }));
        effects.push(Effect::Report(event));
        self.ask(effects);
        None
    }
}

/// Whether a step of the chain published a sum.
fn is_sum(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Issued { .. } | Outcome::Refused { .. })
}

fn chain_fault(error: &ChainError) -> Rejection {
    match error {
        ChainError::Signature(error) => Rejection::Signed(*error),
        ChainError::Task { .. } => Rejection::OtherTask,
        ChainError::Fork { .. } | ChainError::Parent { .. } => Rejection::Fork,
        _ => Rejection::DoesNotFollow,
    }
}

fn event(header: &Checked<Header>) -> Event {
    let round = header.round;
    match header.outcome {
        Outcome::Issued { .. } => Event::Adopted { version: header.version },
        Outcome::Refused { .. } => {
            Event::NoVersion { round, why: "the candidate failed the gate; the charge stays spent" }
        }
        Outcome::Aborted { reason } => Event::NoVersion { round, why: explain(reason) },
        Outcome::RolledBack { .. } => {
            Event::NoVersion { round, why: "rolled back to an earlier version" }
        }
    }
}
