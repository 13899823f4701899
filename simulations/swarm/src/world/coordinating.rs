//! The coordinator's program: starting, performing what the machine orders, beginning rounds.

use std::convert::Infallible;

use protocol::{
    Coordinator, Time,
    coordinator::{CoordinatorStart, Effect, Input, Record, Unfinished, UnfinishedError},
    job::UnmaskJob,
};
use rand::RngExt;
use version::{Chain, State};
use wire::{NodeId, Outcome, VersionNumber};

use super::{Happening, World};
use crate::{
    effects::{Moment, Side, TORN, name_coordinator_effect},
    faults::FaultKind,
    invariants::Invariant,
    scenario::{BAD_LOSS_MICRO, LOSS_MICRO, coordinator_key, genesis, settings},
    words,
};

/// How often the program looks whether it can begin a round, in milliseconds.
const POLL_MS: u32 = 400;
/// How many nodes it waits for.
const ENOUGH: usize = 4;

impl World {
    /// Starts the coordinator from its disk, as a program would.
    pub(super) fn start_coordinator(&mut self) {
        if self.coordinator.machine.is_some() {
            return;
        }
        self.behaviour.coordinator_starting(&mut self.coordinator.disk);
        let disk = &self.coordinator.disk;
        let mut chain = Chain::new(genesis());
        for header in &disk.headers {
            if let Err(error) = chain.extend(header) {
                let what = format!("the coordinator does not start: {error}");
                return self.invariants.note(self.now, Err((Invariant::Restarts, None, what)));
            }
        }
        let round = match self.unfinished() {
            Ok(round) => round,
            Err(error) => {
                let what = format!("the coordinator does not start: {error}");
                return self.invariants.note(self.now, Err((Invariant::Restarts, None, what)));
            }
        };
        let disk = &self.coordinator.disk;
        let state = disk.states.get(&chain.state()).expect("the newest version's state is kept");
        let start = CoordinatorStart {
            key: coordinator_key(),
            settings: settings(),
            state: State::decode(state).expect("a state that was kept decodes"),
            chain,
            base_loss_micro: LOSS_MICRO,
            round,
            heads: disk.heads.clone(),
            conduct: disk.conduct.clone(),
        };
        self.line(|| "coordinator starts".to_owned());
        let mut effects = Vec::new();
        self.coordinator.machine = Some(Coordinator::start(
            start,
            self.clocks.coordinator().local(self.now),
            &mut effects,
        ));
        let late = self.behaviour.finds_back_after_ms();
        (0..self.nodes.len()).for_each(|node| self.connect_soon(node, 50 + late, 800 + late));
        let life = self.coordinator.life;
        self.later(POLL_MS, Happening::CoordinatorPolls { life });
        self.perform_for_coordinator(effects);
    }

    /// The round that was going on, with its contributions as they are on the disk.
    fn unfinished(&self) -> Result<Option<Unfinished>, UnfinishedError<Infallible>> {
        let disk = &self.coordinator.disk;
        let Some(transcript) = disk.round.clone() else { return Ok(None) };
        if disk.finished.iter().any(|known| known.transcript.plan == transcript.plan) {
            return Ok(None);
        }
        let contributions = disk.contributions.whole.iter().cloned().map(Ok);
        Unfinished::read(transcript, &genesis(), contributions).map(Some)
    }

    /// Hands an input to the machine, if it runs, and performs what it orders.
    pub(super) fn tell_coordinator(&mut self, input: Input) {
        let Some(machine) = self.coordinator.machine.as_mut() else { return };
        let mut effects = Vec::new();
        machine.handle(input, self.clocks.coordinator().local(self.now), &mut effects);
        self.outcome.steps += 1;
        self.perform_for_coordinator(effects);
    }

    fn perform_for_coordinator(&mut self, mut effects: Vec<Effect>) {
        self.behaviour.coordinator_effects(&mut effects);
        for effect in effects {
            let Some(name) = name_coordinator_effect(&effect) else {
                self.note_operator(&effect);
                continue;
            };
            if self.stops(Side::Coordinator, Moment::Before, name) {
                return self.crash_coordinator();
            }
            if let Effect::Persist(record) = &effect
                && TORN.contains(&(Side::Coordinator, name))
                && self.stops(Side::Coordinator, Moment::During, name)
            {
                self.coordinator.disk.tear(record, &mut self.rng);
                return self.crash_coordinator();
            }
            self.perform_one_for_coordinator(effect);
            if self.stops(Side::Coordinator, Moment::After, name) {
                return self.crash_coordinator();
            }
        }
    }

