//! A coordinator that lies: about who takes part, who survived, what the sum is, what came before.

use ed25519_dalek::SigningKey;
use swarm::scenario::node_id;
use wire::{
    AbortReason, Advertise, Agreement, Checked, Header, MemberIndex, MemberSet, Outcome, Plan,
    Reveal, Roster, RoundResult, SharesClosed, Signed, Survivors, ToCoordinator, ToNode,
};

use crate::{
    Wire,
    forged::{by_coordinator, close, flip, open},
    lying_coordinator, notebook, play,
};

/// The node that is lied to.
const VICTIM: usize = 2;

/// Changes one kind of message to the victim, the first time it is said.
macro_rules! once_to_victim {
    ($kind:ident, $lie:expr) => {{
        let mut said = false;
        lying_coordinator(move |node, message| match message {
            ToNode::$kind(honest) if node == VICTIM && !said => {
                said = true;
                ($lie)(honest)
            }
            message => vec![message],
        })
    }};
}

#[test]
fn a_plan_that_another_key_signed_is_refused() {
    let outcome = once_to_victim!(Plan, |plan: Signed<Plan>| {
        let plan = plan.check(plan.claimed_signer()).unwrap().into_value();
        let other = SigningKey::from_bytes(&[9; 32]);
        vec![ToNode::Plan(Checked::sign(plan, &other).signed().clone())]
    });
    assert!(outcome.rejected("signed by a key that is not the expected one") > 0, "{outcome}");
}

#[test]
fn a_plan_whose_bytes_were_changed_is_refused() {
    let outcome = once_to_victim!(Plan, |plan: Signed<Plan>| vec![ToNode::Plan(flip(&plan))]);
    assert!(outcome.rejected("node: signature or form") > 0, "{outcome}");
}

#[test]
fn a_plan_below_the_nodes_policy_is_refused() {
    let outcome = once_to_victim!(Plan, |plan: Signed<Plan>| {
        let weaker = by_coordinator(&plan, |plan| plan.cohort.corrupt_denominator = 1000);
        vec![ToNode::Plan(weaker)]
    });
    assert!(outcome.reports["a plan or a cohort was refused"] > 0, "{outcome}");
}

#[test]
fn a_replayed_plan_is_refused() {
    let mut first = None;
    let outcome = lying_coordinator(move |_, message| match (&message, &first) {
        (ToNode::Plan(plan), None) => {
            first = Some(plan.clone());
            vec![message]
        }
        (ToNode::Result(_), Some(first)) => vec![message, ToNode::Plan(first.clone())],
        _ => vec![message],
    });
    assert!(outcome.rejected("node: for another round") > 0, "{outcome}");
}

/// Pitfall 5 (Pasquini, Francati, Ateniese 2022): a model of its own would make a node's update tell more.
/// The base model, adapter and dimension are those of the genesis, whatever the coordinator signs.
#[test]
fn another_model_for_one_node_is_refused() {
    let outcome = once_to_victim!(Plan, |plan: Signed<Plan>| {
        let other = |change: fn(&mut Plan)| ToNode::Plan(by_coordinator(&plan, change));
        vec![other(|plan| plan.base.0[0] ^= 1), other(|plan| plan.adapter.rank = 9)]
    });
    assert_eq!(outcome.reports["a plan or a cohort was refused"], 2, "{outcome}");
}

/// Pitfall 5, within what the genesis leaves open: another plan for one node has another hash, its keys and
/// masks fit nobody's, and the round goes on without it.
#[test]
fn another_plan_for_one_node_leaves_it_alone() {
    let outcome = once_to_victim!(Plan, |plan: Signed<Plan>| {
        vec![ToNode::Plan(by_coordinator(&plan, |plan| plan.recipe.steps += 1))]
    });
    assert!(outcome.rejected("coordinator: made for other terms") > 0, "{outcome}");
    assert!(outcome.versions >= 2, "{outcome}");
}

