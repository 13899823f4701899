//! Six real nodes, phase by phase, and a coordinator that chooses who is on the roster, in R2 and among the survivors:
//! each check of a node by itself, with all others satisfied, so that a missing one shows.

mod made;

use ed25519_dalek::SigningKey;
use grid::Q40;
use made::{genesis, initial, key, plan};
use privacy::{Clipped, Ledger, Sampler, SavedState};
use protocol::{
    Entropy, Node, Policy, Preset, Refusal, Rejection, Time,
    node::{Declined, Effect, Event, Input, NodeStart, Trained},
};
use secagg::{inbox_hash, merkle};
use version::Chain;
use wire::{
    Advertise, Agreement, Checked, Consistency, Inbox, LedgerHash, LedgerHead, MemberIndex,
    MemberSet, Plan, Roster, SealedShare, SealedShares, SharesClosed, SharesRoot, Signed,
    Survivors, SurvivorsHash, ToCoordinator, ToNode,
};

/// What somebody changes in a message.
type Change<T> = fn(&mut T);

/// Nodes in order of their ids, so that a node's number is its place.
struct Room {
    keys: Vec<SigningKey>,
    nodes: Vec<Node>,
    plan: Checked<Plan>,
    entropy: u64,
    /// The last R2.
    closed: Option<Checked<SharesClosed>>,
    /// How much too late alarms ring.
    late_ms: u64,
}

impl Room {
    /// So many nodes, of which the first has limits of its own.
    fn of(count: u8, first: impl FnOnce(&mut Policy)) -> Self {
        let mut keys: Vec<SigningKey> =
            (0..count).map(|number| SigningKey::from_bytes(&[100 + number; 32])).collect();
        keys.sort_by_key(|key| key.verifying_key().to_bytes());
        let open = Policy {
            rho_per_round_max: Q40::MAXIMUM,
            ..Policy::preset(Preset::Default).expect("a preset")
        };
        let mut narrow = open.clone();
        first(&mut narrow);
        let policies = std::iter::once(narrow).chain(std::iter::repeat(open));
        let nodes = keys.iter().zip(policies).map(|(key, policy)| start(key, policy)).collect();
        let plan = Checked::sign(plan(), &key());
        Self { keys, nodes, plan, entropy: 0, closed: None, late_ms: 0 }
    }

    /// Tells a node something, does its work at once and rings its alarms; what it says and reports.
    fn tell(&mut self, node: usize, input: Input) -> Vec<Effect> {
        let (mut inputs, mut said, mut now) = (vec![input], Vec::new(), Time(1));
        while let Some(input) = inputs.pop() {
            let mut effects = Vec::new();
            self.nodes[node].handle(input, now, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Train(order) => {
                        let update = Clipped::new(&[0.01; 1000], order.clip).expect("finite");
                        inputs.push(Input::Trained(Trained { key: order.key, update }));
                    }
                    Effect::Work(job) => inputs.push(Input::Worked(job.run(self.entropy()))),
                    Effect::Wake(at) => {
                        now = Time(at.0 + self.late_ms);
                        inputs.push(Input::Wake);
                    }
                    effect => said.push(effect),
                }
            }
        }
        said
    }

    fn entropy(&mut self) -> Entropy {
        self.entropy += 1;
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.entropy.to_le_bytes());
        Entropy::new(bytes)
    }

    /// Phases 0 to 2: everybody advertises.
    fn roster(&mut self) -> Checked<Roster> {
        let advertised = |effect| match effect {
            Effect::Send(ToCoordinator::Advertise(advertise)) => Some(advertise),
            _ => None,
        };
        let members: Vec<Signed<Advertise>> = (0..self.nodes.len())
            .flat_map(|node| {
                let plan = ToNode::Plan(self.plan.signed().clone());
                self.tell(node, Input::Message(plan)).into_iter().find_map(advertised)
            })
            .collect();
        assert_eq!(members.len(), self.nodes.len(), "everybody advertises");
        let roster = Roster {
            task: self.plan.task,
            round: self.plan.round,
            plan: self.plan.hash(),
            members,
        };
        Checked::sign(roster, &key())
    }

    /// Phase 3: what each node says to the roster.
    fn show(&mut self, roster: &Checked<Roster>) -> Vec<Vec<Effect>> {
        let message = || Input::Message(ToNode::Roster(roster.signed().clone()));
        (0..self.nodes.len()).map(|node| self.tell(node, message())).collect()
    }

    /// Phase 3b: what everybody says to its inbox, with an R2 of the coordinator's choice.
    fn close(
        &mut self,
        roster: &Checked<Roster>,
        dealt: &[Option<SealedShares>],
        members: MemberSet,
    ) -> Vec<Vec<Effect>> {
        let inbox = |target: MemberIndex| -> Vec<SealedShare> {
            let from = |source: MemberIndex| {
                let shares = &dealt[source.get()].as_ref()?.shares;
                let share = shares.iter().find(|share| share.member == target)?;
                Some(SealedShare { member: source, ciphertext: share.ciphertext.clone() })
            };
            members.iter().filter(|&source| source != target).filter_map(from).collect()
        };
        let everybody = MemberSet::first(self.nodes.len());
        let leaf = |target: MemberIndex| {
            let shares = inbox(target);
            let sealed: Vec<(MemberIndex, &[u8])> =
                shares.iter().map(|share| (share.member, share.ciphertext.as_slice())).collect();
            inbox_hash(target, &sealed).expect("an inbox")
        };
        let leaves: Vec<[u8; 32]> = everybody.iter().map(leaf).collect();
        let closed = SharesClosed {
            task: self.plan.task,
            round: self.plan.round,
            plan: self.plan.hash(),
            roster: roster.hash(),
            members,
            shares: SharesRoot(merkle::root(&leaves).expect("there are leaves")),
        };
        let closed = Checked::sign(closed, &key());
        self.closed = Some(closed.clone());
        let inboxes: Vec<(usize, Inbox)> = everybody
            .iter()
            .map(|target| {
                let proof = merkle::prove(&leaves, target.get()).expect("a place of the tree");
                let (closed, shares) = (closed.signed().clone(), inbox(target));
                (target.get(), Inbox { closed, shares, proof })
            })
            .collect();
        let said = inboxes.into_iter().map(|(node, inbox)| {
            let message = ToNode::Inbox(inbox);
            self.tell(node, Input::Message(message))
        });
        said.collect()
    }
}

