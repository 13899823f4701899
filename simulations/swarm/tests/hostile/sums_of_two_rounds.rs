//! A coordinator that plays with time: it lets rounds fail, asks late, and compares what it gets.

use std::collections::{BTreeMap, BTreeSet};

use protocol::node::{Effect, Event};
use swarm::{
    Actor, Behaviour, Scenario, run_with,
    scenario::{genesis, initial_state, node_id},
};
use wire::{
    AbortReason, Checked, Header, MemberIndex, MemberSet, Outcome, Reveal, RoundResult, ShareKind,
    SharesClosed, Signed, ToCoordinator, ToNode,
};

use crate::{Wire, forged::by_coordinator, lying_coordinator, notebook, play};

/// The node that is singled out.
const VICTIM: usize = 2;

fn checked<T: wire::Signable>(signed: &Signed<T>) -> Checked<T> {
    signed.check(signed.claimed_signer()).expect("an honest message")
}

/// Pitfall: every round is charged, and none is allowed to end with a sum.
struct Drains {
    /// Rounds up to this one come to nothing.
    until: u64,
    /// Charges in a row, for each node; and the most that there were.
    row: std::rc::Rc<std::cell::RefCell<(BTreeMap<usize, u32>, u32)>>,
}

impl Behaviour for Drains {
    fn node_effects(&mut self, actor: &Actor<'_>, effects: &mut Vec<Effect>) {
        let mut notes = self.row.borrow_mut();
        for effect in effects.iter() {
            let row = notes.0.entry(actor.node).or_default();
            match effect {
                Effect::Report(Event::Contributed { .. }) => *row += 1,
                // The owner looks at it after a refusal, and forgives.
                Effect::Report(Event::Adopted { .. } | Event::Refused { .. }) => *row = 0,
                _ => {}
            }
            let row = *row;
            notes.1 = notes.1.max(row);
        }
    }

    fn to_coordinator(&mut self, _: usize, message: ToCoordinator) -> Vec<ToCoordinator> {
        match message {
            ToCoordinator::Agreement(agreement) if checked(&agreement).round.0 <= self.until => {
                Vec::new()
            }
            message => vec![message],
        }
    }

    fn has_honest_coordinator(&self) -> bool {
        false
    }
}

#[test]
fn a_budget_is_not_drained_by_aborts() {
    let row = notebook();
    let outcome = play(Drains { until: 7, row: row.clone() });
    let limit = swarm::scenario::policy().unfinished_max;
    assert_eq!(row.borrow().1, limit, "so many in a row, and no more: {outcome}");
    assert!(
        outcome.reports["a plan or a cohort was refused"] >= 8,
        "every owner is asked: {outcome}"
    );
}

/// The victim is charged in every round, and every sum is made without it: the others go on, and its
/// contributions are as lost as in an abort.
struct LeavesOut {
    /// The victim's charges in a row; and the most that there were.
    row: std::rc::Rc<std::cell::RefCell<(u32, u32)>>,
}

impl Behaviour for LeavesOut {
    fn node_effects(&mut self, actor: &Actor<'_>, effects: &mut Vec<Effect>) {
        let mut notes = self.row.borrow_mut();
        for effect in effects.iter().filter(|_| actor.node == VICTIM) {
            match effect {
                Effect::Report(Event::Contributed { .. }) => notes.0 += 1,
                // The owner looks at it after a refusal, and forgives.
                Effect::Report(Event::Refused { .. }) => notes.0 = 0,
                _ => {}
            }
            notes.1 = notes.1.max(notes.0);
        }
    }

    fn to_coordinator(&mut self, node: usize, message: ToCoordinator) -> Vec<ToCoordinator> {
        match message {
            ToCoordinator::Contribution(_) if node == VICTIM => Vec::new(),
            message => vec![message],
        }
    }

    fn has_honest_coordinator(&self) -> bool {
        false
    }
}

#[test]
fn a_budget_is_not_drained_by_sums_that_leave_it_out() {
    let row = notebook();
    let scenario = Scenario { faulty_ms: 120_000, ..Scenario::calm() };
    let outcome = run_with(&scenario, 5, Box::new(LeavesOut { row: row.clone() }));
    assert_eq!(outcome.violations, [], "{outcome}");
    let limit = swarm::scenario::policy().unfinished_max;
    assert!(outcome.rounds > u64::from(limit), "{outcome}");
    assert_eq!(row.borrow().1, limit, "so many in a row, and no more: {outcome}");
}

