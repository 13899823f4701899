//! What is believed of gossip: only what its signer signed, for this task.

use std::sync::Arc;

use network::{Validator, Verdict};
use wire::{CoordinatorId, Gossip, SignedError, TaskId};

/// Accepts ledger heads that their node signed, and plans and heads that this coordinator itself
/// signed; of another task they are ignored. Whether a ledger head is later than the known one is
/// the machine's to say, which knows them all.
pub(super) fn validator(task: TaskId, coordinator: CoordinatorId) -> Validator {
    Arc::new(move |message: &Gossip| match task_of(message, coordinator) {
        Ok(found) if found == task => Verdict::Accept,
        Ok(_) => Verdict::Ignore,
        Err(_) => Verdict::Reject,
    })
}

fn task_of(message: &Gossip, coordinator: CoordinatorId) -> Result<TaskId, SignedError> {
    match message {
        Gossip::Plan(plan) => plan.check(coordinator).map(|plan| plan.task),
        Gossip::Head(header) => header.check(coordinator).map(|header| header.task),
        Gossip::LedgerHead(head) => head.check(head.claimed_signer()).map(|head| head.task),
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use protocol::coordinator::coordinator_id;
    use wire::{
        AbortReason, Checked, Header, HeaderHash, LedgerHash, LedgerHead, Outcome, Round,
        VersionNumber,
    };

    use super::*;

    const TASK: TaskId = TaskId([1; 32]);

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn head(signer: u8, task: TaskId) -> Gossip {
        let header = Header {
            task,
            index: 1,
            round: Round(1),
            version: VersionNumber(0),
            parent: HeaderHash([0; 32]),
            outcome: Outcome::Aborted { reason: AbortReason::Interrupted },
        };
        Gossip::Head(Checked::sign(header, &key(signer)).signed().clone())
    }

    #[test]
    fn only_this_coordinators_headers_and_own_ledger_heads_pass() {
        let validator = validator(TASK, coordinator_id(&key(7)));
        assert_eq!(validator(&head(7, TASK)), Verdict::Accept);
        assert_eq!(validator(&head(8, TASK)), Verdict::Reject);
        assert_eq!(validator(&head(7, TaskId([2; 32]))), Verdict::Ignore);
        let ledger = LedgerHead { task: TASK, sequence: 3, head: LedgerHash([0; 32]) };
        let signed = Checked::sign(ledger, &key(9)).signed().clone();
        assert_eq!(validator(&Gossip::LedgerHead(signed)), Verdict::Accept);
    }
}