/// Pitfall 1: a member's keys are its own signature's business.
#[test]
fn substituted_keys_in_the_roster_are_refused() {
    let outcome = once_to_victim!(Roster, |roster: Signed<Roster>| {
        let forged = by_coordinator(&roster, |roster| {
            let other = roster.members.iter_mut().find(|m| m.claimed_signer() != node_id(VICTIM));
            let member = other.unwrap();
            let mut raw = open(member);
            let mut advertise = member.check(member.claimed_signer()).unwrap().into_value();
            advertise.mask_key = [42; 32];
            raw.bytes = wire::encode(&advertise);
            *member = close(&raw);
        });
        vec![ToNode::Roster(forged)]
    });
    assert!(outcome.rejected("node: signature or form") > 0, "{outcome}");
}

/// Pitfall 7: keys serve one round.
#[test]
fn keys_of_an_earlier_round_are_refused() {
    let earlier = notebook::<Option<Signed<Advertise>>>();
    let seen = earlier.clone();
    let mut said = false;
    let to_coordinator = Box::new(move |node, message: ToCoordinator| {
        if let (ToCoordinator::Advertise(advertise), 3) = (&message, node) {
            seen.borrow_mut().get_or_insert_with(|| advertise.clone());
        }
        vec![message]
    });
    let to_node = Box::new(move |node, message| match message {
        ToNode::Roster(roster) if node == VICTIM && !said => {
            let honest = roster.check(roster.claimed_signer()).unwrap();
            let earlier = earlier.borrow().clone().unwrap();
            if honest.members.contains(&earlier) {
                return vec![ToNode::Roster(roster)];
            }
            said = true;
            vec![ToNode::Roster(by_coordinator(&roster, |roster| {
                let id = earlier.claimed_signer();
                let place = roster.members.iter().position(|m| m.claimed_signer() == id).unwrap();
                roster.members[place] = earlier;
            }))]
        }
        message => vec![message],
    });
    let outcome = play(Wire { liar: None, to_node, to_coordinator });
    assert!(outcome.rejected("node: for another round") > 0, "{outcome}");
}

#[test]
fn a_roster_without_the_node_or_out_of_order_is_refused() {
    let outcome = once_to_victim!(Roster, |roster: Signed<Roster>| {
        let without = by_coordinator(&roster, |roster| {
            roster.members.retain(|member| member.claimed_signer() != node_id(VICTIM));
        });
        let disordered = by_coordinator(&roster, |roster| roster.members.reverse());
        let small = by_coordinator(&roster, |roster| roster.members.truncate(3));
        vec![ToNode::Roster(without), ToNode::Roster(disordered), ToNode::Roster(small)]
    });
    assert!(outcome.rejected("node: this node is left out") > 0, "{outcome}");
    assert!(outcome.rejected("node: members are out of order") > 1, "{outcome}");
}

/// Half of the nodes see a roster without the last member. Neither half comes to anything.
#[test]
fn split_rosters_end_without_a_contribution() {
    let contributed = notebook::<Vec<u64>>();
    let seen = contributed.clone();
    let to_node = Box::new(move |node, message| match message {
        ToNode::Roster(roster) if node % 2 == 0 => {
            let honest = roster.check(roster.claimed_signer()).unwrap();
            let kept = |member: &Signed<Advertise>| member.claimed_signer() != node_id(7);
            if honest.round.0 > 1 {
                return vec![ToNode::Roster(roster)];
            }
            vec![ToNode::Roster(by_coordinator(&roster, |roster| roster.members.retain(kept)))]
        }
        message => vec![message],
    });
    let to_coordinator = Box::new(move |_, message: ToCoordinator| {
        if let ToCoordinator::Contribution(contribution) = &message {
            let contribution = contribution.check(contribution.claimed_signer()).unwrap();
            seen.borrow_mut().push(contribution.round.0);
        }
        vec![message]
    });
    let outcome = play(Wire { liar: None, to_node, to_coordinator });
    assert!(!contributed.borrow().is_empty() && !contributed.borrow().contains(&1), "{outcome}");
    assert_eq!(outcome.aborted(AbortReason::TooFewShares), 1, "{outcome}");
    assert!(outcome.rejected("coordinator: made for other terms") > 0, "{outcome}");
}