    fn perform_one_for_coordinator(&mut self, effect: Effect) {
        let life = self.coordinator.life;
        match effect {
            Effect::Persist(record) => {
                self.invariants.coordinator_persists(self.now, &record);
                self.count_step(&record);
                self.coordinator.disk.keep(record);
            }
            Effect::Send { to, message } => {
                if let Some(node) = self.number_of(to) {
                    self.send_to_node(node, message);
                }
            }
            Effect::Wake(at) => {
                let at = self.rings_at(self.clocks.coordinator().world(at));
                self.coordinator.alarm = Some(at);
                self.queue.push(at, Happening::CoordinatorAlarm { life, at });
            }
            Effect::Unmask(job) => self.later(30, Happening::CoordinatorUnmasks { life, job }),
            Effect::Judge(_) => self.later(20, Happening::CoordinatorJudges { life }),
            Effect::Reject { .. } | Effect::Report(_) => {}
        }
    }

    fn number_of(&self, id: NodeId) -> Option<usize> {
        self.numbers.get(&id).copied()
    }

    /// Counts how a round ended; somebody may leave then.
    fn count_step(&mut self, record: &Record) {
        let Record::Step { header, .. } = record else { return };
        let Ok(header) = header.check(header.claimed_signer()) else { return };
        let ending = match header.outcome {
            Outcome::Issued { .. } => "a new version".to_owned(),
            Outcome::Refused { .. } => "a refused candidate".to_owned(),
            Outcome::Aborted { reason } => words::abort(reason),
            Outcome::RolledBack { .. } => return self.faults.count(FaultKind::RolledBack),
        };
        self.line(|| format!("round {} ends with {ending}", header.round));
        self.outcome.rounds += 1;
        self.outcome.versions += u64::from(matches!(header.outcome, Outcome::Issued { .. }));
        *self.outcome.endings.entry(ending).or_default() += 1;
        let leaves = self.faults.mix.leaves;
        if leaves > 0.0 && self.rng.random_bool(leaves) {
            let node = self.rng.random_range(0..self.nodes.len());
            self.later(100, Happening::Leaves { node });
        }
    }

    fn note_operator(&mut self, effect: &Effect) {
        match effect {
            Effect::Reject { from, why } => {
                self.line(|| format!("coordinator rejects {from:?}: {why}"));
                *self.outcome.rejections.entry(format!("coordinator: {why}")).or_default() += 1;
            }
            Effect::Report(event) => {
                self.line(|| format!("coordinator reports: {event:?}"));
                *self.outcome.reports.entry(words::operator(event)).or_default() += 1;
            }
            _ => {}
        }
    }

    fn crash_coordinator(&mut self) {
        self.line(|| "coordinator is down".to_owned());
        self.coordinator.disk.crash(&mut self.rng);
        self.coordinator.machine = None;
        self.coordinator.life += 1;
        self.coordinator.alarm = None;
        for link in &mut self.links {
            link.up = false;
            link.epoch += 1;
        }
        let after = self.between(50, 3_000);
        self.later(after, Happening::CoordinatorStarts);
    }

    pub(super) fn ring_coordinator(&mut self, life: u64, at: Time) {
        let program = &mut self.coordinator;
        if program.life == life && program.alarm.take_if(|alarm| *alarm == at).is_some() {
            self.tell_coordinator(Input::Wake);
        }
    }

    pub(super) fn unmask(&mut self, life: u64, job: UnmaskJob) {
        if self.coordinator.life == life {
            let unmasked = self.behaviour.unmask(job, self.masking);
            self.tell_coordinator(Input::Unmasked(unmasked));
        }
    }

    pub(super) fn judge(&mut self, life: u64) {
        if self.coordinator.life == life {
            let chance = self.faults.mix.bad_candidate;
            let bad = self.faults.strikes(FaultKind::BadCandidate, chance, &mut self.rng);
            let loss_micro = if bad { BAD_LOSS_MICRO } else { LOSS_MICRO };
            self.tell_coordinator(Input::Judged { loss_micro });
        }
    }

    /// Begins a round, or now and then rolls back, whenever the machine rests and enough are there.
    pub(super) fn poll(&mut self, life: u64) {
        if self.coordinator.life != life {
            return;
        }
        if self.calm == super::Calm::No && self.behaviour.stops_coordinator() {
            return self.crash_coordinator();
        }
        self.later(POLL_MS, Happening::CoordinatorPolls { life });
        let Some(machine) = &self.coordinator.machine else { return };
        if !machine.is_resting() || machine.present().len() < ENOUGH {
            return;
        }
        let chance = self.faults.mix.rolls_back;
        if chance > 0.0 && self.rng.random_bool(chance) {
            self.roll_back();
        } else {
            let rotation_seed = self.entropy();
            self.tell_coordinator(Input::Begin { rotation_seed });
        }
    }

    fn roll_back(&mut self) {
        let Some(machine) = &self.coordinator.machine else { return };
        let newest = machine.chain().version().0;
        let to = VersionNumber(self.rng.random_range(0..=newest));
        let state = machine.chain().state_of(to).expect("a version of the chain has a state");
        let bytes = &self.coordinator.disk.states[&state];
        let state = Box::new(State::decode(bytes).expect("a state that was kept decodes"));
        self.tell_coordinator(Input::RollBack { to, state });
    }
}
