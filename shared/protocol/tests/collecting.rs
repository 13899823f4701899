//! Six real nodes and a real coordinator, message by message: whose signatures, complaints and contributions the
//! coordinator takes, once R2 is closed. Each check by itself, with all others satisfied, so that a missing one shows.

mod made;
#[path = "made/swarm.rs"]
mod swarm;

use std::collections::BTreeSet;

use protocol::Rejection;
use swarm::{LIAR, Swarm, id, key_of};
use wire::{Checked, Complaint, MemberIndex, MemberSet, NodeId, Signable, Signed, ToCoordinator};

/// The same words in the liar's name.
fn in_its_own_name<T: Signable + Clone>(signed: &Signed<T>) -> Signed<T> {
    let value = signed.check(signed.claimed_signer()).expect("as it was sent").into_value();
    Checked::sign(value, &key_of(LIAR)).signed().clone()
}

/// The liar is on the roster and deals nothing: the round goes on without it, and it may not come back in.
#[test]
fn whoever_is_outside_r2_neither_signs_complains_nor_contributes() {
    let mut said = [false; 3];
    let swarm = Swarm::play(&mut |from, message| {
        let forged = match &message {
            ToCoordinator::SealedShares(_) if from == id(LIAR) => return Vec::new(),
            ToCoordinator::Consistency(seen) if !std::mem::replace(&mut said[0], true) => {
                let seen_value = seen.check(from).expect("as it was sent").into_value();
                let complaint = Complaint {
                    task: seen_value.task,
                    round: seen_value.round,
                    closed: seen_value.closed,
                    dealers: MemberSet::from_iter([MemberIndex(0), MemberIndex(1)]),
                };
                let complaint = Checked::sign(complaint, &key_of(LIAR)).signed().clone();
                said[1] = true;
                vec![
                    ToCoordinator::Complaint(complaint),
                    ToCoordinator::Consistency(in_its_own_name(seen)),
                ]
            }
            ToCoordinator::Contribution(made) if !std::mem::replace(&mut said[2], true) => {
                vec![ToCoordinator::Contribution(in_its_own_name(made))]
            }
            _ => Vec::new(),
        };
        let forged = forged.into_iter().map(|forged| (id(LIAR), forged));
        forged.chain([(from, message)]).collect()
    });
    assert_eq!(said, [true; 3]);
    assert_eq!(swarm.refused(Rejection::NotAMember), 3, "{:?}", swarm.refused);
    assert_eq!((swarm.refused.len(), swarm.survived), (3, Some((5, 5))));
}

/// Pitfall 4 while contributions are still taken: the first one counts, and the same bytes again are no fault.
#[test]
fn a_second_contribution_while_they_are_taken_is_a_contradiction() {
    let mut first_of_the_liar = None;
    let swarm = Swarm::play(&mut |from, message| {
        let again = match &message {
            ToCoordinator::Contribution(first) if from == id(LIAR) => {
                first_of_the_liar = Some(first.clone());
                let mut other = first.check(from).expect("as it was sent").into_value();
                other.values[0] ^= 1;
                let other = Checked::sign(other, &key_of(LIAR)).signed().clone();
                vec![message.clone(), ToCoordinator::Contribution(other)]
            }
            _ => Vec::new(),
        };
        let again = again.into_iter().map(|again| (from, again));
        std::iter::once((from, message)).chain(again).collect()
    });
    assert_eq!(swarm.refused, [(id(LIAR), Rejection::Contradiction)]);
    assert_eq!(swarm.survived, Some((6, 6)));
    // Each was persisted once, and of the liar the first.
    let kept = swarm.contributions();
    let senders: BTreeSet<NodeId> = kept.iter().map(Signed::claimed_signer).collect();
    assert_eq!((kept.len(), senders.len()), (6, 6));
    let of_the_liar = kept.iter().find(|signed| signed.claimed_signer() == id(LIAR));
    assert_eq!(of_the_liar, first_of_the_liar.as_ref());
}