fn start(key: &SigningKey, policy: Policy) -> Node {
    let saved = SavedState::Unknown { task: None };
    let ledger = Ledger::open(&[], key.clone(), policy.limits(), saved, 0).expect("a new one").0;
    let start = NodeStart {
        key: key.clone(),
        policy,
        ledger,
        chain: Chain::new(genesis()),
        state: Some(initial()),
        journal: None,
        memory: None,
        sampler: Sampler::default(),
        has_conversations: true,
    };
    Node::start(start, &mut Vec::new())
}

fn dealt(effects: &[Effect]) -> Option<SealedShares> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(ToCoordinator::SealedShares(sealed)) => {
            Some(sealed.check(sealed.claimed_signer()).expect("its own").into_value())
        }
        _ => None,
    })
}

fn confirms(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Send(ToCoordinator::Consistency(_))))
}

fn refusal(effects: &[Effect]) -> Option<Refusal> {
    effects.iter().find_map(|effect| match effect {
        Effect::Report(Event::Refused { why: Declined::Policy(why), .. }) => Some(why.clone()),
        _ => None,
    })
}

/// Phases 0 to 3 of a room in which everybody deals.
fn shares(room: &mut Room) -> (Checked<Roster>, Vec<Option<SealedShares>>) {
    let roster = room.roster();
    let shares: Vec<_> = room.show(&roster).iter().map(|said| dealt(said)).collect();
    assert!(shares.iter().all(Option::is_some), "everybody deals");
    (roster, shares)
}

#[test]
fn a_roster_that_its_owner_does_not_allow_gets_no_shares() {
    type Narrow = fn(&mut Policy);
    let cases: [(Narrow, Refusal); 2] = [
        (|policy| policy.cohort_min = 7, Refusal::Cohort { asked: 6, limit: 7 }),
        (|policy| policy.familiar_min = 1, Refusal::Familiar { asked: 0, limit: 1 }),
    ];
    for (narrow, why) in cases {
        let mut room = Room::of(6, narrow);
        let roster = room.roster();
        let said = room.show(&roster);
        assert_eq!((refusal(&said[0]), dealt(&said[0])), (Some(why), None));
        assert!(said[1..].iter().all(|said| dealt(said).is_some() && refusal(said).is_none()));
    }
}

/// Whatever the members themselves signed: a roster is of this task, round and plan, in order, nobody twice.
#[test]
fn a_roster_of_other_terms_or_in_another_order_is_refused() {
    let wrong: [(Change<Roster>, Rejection); 5] = [
        (|roster| roster.task.0[0] ^= 1, Rejection::OtherTask),
        (|roster| roster.round.0 += 1, Rejection::OtherRound),
        (|roster| roster.plan.0[0] ^= 1, Rejection::OtherTerms),
        (|roster| roster.members.swap(1, 2), Rejection::Members),
        (|roster| roster.members[2] = roster.members[1].clone(), Rejection::Members),
    ];
    let mut room = Room::of(6, |_| {});
    let right = room.roster();
    for (change, why) in wrong {
        let mut roster = right.clone().into_value();
        change(&mut roster);
        let said = room.show(&Checked::sign(roster, &key()));
        assert!(said.iter().all(|said| rejects(said, why)), "{why:?}");
    }
    assert!(room.show(&right).iter().all(|said| dealt(said).is_some()));
}

