//! Groups spread over worker threads; outcomes in the order of members.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::processor::Processor;
use super::{GroupTrainer, Member, Outcome, Spread, local};
use crate::ModelError;
use crate::stop::StopToken;

/// What a worker sends: which group, and its outcomes.
type Done = (usize, Result<Vec<Outcome>, ModelError>);

pub(super) fn run<E: From<ModelError>>(
    trainer: &GroupTrainer,
    members: &[Member<'_>],
    spread: Spread,
    stop: &StopToken,
    mut each: impl FnMut(usize, Outcome) -> Result<(), E>,
) -> Result<(), E> {
    let size = spread.group.max(1);
    let groups: Vec<&[Member<'_>]> = members.chunks(size).collect();
    let next = AtomicUsize::new(0);
    // A worker waits while this many of its groups' outcomes have not been taken.
    let (sender, receiver) = mpsc::sync_channel::<Done>(2 * spread.threads.max(1));
    // Ends the other workers when one fails or the caller has heard enough.
    let ended = StopToken::new();
    thread::scope(|scope| {
        // Dropped on every way out, so that no worker waits for a listener that is gone.
        let receiver = receiver;
        for _ in 0..spread.threads.clamp(1, groups.len().max(1)) {
            let worker = Worker {
                trainer: trainer.share(),
                groups: &groups,
                next: &next,
                stop,
                ended: &ended,
                sender: sender.clone(),
            };
            thread::Builder::new()
                .name("group".to_owned())
                .spawn_scoped(scope, move || worker.run())
                .map_err(|source| ModelError::Thread { source })?;
        }
        drop(sender);
        let outcome = in_order(&receiver, size, &mut each);
        if outcome.is_err() {
            ended.stop();
        }
        outcome
    })
}

struct Worker<'a, 'm> {
    trainer: GroupTrainer,
    groups: &'a [&'a [Member<'m>]],
    next: &'a AtomicUsize,
    stop: &'a StopToken,
    ended: &'a StopToken,
    sender: mpsc::SyncSender<Done>,
}

impl Worker<'_, '_> {
    fn run(self) {
        tch::set_num_threads(1);
        let _guard = tch::no_grad_guard();
        let GroupTrainer { model, layout, recipe, weights } = &self.trainer;
        let mut processor = weights.as_ref().map(Processor::new);
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(group) = self.groups.get(index) else { return };
            if self.ended.is_stopped() {
                return;
            }
            let processor = processor.as_mut();
            let outcomes = local::train(model, layout, group, recipe, processor, self.stop);
            let failed = outcomes.is_err();
            // Nobody listens any more after an error.
            if self.sender.send((index, outcomes)).is_err() || failed {
                return;
            }
        }
    }
}

/// Hands outcomes on as soon as all before them are there.
fn in_order<E: From<ModelError>>(
    receiver: &mpsc::Receiver<Done>,
    size: usize,
    each: &mut impl FnMut(usize, Outcome) -> Result<(), E>,
) -> Result<(), E> {
    let (mut waiting, mut next) = (BTreeMap::new(), 0);
    for (index, outcomes) in receiver {
        waiting.insert(index, outcomes?);
        while let Some(outcomes) = waiting.remove(&next) {
            for (place, outcome) in outcomes.into_iter().enumerate() {
                each(next * size + place, outcome)?;
            }
            next += 1;
        }
    }
    Ok(())
}
