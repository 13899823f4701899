//! A coordinator that stops behind what fixes a sum: the sum is made again from the contributions that were persisted,
//! or nothing is said about the round.

mod made;
#[path = "made/swarm.rs"]
mod swarm;

use std::{convert::Infallible, io, sync::Arc};

use made::genesis;
use protocol::{
    Rejection,
    coordinator::{Record, Unfinished, UnfinishedError},
};
use swarm::{LIAR, Swarm, id, key_of};
use wire::{Checked, Contribution, NodeId, Signed, ToCoordinator, Transcript};

type Wired = Vec<(NodeId, ToCoordinator)>;

/// Of six that dealt shares, the liar contributes nothing.
fn without_the_liar(from: NodeId, message: ToCoordinator) -> Wired {
    let drops = from == id(LIAR) && matches!(message, ToCoordinator::Contribution(_));
    if drops { Vec::new() } else { vec![(from, message)] }
}

/// What was persisted last of the round.
fn last(swarm: &Swarm) -> Transcript {
    let round = |record: &Record| match record {
        Record::Round(transcript) => Some((**transcript).clone()),
        _ => None,
    };
    swarm.persisted.iter().rev().find_map(round).expect("the plan at least")
}

fn is_fixed(swarm: &Swarm) -> bool {
    let fixes =
        |record: &Record| matches!(record, Record::Round(round) if !round.agreements.is_empty());
    swarm.persisted.iter().any(fixes)
}

fn sum(swarm: &Swarm) -> Option<Arc<[u8]>> {
    let sum = |record: &Record| match record {
        Record::Step { record, .. } => record.as_ref().map(|record| record.sum.clone()),
        _ => None,
    };
    swarm.persisted.iter().find_map(sum)
}

/// A round that has stopped where its sum was fixed.
fn stopped() -> (Swarm, Transcript, Vec<Signed<Contribution>>) {
    let swarm = Swarm::play_until(is_fixed, &mut without_the_liar);
    let (transcript, contributions) = (last(&swarm), swarm.contributions());
    assert_eq!(contributions.len(), 5);
    (swarm, transcript, contributions)
}

fn read(
    transcript: &Transcript,
    contributions: &[Signed<Contribution>],
) -> Result<Unfinished, UnfinishedError<Infallible>> {
    let contributions = contributions.iter().cloned().map(Ok);
    Unfinished::read(transcript.clone(), &genesis(), contributions)
}

/// The program stops behind its step, which nobody has heard of, and starts again from what it persisted before it asked
/// for shares: the nodes reveal the same ones, and the same sum comes out.
#[test]
fn the_sum_is_the_one_that_came_out_before() {
    let mut swarm = Swarm::play_until(|swarm| sum(swarm).is_some(), &mut without_the_liar);
    let (before, contributions) = (sum(&swarm), swarm.contributions());
    let fixed = swarm.persisted.iter().find_map(|record| match record {
        Record::Round(round) if !round.agreements.is_empty() => Some((**round).clone()),
        _ => None,
    });
    swarm.persisted.clear();
    // A contribution that is there twice counts once.
    let again = [&contributions[..], &contributions[1..2]].concat();
    swarm.restart(read(&fixed.unwrap(), &again).unwrap(), |swarm| sum(swarm).is_some());
    assert_eq!(contributions.len(), 5);
    assert!(sum(&swarm) == before, "another sum");
}

#[test]
fn a_contribution_that_is_missing_changed_or_not_of_the_round_is_never_summed() {
    let (_, transcript, contributions) = stopped();
    let missing = read(&transcript, &contributions[..4]).err();
    assert!(
        matches!(missing, Some(UnfinishedError::Missing { missing: 1, survivors: 5 })),
        "{missing:?}"
    );
    let foreign = |more: Signed<Contribution>| match read(
        &transcript,
        &[&contributions[..], &[more]].concat(),
    ) {
        Err(UnfinishedError::Foreign { node, why }) => (node, why),
        _ => panic!("it was taken"),
    };
    let value = contributions[0].check(contributions[0].claimed_signer()).unwrap().into_value();
    // On the roster and in R2, but no survivor; and nobody at all.
    for number in [LIAR, 77] {
        let signed = Checked::sign(value.clone(), &key_of(number)).signed().clone();
        assert_eq!(foreign(signed), (id(number), Rejection::NotAMember));
    }
    let number = (LIAR..).find(|&number| id(number) == contributions[0].claimed_signer()).unwrap();
    let mut other = value.clone();
    other.values[3] ^= 1;
    let other = Checked::sign(other, &key_of(number)).signed().clone();
    assert_eq!(foreign(other.clone()), (id(number), Rejection::Contradiction));

    let in_place_of = |first: Signed<Contribution>| {
        let all = [&[first], &contributions[1..]].concat();
        read(&transcript, &all).err()
    };
    let mut short = value.clone();
    short.values.pop();
    let short = in_place_of(Checked::sign(short, &key_of(number)).signed().clone());
    assert!(
        matches!(short, Some(UnfinishedError::Foreign { why: Rejection::Shape, .. })),
        "{short:?}"
    );
    let bytes = wire::encode(&contributions[0]);
    let mut flipped = bytes.clone();
    flipped[200] ^= 1;
    let flipped = in_place_of(wire::decode(&flipped, bytes.len()).unwrap());
    assert!(
        matches!(flipped, Some(UnfinishedError::Foreign { why: Rejection::Signed(_), .. })),
        "{flipped:?}"
    );
}

#[test]
fn what_cannot_be_read_is_said_and_what_is_not_needed_is_not_read() {
    let (swarm, transcript, contributions) = stopped();
    let broken = contributions
        .iter()
        .take(2)
        .cloned()
        .map(Ok)
        .chain([Err(io::Error::from(io::ErrorKind::InvalidData))]);
    let error = Unfinished::read(transcript, &genesis(), broken).err();
    assert!(matches!(error, Some(UnfinishedError::Unreadable(_))), "{error:?}");

    // Nobody was told of survivors: the round is aborted, whatever is there.
    let Some(Record::Round(plan)) = swarm.persisted.first() else { panic!("the plan") };
    let never = std::iter::from_fn(|| -> Option<Result<_, Infallible>> { panic!("not needed") });
    assert!(Unfinished::read((**plan).clone(), &genesis(), never).is_ok());
}