/// The roster was large enough; R2 is not, since a member was left out of it.
#[test]
fn an_r2_that_its_owner_does_not_allow_is_not_confirmed() {
    let mut room = Room::of(6, |policy| policy.cohort_min = 6);
    let (roster, shares) = self::shares(&mut room);
    let said = room.close(&roster, &shares, MemberSet::first(5));
    assert_eq!(refusal(&said[0]), Some(Refusal::Cohort { asked: 5, limit: 6 }));
    assert!(!confirms(&said[0]) && said[1..5].iter().all(|said| confirms(said)));
}

/// Whoever is not in R2 confirms nothing, whatever inbox it is shown.
#[test]
fn an_r2_without_me_is_not_confirmed() {
    let mut room = Room::of(6, |_| {});
    let (roster, shares) = shares(&mut room);
    let said = room.close(&roster, &shares, MemberSet::first(5));
    assert!(matches!(said[5][..], [Effect::Reject(Rejection::LeftOut)]));
    assert!(said[..5].iter().all(|said| confirms(said)));
}

/// Four of six are enough for the plan's noise, and too few for the threshold of five shares.
#[test]
fn an_r2_below_the_threshold_is_not_confirmed() {
    let mut room = Room::of(6, |_| {});
    let mut few = plan();
    few.cohort.survivors_min = 4;
    room.plan = Checked::sign(few, &key());
    let (roster, shares) = shares(&mut room);
    let said = room.close(&roster, &shares, MemberSet::first(4));
    assert!(said[..4].iter().all(|said| matches!(said[..], [Effect::Reject(Rejection::TooFew)])));
}

/// A second copy of a node advertised under the same identity: whose secrets are not its own keys' deals nothing.
#[test]
fn a_roster_with_other_keys_of_mine_is_refused() {
    let (mut room, mut copy) = (Room::of(6, |_| {}), Room::of(6, |_| {}));
    copy.entropy = 1 << 32;
    room.roster();
    let others = copy.roster();
    let said = room.show(&others);
    assert!(said.iter().all(|said| matches!(said[..], [Effect::Reject(Rejection::Contradiction)])));
}

/// A room whose nodes have confirmed an R2, and what they signed.
struct Confirmed {
    room: Room,
    closed: Checked<SharesClosed>,
    signed: Vec<Signed<Consistency>>,
}

fn confirmed(members: MemberSet) -> Confirmed {
    let mut room = Room::of(6, |_| {});
    let (roster, shares) = shares(&mut room);
    let said = room.close(&roster, &shares, members);
    let consistency = |effect: &Effect| match effect {
        Effect::Send(ToCoordinator::Consistency(signed)) => Some(signed.clone()),
        _ => None,
    };
    let signed = said.iter().flatten().filter_map(consistency).collect();
    let closed = room.closed.clone().expect("it has just been signed");
    Confirmed { room, closed, signed }
}

impl Confirmed {
    fn hear(&mut self, signed: &[Signed<Consistency>]) -> Vec<Effect> {
        self.room.tell(0, Input::Message(ToNode::Consistencies(signed.to_vec())))
    }

    /// Node 0 after its contribution.
    fn contributed(members: MemberSet) -> Self {
        let mut confirmed = confirmed(members);
        let all = confirmed.signed.clone();
        assert!(contributes(&confirmed.hear(&all)));
        confirmed
    }

    /// What node 0 says to a list of survivors.
    fn survive(
        &mut self,
        change: impl FnOnce(&mut Survivors),
    ) -> (Checked<Survivors>, Vec<Effect>) {
        let (task, round, closed) = (self.closed.task, self.closed.round, self.closed.hash());
        let mut survivors = Survivors { task, round, closed, members: self.closed.members };
        change(&mut survivors);
        let survivors = Checked::sign(survivors, &key());
        let message = ToNode::Survivors(survivors.signed().clone());
        let said = self.room.tell(0, Input::Message(message));
        (survivors, said)
    }
}

fn contributes(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Send(ToCoordinator::Contribution(_))))
}

fn rejects(effects: &[Effect], why: Rejection) -> bool {
    matches!(effects, [Effect::Reject(found)] if *found == why)
}

