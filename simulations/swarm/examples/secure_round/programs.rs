//! The nodes' programs: they perform what their machines order, at once and on the thread that calls.

use std::sync::mpsc::Sender;

use privacy::{Charge, Clipped, PrivacyError, Quantized, Release};
use protocol::{
    Entropy, Node, Time,
    job::Shape,
    node::{Effect, Input, Job, Output, Trained},
};
use rand::{Rng, TryRng as _, rngs::SysRng};
use secagg::KeystreamMasks;
use wire::{NodeId, ToCoordinator, ToNode};

use crate::task::Size;

/// What reaches the coordinator's thread.
pub enum Arrival {
    /// A node says something.
    Message(NodeId, ToCoordinator),
    /// A node has done what it was asked.
    Done,
}

/// One node.
pub struct NodeProgram {
    number: usize,
    machine: Node,
    size: Size,
    /// Its clock: it jumps to the instants that the machine draws.
    now: Time,
    alarm: Option<Time>,
    /// What training has given, made before the round: it is not in the time.
    update: Option<Clipped>,
}

impl NodeProgram {
    /// Starts node `number`.
    pub fn start(size: Size, number: usize) -> Self {
        let mut effects = Vec::new();
        let machine = Node::start(size.node(number), &mut effects);
        Self { number, machine, size, now: Time(0), alarm: None, update: None }
    }

    /// Trains for the next round.
    pub fn train(&mut self) {
        self.update = Some(self.size.update(self.number));
    }

    /// Its identity.
    pub fn id(&self) -> NodeId {
        self.machine.id()
    }

    /// The newest version that it has recomputed.
    pub fn version(&self) -> u64 {
        self.machine.state().map_or(0, |state| state.step())
    }

    /// Hands a message to the machine, and does all that follows from it.
    pub fn hear(&mut self, message: ToNode, to_coordinator: &Sender<Arrival>) {
        let mut inputs = vec![Input::Message(message)];
        while let Some(input) = inputs.pop() {
            let mut effects = Vec::new();
            self.machine.handle(input, self.now, &mut effects);
            for effect in effects {
                inputs.extend(self.perform(effect, to_coordinator));
            }
            if inputs.is_empty()
                && let Some(at) = self.alarm.take()
            {
                self.now = self.now.max(at);
                inputs.push(Input::Wake);
            }
        }
    }

    fn perform(&mut self, effect: Effect, to_coordinator: &Sender<Arrival>) -> Option<Input> {
        match effect {
            Effect::Send(message) => {
                if !(self.has_dropped() && matches!(message, ToCoordinator::Contribution(_))) {
                    to_coordinator.send(Arrival::Message(self.id(), message)).unwrap();
                }
                None
            }
            Effect::Wake(at) => {
                self.alarm = Some(at);
                None
            }
            Effect::Train(order) => {
                let update = self.update.take().expect("trained before the round");
                assert_eq!(update.clip(), order.clip);
                Some(Input::Trained(Trained { key: order.key, update }))
            }
            Effect::Work(job) => self.work(job).map(Input::Worked),
            Effect::Reject(why) => panic!("node {} refuses a message: {why}", self.number),
            Effect::FetchHeaders { .. } | Effect::FetchState(_) | Effect::FetchRecord(_) => {
                panic!("node {} has missed something", self.number)
            }
            Effect::Persist(_) | Effect::Report(_) => None,
        }
    }

    /// Those that drop out do not even mask: nobody waits for what never comes.
    fn work(&self, job: Job) -> Option<Output> {
        match job {
            Job::Contribute(_) if self.has_dropped() => None,
            Job::Contribute(job) => {
                let release = |update, shape: &Shape, charge, rng: &mut _| {
                    self.release(update, shape, charge, rng)
                };
                Some(Output::Prepared(job.run_with::<KeystreamMasks>(entropy(), release)))
            }
            job => Some(job.run(entropy())),
        }
    }

    /// The made integers, so that the sum is known; before them, if asked for, the work of rounding an update.
    #[expect(
        clippy::disallowed_methods,
        reason = "made values, which must be recognised in the sum"
    )]
    fn release(
        &self,
        update: Clipped,
        shape: &Shape,
        charge: Charge,
        rng: &mut impl Rng,
    ) -> Result<Release, PrivacyError> {
        if self.size.quantises {
            std::hint::black_box(Quantized::new(update, &shape.grid, rng)?);
        }
        Ok(Release::assertion(self.size.made(self.number), charge))
    }

    fn has_dropped(&self) -> bool {
        self.number < self.size.dropped
    }
}

fn entropy() -> Entropy {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).unwrap();
    Entropy::new(bytes)
}