#[test]
fn a_second_roster_is_a_contradiction() {
    let outcome = once_to_victim!(Roster, |roster: Signed<Roster>| {
        let second = by_coordinator(&roster, |roster| {
            roster.members.pop();
        });
        vec![ToNode::Roster(roster), ToNode::Roster(second)]
    });
    assert!(
        outcome.rejected("node: contradicts") + outcome.rejected("node: not waited") > 0,
        "{outcome}"
    );
}

/// The victim alone is shown another R2: its masks would not cancel, so it must not go on.
#[test]
fn another_r2_for_one_node_keeps_it_out() {
    let contributors = notebook::<Vec<(usize, u64)>>();
    let seen = contributors.clone();
    let to_node = Box::new(|node, message| match message {
        ToNode::Inbox(mut inbox) if node == VICTIM => {
            let honest = inbox.closed.check(inbox.closed.claimed_signer()).unwrap();
            if honest.round.0 == 1 {
                inbox.closed = other_closed(&inbox.closed);
            }
            vec![ToNode::Inbox(inbox)]
        }
        message => vec![message],
    });
    let to_coordinator = Box::new(move |node, message: ToCoordinator| {
        if let ToCoordinator::Contribution(contribution) = &message {
            let contribution = contribution.check(contribution.claimed_signer()).unwrap();
            seen.borrow_mut().push((node, contribution.round.0));
        }
        vec![message]
    });
    let outcome = play(Wire { liar: None, to_node, to_coordinator });
    assert!(!contributors.borrow().contains(&(VICTIM, 1)), "{outcome}");
    assert!(contributors.borrow().contains(&(VICTIM, 2)), "{outcome}");
    assert!(outcome.rejected("node: not under the signed root") > 0, "{outcome}");
}

fn other_closed(closed: &Signed<SharesClosed>) -> Signed<SharesClosed> {
    by_coordinator(closed, |closed| closed.shares.0[0] ^= 1)
}

#[test]
fn an_inbox_that_was_changed_is_refused() {
    let outcome = once_to_victim!(Inbox, |inbox: wire::Inbox| {
        let (mut changed, mut shorter) = (inbox.clone(), inbox);
        changed.shares[0].ciphertext[0] ^= 1;
        shorter.shares.pop();
        vec![ToNode::Inbox(changed), ToNode::Inbox(shorter)]
    });
    assert!(outcome.rejected("node: not under the signed root of shares") > 0, "{outcome}");
    assert!(outcome.rejected("node: members are out of order") > 0, "{outcome}");
}

/// Pitfall 2 (Flower's double reveal): a second list of survivors would give the other kind of share.
#[test]
fn a_second_list_of_survivors_is_a_contradiction() {
    let reveals = notebook::<Vec<usize>>();
    let seen = reveals.clone();
    let to_node = Box::new(|_, message| match message {
        // In two rounds: whoever hears the lie first keeps to it, and the round may be lost.
        ToNode::Survivors(survivors) if round_of(&survivors) <= 2 => {
            let second = without(&survivors, 1);
            vec![ToNode::Survivors(survivors), ToNode::Survivors(second)]
        }
        message => vec![message],
    });
    let to_coordinator = Box::new(move |node, message: ToCoordinator| {
        if let ToCoordinator::Reveal(reveal) = &message {
            seen.borrow_mut().push(node);
            assert_one_kind(reveal);
        }
        vec![message]
    });
    let outcome = play(Wire { liar: None, to_node, to_coordinator });
    assert!(outcome.rejected("node: contradicts an earlier message") > 0, "{outcome}");
    assert!(!reveals.borrow().is_empty());
}

fn assert_one_kind(reveal: &Signed<Reveal>) {
    let reveal = reveal.check(reveal.claimed_signer()).expect("an honest reveal");
    let members: Vec<MemberIndex> = reveal.shares.iter().map(|share| share.member).collect();
    assert!(members.windows(2).all(|pair| pair[0] < pair[1]), "a member twice");
}

fn round_of(survivors: &Signed<Survivors>) -> u64 {
    survivors.check(survivors.claimed_signer()).expect("an honest list").round.0
}

fn without(survivors: &Signed<Survivors>, place: u8) -> Signed<Survivors> {
    by_coordinator(survivors, |survivors| {
        survivors.members = survivors.members.minus(MemberSet::from_iter([MemberIndex(place)]));
    })
}