/// Phase 3b: t of the same, one's own counted; of six that is five.
#[test]
fn fewer_than_t_signatures_on_one_r2_open_nothing() {
    let mut confirmed = confirmed(MemberSet::first(6));
    let mut signed = confirmed.signed.clone();
    assert!(rejects(&confirmed.hear(&signed[1..4]), Rejection::TooFew), "four of them");
    // A fifth that saw another R2.
    let mut other = signed[4].check(signed[4].claimed_signer()).expect("its own").into_value();
    other.closed.0[0] ^= 1;
    let right = std::mem::replace(
        &mut signed[4],
        Checked::sign(other, &confirmed.room.keys[4]).signed().clone(),
    );
    assert!(rejects(&confirmed.hear(&signed[1..5]), Rejection::TooFew));
    signed[4] = right;
    assert!(contributes(&confirmed.hear(&signed[1..5])), "five of them");
}

/// Phase 5a: whatever list of survivors is not this node's, of its R2 and large enough is signed by nobody.
#[test]
fn only_a_sound_list_of_survivors_is_agreed_to() {
    let r2 = MemberSet::first(5);
    let wrong: [(Change<Survivors>, Rejection); 5] = [
        (|survivors| survivors.members = MemberSet::first(4), Rejection::TooFew),
        (|survivors| survivors.members = MemberSet::first(6), Rejection::Members),
        (|survivors| survivors.closed.0[0] ^= 1, Rejection::OtherTerms),
        (|survivors| survivors.round.0 += 1, Rejection::OtherRound),
        (|survivors| survivors.task.0[0] ^= 1, Rejection::OtherTask),
    ];
    let mut confirmed = Confirmed::contributed(r2);
    for (change, why) in wrong {
        let (survivors, said) = confirmed.survive(change);
        assert!(rejects(&said, why), "{why:?}: {:?}", survivors.members);
    }
    let agrees = |effect: &Effect| matches!(effect, Effect::Send(ToCoordinator::Agreement(_)));
    assert!(confirmed.survive(|_| {}).1.iter().any(agrees));
}

/// Phase 5b: t agreements on this very list, one's own counted.
#[test]
fn fewer_than_t_agreements_on_one_list_reveal_nothing() {
    let mut confirmed = Confirmed::contributed(MemberSet::first(6));
    let (survivors, _) = confirmed.survive(|_| {});
    let keys = confirmed.room.keys.clone();
    let agreement = |node: usize, list: SurvivorsHash| {
        let agreement = Agreement { task: survivors.task, round: survivors.round, survivors: list };
        Checked::sign(agreement, &keys[node]).signed().clone()
    };
    let mut other: wire::SurvivorsHash = survivors.hash();
    other.0[0] ^= 1;
    let right = |nodes: std::ops::Range<usize>| nodes.map(|node| agreement(node, survivors.hash()));
    let mut hear = |signed: Vec<Signed<Agreement>>| {
        confirmed.room.tell(0, Input::Message(ToNode::Agreements(signed)))
    };
    assert!(rejects(&hear(right(1..4).collect()), Rejection::TooFew), "four of them");
    let split = right(1..4).chain([agreement(4, other)]).collect();
    assert!(rejects(&hear(split), Rejection::TooFew), "a fifth for another list");
    let reveals = |effect: &Effect| matches!(effect, Effect::Send(ToCoordinator::Reveal(_)));
    assert!(hear(right(1..5).collect()).iter().any(reveals), "five of them");
}

/// A machine that slept through its window: nothing is charged, and nothing is sent.
#[test]
fn nothing_is_sent_after_the_window() {
    let late = |late_ms| {
        let mut confirmed = confirmed(MemberSet::first(6));
        confirmed.room.late_ms = late_ms;
        let all = confirmed.signed.clone();
        let said = confirmed.hear(&all);
        let in_vain = |effect: &Effect| matches!(effect, Effect::Report(Event::StayedOut { .. }));
        let spent = confirmed.room.nodes[0].ledger().spent(confirmed.closed.task);
        (contributes(&said), said.iter().any(in_vain), spent > Q40::ZERO)
    };
    assert_eq!(late(0), (true, false, true));
    assert_eq!(late(60_000), (false, true, false));
}

/// Promise 3, among members: whoever has seen a later head than a roster shows sends that one.
#[test]
fn a_member_that_shows_a_shorter_ledger_than_before_is_told_of() {
    let mut room = Room::of(6, |_| {});
    let head = LedgerHead { task: room.plan.task, sequence: 5, head: LedgerHash([5; 32]) };
    let later = Checked::sign(head, &room.keys[3]).signed().clone();
    assert!(room.tell(0, Input::LedgerHead(later.clone())).is_empty(), "news, no more");
    let roster = room.roster();
    let said = room.show(&roster);
    let tells = |effects: &[Effect]| {
        let is_it = |effect: &Effect| matches!(effect, Effect::Send(ToCoordinator::LaterHead(head)) if *head == later);
        effects.iter().any(is_it)
    };
    assert!(tells(&said[0]) && dealt(&said[0]).is_some(), "and it goes on");
    assert!(!said[1..].iter().any(|said| tells(said)), "nobody else has seen it");
}
