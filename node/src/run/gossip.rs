//! What is believed of gossip: only what its signer signed, for this task.

use std::sync::Arc;

use network::{Validator, Verdict};
use wire::{CoordinatorId, Gossip, TaskId};

/// Accepts plans and heads that the coordinator signed, and ledger heads that their node signed.
pub(super) fn validator(task: TaskId, coordinator: CoordinatorId) -> Validator {
    Arc::new(move |message: &Gossip| {
        let of_the_task = match message {
            Gossip::Plan(plan) => plan.check(coordinator).map(|plan| plan.task == task),
            Gossip::Head(header) => header.check(coordinator).map(|header| header.task == task),
            Gossip::LedgerHead(head) => {
                head.check(head.claimed_signer()).map(|head| head.task == task)
            }
        };
        match of_the_task {
            Ok(true) => Verdict::Accept,
            Ok(false) => Verdict::Ignore,
            Err(_) => Verdict::Reject,
        }
    })
}