/// Half of the survivors are told another list: neither half has t, and nobody reveals anything.
#[test]
fn split_lists_of_survivors_reveal_nothing() {
    let revealed = notebook::<Vec<u64>>();
    let seen = revealed.clone();
    let to_node = Box::new(|node, message| match message {
        ToNode::Survivors(survivors) if node % 2 == 0 => {
            let honest = survivors.check(survivors.claimed_signer()).unwrap();
            let place = honest.members.iter().find(|&place| !is_even(place)).unwrap();
            let lie = if honest.round.0 == 1 { without(&survivors, place.0) } else { survivors };
            vec![ToNode::Survivors(lie)]
        }
        message => vec![message],
    });
    let to_coordinator = Box::new(move |_, message: ToCoordinator| {
        if let ToCoordinator::Reveal(reveal) = &message {
            seen.borrow_mut().push(reveal.check(reveal.claimed_signer()).unwrap().round.0);
        }
        vec![message]
    });
    let outcome = play(Wire { liar: None, to_node, to_coordinator });
    assert!(!revealed.borrow().is_empty() && !revealed.borrow().contains(&1), "{outcome}");
    assert_eq!(outcome.aborted(AbortReason::TooFewAgreements), 1, "{outcome}");
}

/// Whether the member at this place of a full roster is an even node (places are sorted by id).
fn is_even(place: MemberIndex) -> bool {
    let mut ids: Vec<_> = (0..8).map(|node| (node_id(node), node)).collect();
    ids.sort();
    ids[place.get()].1 % 2 == 0
}

/// Pitfall 8: n_min counts survivors, and 9: missing shares of noise.
#[test]
fn too_few_survivors_and_survivors_without_me_are_refused() {
    let outcome = once_to_victim!(Survivors, |survivors: Signed<Survivors>| {
        let mut ids: Vec<_> = (0..8).map(node_id).collect();
        ids.sort();
        let own = ids.iter().position(|id| *id == node_id(VICTIM)).unwrap() as u8;
        let few = by_coordinator(&survivors, |survivors| {
            let places = [own, (own + 1) % 8, (own + 2) % 8].map(MemberIndex);
            survivors.members = MemberSet::from_iter(places);
        });
        vec![ToNode::Survivors(few), ToNode::Survivors(without(&survivors, own))]
    });
    assert!(outcome.rejected("node: fewer than the plan demands") > 0, "{outcome}");
    assert!(outcome.rejected("node: this node is left out") > 0, "{outcome}");
}

#[test]
fn fewer_agreements_than_the_threshold_reveal_nothing() {
    let outcome = once_to_victim!(Agreements, |mut agreements: Vec<Signed<Agreement>>| {
        agreements.truncate(4);
        let first = agreements[0].clone();
        agreements.extend([first.clone(), first]);
        vec![ToNode::Agreements(agreements)]
    });
    assert!(outcome.rejected("node: fewer than the plan demands") > 0, "{outcome}");
}

/// Every signature is valid, and there is no end of them: nobody verifies more than there are members.
#[test]
fn more_signatures_than_members_are_not_looked_at() {
    let agreements = once_to_victim!(Agreements, |agreements: Vec<Signed<Agreement>>| {
        vec![ToNode::Agreements([&agreements[..]; 3].concat())]
    });
    let consistencies = once_to_victim!(Consistencies, |seen: Vec<Signed<wire::Consistency>>| {
        vec![ToNode::Consistencies([&seen[..]; 3].concat())]
    });
    for outcome in [agreements, consistencies] {
        assert!(outcome.rejected("node: members are out of order") > 0, "{outcome}");
    }
}

#[test]
fn a_sum_that_was_changed_is_refused() {
    let outcome = once_to_victim!(Result, |mut result: RoundResult| {
        if let Some(record) = &mut result.record {
            std::sync::Arc::make_mut(&mut record.sum)[0] ^= 1;
        }
        vec![ToNode::Result(result)]
    });
    assert!(outcome.rejected("node: does not follow") > 0, "{outcome}");
    assert!(
        !outcome.reports.contains_key("a version was taken by its hash alone"),
        "it catches up by evidence: {outcome}"
    );
}

