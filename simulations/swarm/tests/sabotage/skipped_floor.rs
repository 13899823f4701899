//! Nodes that skip the floors of phase 5a: what the machine rejects as a list of too few survivors, their
//! programs sign all the same, and they reveal their shares for it.
//!
//! The coordinator asks for such a sum: it leaves survivors out until three are left, which is as many as
//! its threshold of shares and fewer than the plan's floors allow.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    Rejection,
    node::{Effect, Job, Record, journal::Journal},
};
use serde::{Deserialize, Serialize};
use swarm::{
    Actor, Behaviour, Invariant, Scenario,
    scenario::{coordinator_key, node_key},
};
use wire::{
    Agreement, Checked, Inbox, MemberSet, PlanHash, Reveal, RevealedShare, Roster, Round,
    ShareKind, Signed, Survivors, ToCoordinator, ToNode,
};

use crate::stolen::{Reading, dealt};

/// How many survivors the coordinator leaves: the threshold of four members.
const LEFT: usize = 3;

/// All nodes, and the coordinator that finds them out.
#[derive(Default)]
struct SkipsFloors {
    copies: BTreeMap<usize, Copy>,
    /// Who has agreed to which list.
    agreed: BTreeMap<[u8; 32], BTreeSet<usize>>,
}

/// What a node's program keeps besides the machine: its secrets, and what it was told.
#[derive(Default)]
struct Copy {
    keys: [u8; 32],
    deal: [u8; 32],
    roster: Option<Signed<Roster>>,
    inbox: Option<Inbox>,
    survivors: Option<Signed<Survivors>>,
}

impl Behaviour for SkipsFloors {
    fn job(&mut self, node: usize, job: &Job, entropy: &[u8; 32]) {
        let copy = self.copies.entry(node).or_default();
        match job {
            Job::Keys(_) => copy.keys = *entropy,
            Job::Deal(_) => copy.deal = *entropy,
            Job::Contribute(_) => {}
        }
    }

    fn to_node(&mut self, node: usize, message: ToNode) -> Vec<ToNode> {
        let copy = self.copies.entry(node).or_default();
        match message {
            ToNode::Survivors(survivors) => {
                let few = with_few(&survivors);
                copy.survivors = Some(few.clone());
                return vec![ToNode::Survivors(few)];
            }
            ToNode::Roster(ref roster) => copy.roster = Some(roster.clone()),
            ToNode::Inbox(ref inbox) => copy.inbox = Some(inbox.clone()),
            _ => {}
        }
        vec![message]
    }

    fn node_effects(&mut self, actor: &Actor<'_>, effects: &mut Vec<Effect>) {
        let is_refused = |effect: &Effect| matches!(effect, Effect::Reject(Rejection::TooFew));
        if !effects.iter().any(is_refused) {
            return;
        }
        let copy = self.copies.get(&actor.node);
        let Some((hash, agreement)) = copy.and_then(|copy| copy.agree(actor)) else { return };
        effects.retain(|effect| !is_refused(effect));
        effects.extend(persisted(actor, hash, ToCoordinator::Agreement(agreement)));
        let agreed = self.agreed.entry(hash).or_default();
        agreed.insert(actor.node);
        if agreed.len() == LEFT
            && let Some(reveal) = self.copies[&actor.node].reveal(actor.node)
        {
            effects.push(Effect::Send(ToCoordinator::Reveal(reveal)));
        }
    }

    fn has_honest_coordinator(&self) -> bool {
        false
    }
}

/// The same list without all but the first few.
fn with_few(signed: &Signed<Survivors>) -> Signed<Survivors> {
    let mut survivors = signed.check(signed.claimed_signer()).expect("honest").into_value();
    survivors.members = survivors.members.iter().take(LEFT).collect::<MemberSet>();
    Checked::sign(survivors, &coordinator_key()).signed().clone()
}

impl Copy {
    /// What the machine would sign without its floors; none if the list is not of this node's round, or
    /// leaves this node out.
    fn agree(&self, actor: &Actor<'_>) -> Option<([u8; 32], Signed<Agreement>)> {
        let signed = self.survivors.as_ref()?;
        let survivors = signed.check(signed.claimed_signer()).ok()?;
        let reading = Reading::of(self.roster.as_ref()?, actor.node);
        let journal = actor.disk.journal.as_ref()?;
        let is_mine = survivors.members.contains(reading.own) && journal.round() == survivors.round;
        let agreement =
            Agreement { task: survivors.task, round: survivors.round, survivors: survivors.hash() };
        let agreement = Checked::sign(agreement, &node_key(actor.node)).signed().clone();
        is_mine.then_some((survivors.hash(), agreement))
    }

    /// Shares of everybody's secrets for the short list.
    fn reveal(&self, node: usize) -> Option<Signed<Reveal>> {
        let signed = self.survivors.as_ref()?;
        let survivors = signed.check(signed.claimed_signer()).ok()?;
        let secrets = dealt(self.keys, self.deal, Reading::of(self.roster.as_ref()?, node))?;
        let share = |sealed: &wire::SealedShare| {
            let member = sealed.member;
            let pair = secrets.open(member, &sealed.ciphertext).ok()?;
            let survived = survivors.members.contains(member);
            let kind = if survived { ShareKind::Seed } else { ShareKind::MaskKey };
            Some(RevealedShare { member, kind, share: *pair.reveal(kind).value().as_bytes() })
        };
        let shares = self.inbox.as_ref()?.shares.iter().filter_map(share).collect();
        let (task, round, survivors) = (survivors.task, survivors.round, survivors.hash());
        let reveal = Reveal { task, round, survivors, shares };
        Some(Checked::sign(reveal, &node_key(node)).signed().clone())
    }
}

/// A journal's bytes, as its program writes them to disk.
#[derive(Serialize, Deserialize)]
struct Written {
    round: Round,
    plan: Option<PlanHash>,
    answers: Vec<(Question, ToCoordinator)>,
    ended: bool,
    unfinished: u32,
}

#[derive(Serialize, Deserialize)]
enum Question {
    Plan,
    Roster([u8; 32]),
    Inbox([u8; 32]),
    Consistencies,
    Survivors([u8; 32]),
    Agreements,
}

/// Persists an answer as the machine does, then sends it.
fn persisted(actor: &Actor<'_>, survivors: [u8; 32], message: ToCoordinator) -> Vec<Effect> {
    let journal = actor.disk.journal.as_ref().expect("a node in a round has a journal");
    let bytes = wire::encode(journal);
    let mut written: Written = wire::decode(&bytes, bytes.len()).expect("the same fields");
    written.answers.push((Question::Survivors(survivors), message.clone()));
    let bytes = wire::encode(&written);
    let journal: Journal = wire::decode(&bytes, bytes.len()).expect("the same fields");
    vec![Effect::Persist(Record::Round(journal)), Effect::Send(message)]
}

#[test]
fn a_sum_below_the_floors_is_found() {
    let scenario = Scenario::rough().sized(&[4]);
    super::find_in(&scenario, "skips a floor", Invariant::OneSum, "below the floors", || {
        Box::<SkipsFloors>::default()
    });
}