/// Pitfall 4: the sum of everybody minus the sum of everybody but one is that one, but for its noise. The
/// coordinator lets a round fail after all have contributed and runs the next one without the victim: no
/// contribution is sent twice, each costs a charge, and only one of the two sums can be unmasked.
#[test]
fn two_cohorts_that_differ_by_one_node_are_two_charges_and_two_draws() {
    let sent = notebook::<BTreeMap<(usize, u64), Vec<u8>>>();
    let seen = sent.clone();
    let to_coordinator = Box::new(move |node, message: ToCoordinator| match &message {
        ToCoordinator::Agreement(agreement) if checked(agreement).round.0 == 1 => Vec::new(),
        ToCoordinator::Advertise(advertise)
            if node == VICTIM && checked(advertise).round.0 == 2 =>
        {
            Vec::new()
        }
        ToCoordinator::Contribution(contribution) => {
            let contribution = checked(contribution);
            seen.borrow_mut().insert((node, contribution.round.0), contribution.values.clone());
            vec![message]
        }
        _ => vec![message],
    });
    let to_node = Box::new(|_, message| vec![message]);
    let outcome = play(Wire { liar: None, to_node, to_coordinator });
    assert!(outcome.aborted(AbortReason::TooFewAgreements) >= 1, "{outcome}");
    let sent = sent.borrow();
    let twice: Vec<usize> = (0..8)
        .filter(|&node| sent.contains_key(&(node, 1)) && sent.contains_key(&(node, 2)))
        .collect();
    assert!(twice.len() >= 4 && sent.contains_key(&(VICTIM, 1)), "{outcome}");
    assert!(!sent.contains_key(&(VICTIM, 2)), "{outcome}");
    // Fresh keys, fresh noise: nothing of the first is in the second (invariant NoiseOnce looks at the
    // values themselves, LedgerHolds at the charges).
    assert!(twice.iter().all(|&node| sent[&(node, 1)] != sent[&(node, 2)]));
}

/// Pitfall 3: the victim's contribution is there, and the coordinator calls it dropped, so that the others
/// help to take its pairwise masks off. Its self mask stays on: nobody reveals a share of that seed.
#[test]
fn a_contribution_that_is_called_dropped_keeps_its_self_mask() {
    let reveals = notebook::<BTreeSet<ShareKind>>();
    let seen = reveals.clone();
    let to_coordinator = Box::new(move |node, message: ToCoordinator| match &message {
        ToCoordinator::Contribution(contribution)
            if node == VICTIM && checked(contribution).round.0 == 1 =>
        {
            Vec::new()
        }
        ToCoordinator::Reveal(reveal) if checked(reveal).round.0 == 1 => {
            seen.borrow_mut().extend(kinds_of(reveal, place_of(VICTIM)));
            vec![message]
        }
        _ => vec![message],
    });
    let to_node = Box::new(|_, message| vec![message]);
    let outcome = play(Wire { liar: None, to_node, to_coordinator });
    assert_eq!(*reveals.borrow(), BTreeSet::from([ShareKind::MaskKey]), "{outcome}");
}

fn kinds_of(reveal: &Signed<Reveal>, place: MemberIndex) -> Vec<ShareKind> {
    let reveal = checked(reveal);
    reveal.shares.iter().filter(|share| share.member == place).map(|share| share.kind).collect()
}

/// The place of a node on a full roster: members ascend by id.
fn place_of(node: usize) -> MemberIndex {
    let mut ids: Vec<_> = (0..8).map(node_id).collect();
    ids.sort();
    let place = ids.iter().position(|id| *id == node_id(node)).expect("it is one of them");
    MemberIndex(place as u8)
}

/// R2 is what the masks are between: one that the coordinator shrinks to its friends is too small for the
/// plan, and nobody signs it.
#[test]
fn an_r2_of_the_coordinators_choice_is_refused_below_the_plans_floors() {
    let to_node = Box::new(|_, message| match message {
        ToNode::Inbox(mut inbox) => {
            let closed = checked(&inbox.closed);
            if closed.round.0 == 1 {
                inbox.closed =
                    crate::forged::by_coordinator(&inbox.closed, |closed: &mut SharesClosed| {
                        closed.members = MemberSet::from_iter([0, 1, 2].map(MemberIndex));
                    });
            }
            vec![ToNode::Inbox(inbox)]
        }
        message => vec![message],
    });
    let to_coordinator = Box::new(|_, message| vec![message]);
    let outcome = play(Wire { liar: None, to_node, to_coordinator });
    assert!(outcome.rejected("node: fewer than the plan demands") >= 8, "{outcome}");
}

/// Promise 6 over rounds: the evidence of an old sum makes no new version, whatever header the coordinator signs for it.
#[test]
fn a_sum_does_not_count_in_a_second_version() {
    let mut first: Option<RoundResult> = None;
    let mut told = false;
    let outcome = lying_coordinator(move |node, message| match message {
        ToNode::Result(result) if node == VICTIM && result.record.is_some() => match &first {
            Some(old) if !told => {
                told = true;
                vec![ToNode::Result(once_more(old, &result))]
            }
            _ => {
                first.get_or_insert_with(|| result.clone());
                vec![ToNode::Result(result)]
            }
        },
        message => vec![message],
    });
    assert!(outcome.rejected("node: does not follow") > 0, "{outcome}");
}

/// The next header, made to name the first version's sum and the state that it gives a second time.
fn once_more(old: &RoundResult, next: &RoundResult) -> RoundResult {
    let (evidence, coordinator) =
        (old.record.clone().expect("a result carries its record"), genesis().coordinator);
    let plan = evidence.plan.check(coordinator).expect("the coordinator signed its plan");
    let survivors = evidence.survivors.check(coordinator).expect("and its survivors").members.len();
    let step = |state| {
        version::next_state(state, &plan, survivors, &evidence.sum)
            .expect("the sum makes a version")
    };
    let twice = step(&step(&initial_state())).hash();
    let header = by_coordinator(&next.header, |header: &mut Header| {
        if let Outcome::Issued { record, state, .. } = &mut header.outcome {
            (*record, *state) = (evidence.hash(), twice);
        }
    });
    RoundResult { header, record: Some(evidence) }
}