/// The header is made to fit the changed sum; the state that it names does not follow from it.
#[test]
fn a_version_that_does_not_follow_from_its_sum_is_refused() {
    let outcome = once_to_victim!(Result, |mut result: RoundResult| {
        let record = result.record.as_mut().unwrap();
        std::sync::Arc::make_mut(&mut record.sum)[0] ^= 1;
        let hash = record.hash();
        let header = by_coordinator(&result.header, |header| {
            if let Outcome::Issued { record, .. } = &mut header.outcome {
                *record = hash;
            }
        });
        vec![ToNode::Result(RoundResult { header, record: result.record })]
    });
    assert!(outcome.rejected("node: does not follow") > 0, "{outcome}");
}

/// Agreements of too few survivors prove no sum.
#[test]
fn a_record_without_its_agreements_is_refused() {
    let outcome = once_to_victim!(Result, |mut result: RoundResult| {
        let record = result.record.as_mut().unwrap();
        record.agreements.truncate(2);
        let hash = record.hash();
        let header = by_coordinator(&result.header, |header| {
            if let Outcome::Issued { record, .. } = &mut header.outcome {
                *record = hash;
            }
        });
        vec![ToNode::Result(RoundResult { header, record: result.record })]
    });
    assert!(outcome.rejected("node: fewer than the plan demands") > 0, "{outcome}");
}

/// One agreement less is still enough of them; but it is not the record that the header names.
#[test]
fn a_record_that_is_not_the_headers_is_refused() {
    let outcome = once_to_victim!(Result, |mut result: RoundResult| {
        result.record.as_mut().unwrap().agreements.pop();
        vec![ToNode::Result(result)]
    });
    assert!(outcome.rejected("node: does not follow") > 0, "{outcome}");
}

#[test]
fn a_second_history_is_a_fork() {
    let mut other = None;
    let outcome = lying_coordinator(move |node, message| match message {
        ToNode::Result(result) if node == VICTIM && other.is_none() => {
            other = Some(second_history(&result));
            vec![ToNode::Result(result)]
        }
        ToNode::Plan(plan) if node == VICTIM => {
            other.clone().map(ToNode::Result).into_iter().chain([ToNode::Plan(plan)]).collect()
        }
        message => vec![message],
    });
    assert!(outcome.rejected("node: a fork") > 0, "{outcome}");
    assert_eq!(
        outcome.reports["the coordinator has signed two histories"], 1,
        "the evidence is kept once: {outcome}"
    );
}

/// Another header in the place of this one: an abort where a version was issued.
fn second_history(result: &RoundResult) -> RoundResult {
    let header = by_coordinator(&result.header, |header: &mut Header| {
        header.outcome = Outcome::Aborted { reason: AbortReason::TooFewShares };
        header.version.0 -= 1;
    });
    RoundResult { header, record: None }
}

/// The state of a version that nobody recomputed here is only ever taken by its hash.
#[test]
fn state_bytes_that_were_changed_are_refused() {
    struct ServesOtherStates {
        left: u32,
        missed: bool,
    }
    impl swarm::Behaviour for ServesOtherStates {
        fn to_node(&mut self, node: usize, message: ToNode) -> Vec<ToNode> {
            // The victim misses the first result, and its evidence is gone: it has to fetch the state.
            if matches!(message, ToNode::Result(_)) && node == VICTIM && !self.missed {
                self.missed = true;
                return Vec::new();
            }
            vec![message]
        }

        fn serve_record(&mut self, _: usize, _: wire::RoundRecord) -> Option<wire::RoundRecord> {
            None
        }

        fn serve_state(&mut self, _: usize, mut bytes: Vec<u8>) -> Vec<u8> {
            if self.left > 0 {
                self.left -= 1;
                *bytes.last_mut().unwrap() ^= 1;
            }
            bytes
        }
    }
    let outcome = play(ServesOtherStates { left: 1, missed: false });
    // Once, on arrival; whoever took it would refuse every later version.
    assert_eq!(outcome.rejected("node: does not follow"), 1, "{outcome}");
    assert!(outcome.reports["a version was taken by its hash alone"] > 0, "{outcome}");
}
