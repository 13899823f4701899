//! Promise 2, by the machine itself: whatever a coordinator signs, a plan beyond the owner's limits is
//! refused before anything is trained, is remembered, and says which number would do.

mod made;

use std::collections::BTreeSet;

use ed25519_dalek::SigningKey;
use grid::Q40;
use made::{genesis, initial, key, plan};
use privacy::{Budget, ChargeTerms, EntryBytes, Ledger, Sampler, SavedState};
use protocol::{
    Node, Policy, Preset, Refusal, Rejection, Time,
    node::{Declined, Effect, Event, Input, NodeStart, Record, memory::Memory},
    policy::Past,
    terms::{PlanFault, Terms},
};
use version::{Chain, State};
use wire::{
    AbortReason, Checked, ContentHash, GateResult, Header, LedgerHash, LedgerHead, NodeId, Outcome,
    Plan, RecordHash, Round, ToNode, VersionNumber,
};

const DAY_MS: u64 = 24 * 3_600_000;

fn owner() -> SigningKey {
    SigningKey::from_bytes(&[6; 32])
}

/// The default preset, but for the cost of one round: the made plan's ρ is about a half.
fn policy() -> Policy {
    Policy { rho_per_round_max: Q40::MAXIMUM, ..Policy::preset(Preset::Default).expect("a preset") }
}

/// A node with what its disk has kept.
struct Kept {
    policy: Policy,
    ledger: Vec<u8>,
    chain: Chain,
    state: State,
    memory: Option<Memory>,
}

impl Kept {
    fn new(policy: Policy) -> Self {
        let (ledger, memory) = (Vec::new(), None);
        Self { policy, ledger, chain: Chain::new(genesis()), state: initial(), memory }
    }

    fn open(&self) -> Ledger {
        let saved = SavedState::Unknown { task: None };
        Ledger::open(&self.ledger, owner(), self.policy.limits(), saved, 0)
            .expect("a whole ledger")
            .0
    }

    /// Starts the node from its disk.
    fn start(&self) -> Node {
        let start = NodeStart {
            key: owner(),
            policy: self.policy.clone(),
            ledger: self.open(),
            chain: self.chain.clone(),
            state: Some(self.state.clone()),
            journal: None,
            memory: self.memory.clone(),
            sampler: Sampler::default(),
            has_conversations: true,
        };
        Node::start(start, &mut Vec::new())
    }

    /// Starts the node from its disk, shows it a plan, and keeps what it remembers.
    fn show(&mut self, plan: &Plan, now: u64) -> Vec<Effect> {
        let mut node = self.start();
        self.tell(&mut node, signed(plan), now)
    }

    /// Tells a running node something, and keeps what it remembers.
    fn tell(&mut self, node: &mut Node, message: ToNode, now: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        node.handle(Input::Message(message), Time(now), &mut effects);
        for effect in &effects {
            match effect {
                Effect::Persist(Record::Memory(memory)) => self.memory = Some(memory.clone()),
                Effect::Persist(Record::Ledger(entry)) => self.ledger.extend(entry),
                _ => {}
            }
        }
        effects
    }

    /// Charges a round of the task, as if it had been taken part in.
    fn charge(&mut self, round: u64) {
        let mut ledger = self.open();
        let terms = Terms::read(Checked::sign(plan(), &key()), &genesis()).expect("a round");
        let terms = ChargeTerms { round: Round(round), ..terms.charge };
        let charge = ledger.admit(&terms).expect("the budget holds it");
        let bytes =
            ledger.record(charge, ContentHash([round as u8; 32]), 0).map(EntryBytes::into_vec);
        self.ledger.extend(bytes.expect("it is outstanding"));
    }

    /// A round that gave a sum, and the version that it made.
    fn publish(&mut self, round: u64) {
        self.state = State::initial(vec![round as f32; 1000]);
        let (record, state) = (RecordHash([round as u8; 32]), self.state.hash());
        self.step(
            round,
            Outcome::Issued { record, state, gate: GateResult { loss_micro: 1, limit_micro: 1 } },
        );
    }

    /// One more step of the chain.
    fn step(&mut self, round: u64, outcome: Outcome) {
        let issued = matches!(outcome, Outcome::Issued { .. });
        let version = self.chain.version();
        let header = Header {
            task: self.chain.task(),
            index: self.chain.next_index(),
            round: Round(round),
            version: if issued { version.next() } else { version },
            parent: self.chain.head(),
            outcome,
        };
        self.chain.extend(Checked::sign(header, &key()).signed()).expect("it follows");
    }
}

fn signed(plan: &Plan) -> ToNode {
    ToNode::Plan(Checked::sign(plan.clone(), &key()).signed().clone())
}

fn trains(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Train(_)))
}

/// Why the plan was refused, and what would do; it was persisted before it was told, and nothing else
/// was done.
fn refusal(effects: &[Effect]) -> Option<(Declined, Option<String>)> {
    let told = effects.iter().position(|e| matches!(e, Effect::Report(Event::Refused { .. })))?;
    assert!(matches!(effects[told - 1], Effect::Persist(Record::Memory(_))));
    assert!(!trains(effects));
    match &effects[told] {
        Effect::Report(Event::Refused { why, would_do, .. }) => {
            Some((why.clone(), would_do.clone()))
        }
        _ => None,
    }
}

#[test]
fn a_plan_within_every_limit_is_trained_for() {
    let mut node = Kept::new(policy());
    assert!(trains(&node.show(&plan(), 1)));
}

#[test]
fn a_plan_beyond_any_limit_trains_nothing_and_says_what_would_do() {
    type Narrow = fn(&mut Policy);
    let cases: [(Narrow, &str); 11] = [
        (|policy| policy.corrupt_min = (1, 9), "`corrupt_min = \"1/10\"`"),
        (|policy| policy.survivors_min = 6, "`survivors_min = 5`"),
        (|policy| policy.own_noise_min = 0.58, "`own_noise_min = 0.5"),
        (|policy| policy.clip_max = grid::Q32::from_raw(1), "`clip_max = 1"),
        (|policy| policy.dimension_max = 999, "`dimension_max = 1000`"),
        (|policy| policy.steps_max = 9, "`steps_max = 10`"),
        (|policy| policy.batch_tokens_max = 255, "`batch_tokens_max = 256`"),
        (|policy| policy.random_window_ms_min = 1001, "`random_window_ms_min = 1000`"),
        (|policy| policy.window_ms_max = 999, "`window_ms_max = 1000`"),
        (|policy| policy.rho_per_round_max = Q40::from_raw(1 << 38), "`rho_per_round_max = 0.4"),
        (|policy| policy.lifetime = Budget::limited(2.0, 1e-6).unwrap(), "a lifetime's ε of 5."),
    ];
    for (narrow, expected) in cases {
        let mut limits = policy();
        narrow(&mut limits);
        let effects = Kept::new(limits).show(&plan(), 1);
        let (why, would_do) =
            refusal(&effects).unwrap_or_else(|| panic!("{expected} was accepted"));
        let would_do = would_do.unwrap_or_else(|| panic!("{why}: nothing would do"));
        assert!(would_do.contains(expected), "{why}: {would_do}");
    }
}

/// The chain says which version its head has: a plan that names the head and another version makes no round.
#[test]
fn a_plan_for_another_version_than_that_of_its_head_is_refused() {
    let (why, would_do) =
        refusal(&Kept::new(policy()).show(&Plan { version: VersionNumber(1), ..plan() }, 1))
            .unwrap();
    assert_eq!(why, Declined::Fault(PlanFault::NotOfTheTask("version")));
    assert_eq!(would_do, None);
}

/// A round is an attempt that is never used twice: not for another plan, and not after a later one.
#[test]
fn a_round_has_one_plan() {
    let mut kept = Kept::new(policy());
    let mut node = kept.start();
    let second = Plan { round: Round(2), ..plan() };
    let mut other = second.clone();
    other.grid.rotation_seed[0] ^= 1;
    assert!(trains(&kept.tell(&mut node, signed(&second), 1)));
    for late in [other, plan()] {
        let effects = kept.tell(&mut node, signed(&late), 2);
        assert!(matches!(effects[..], [Effect::Reject(Rejection::OtherRound)]), "{:?}", late.round);
    }
    assert!(trains(&kept.tell(&mut node, signed(&Plan { round: Round(3), ..plan() }), 3)));
}

#[test]
fn each_task_has_a_budget_of_its_own() {
    let task = Budget::limited(2.0, 1e-6).unwrap();
    let effects = Kept::new(Policy { task, ..policy() }).show(&plan(), 1);
    let (why, would_do) = refusal(&effects).unwrap();
    assert!(why.to_string().contains("task's budget"), "{why}");
    assert!(would_do.unwrap().contains("`swarm_epsilon`"));
}

/// What is refused stays in memory, once, however often the same plan is shown and the node started.
#[test]
fn a_refusal_is_remembered_once() {
    let mut node = Kept::new(Policy { steps_max: 9, ..policy() });
    assert!(refusal(&node.show(&plan(), 1)).is_some());
    assert!(refusal(&node.show(&plan(), 2)).is_none(), "told already");
    let memory = node.memory.unwrap();
    let [refused] = &memory.refused().collect::<Vec<_>>()[..] else { panic!("one") };
    assert_eq!((refused.round, refused.at_ms), (Round(1), 1));
    assert!(refused.why.contains("10 training steps") && refused.would_do.is_some());
}

/// Pitfall: a coordinator that begins round after round, and a node that is restarted in between.
#[test]
fn attempts_of_a_day_are_counted_over_restarts() {
    let mut node = Kept::new(Policy { attempts_per_day_max: 3, ..policy() });
    let round = |round| Plan { round: Round(round), ..plan() };
    for attempt in 1..=3 {
        assert!(trains(&node.show(&round(attempt), attempt)), "attempt {attempt}");
    }
    let (why, would_do) = refusal(&node.show(&round(4), 1_000)).unwrap();
    assert_eq!(why, Declined::Policy(Refusal::Attempts { rounds: 3, limit: 3 }));
    assert_eq!(would_do.unwrap(), "`attempts_per_day_max = 4` under [privacy.limits] would do");
    assert!(trains(&node.show(&round(5), DAY_MS + 1_000)), "the next day");
}

#[test]
fn participations_are_counted_by_the_ledger() {
    let mut node = Kept::new(Policy { participations_max: Some(1), ..policy() });
    let wide = Budget::limited(16.0, 1e-6).unwrap();
    (node.policy.lifetime, node.policy.task) = (wide, wide);
    node.charge(1);
    let (why, would_do) = refusal(&node.show(&Plan { round: Round(2), ..plan() }, 1)).unwrap();
    assert_eq!(why, Declined::Policy(Refusal::Participations { rounds: 1, limit: 1 }));
    assert_eq!(would_do.unwrap(), "`participations_max = 2` under [privacy.limits] would do");
}

/// Separation counts published sums: a coordinator cannot shorten it by signing aborts.
#[test]
fn separation_is_counted_in_sums_and_aborts_do_not_count() {
    let mut node = Kept::new(Policy { separation_min: 2, ..policy() });
    let wide = Budget::limited(16.0, 1e-6).unwrap();
    (node.policy.lifetime, node.policy.task) = (wide, wide);
    let next = |node: &Kept, round| {
        let (head, version) = (node.chain.head(), node.chain.version());
        Plan { round: Round(round), head, version, ..plan() }
    };
    node.charge(1);
    node.publish(1);
    for round in 2..5 {
        node.step(round, Outcome::Aborted { reason: AbortReason::TooFewShares });
    }
    let (why, _) = refusal(&node.show(&next(&node, 5), 1)).unwrap();
    assert_eq!(why, Declined::Policy(Refusal::Separation { asked: 1, limit: 2 }));
    node.publish(5);
    assert!(trains(&node.show(&next(&node, 6), 2)), "one sum was between");
}

/// What a restored ledger has forgotten may have been in the last sum: separation counts from there.
#[test]
fn separation_counts_from_what_a_restored_ledger_has_lost() {
    let mut kept = Kept::new(Policy { separation_min: 2, ..policy() });
    kept.publish(3);
    let mut node = kept.start();
    let (task, head) = (genesis().task(), LedgerHash([9; 32]));
    let later = Checked::sign(LedgerHead { task, sequence: 1, head }, &owner());
    kept.tell(&mut node, ToNode::LaterHead(later.signed().clone()), 1);
    assert!(!kept.ledger.is_empty(), "it was charged");
    let (head, version) = (kept.chain.head(), kept.chain.version());
    let next = Plan { round: Round(4), head, version, ..plan() };
    let (why, _) = refusal(&kept.show(&next, 2)).unwrap();
    assert_eq!(why, Declined::Policy(Refusal::Separation { asked: 1, limit: 2 }));
}

#[test]
fn the_past_is_judged_at_each_limit_and_not_before() {
    let policy = Policy {
        unfinished_max: 2,
        attempts_per_day_max: 3,
        participations_max: Some(4),
        separation_min: 5,
        ..policy()
    };
    let past = Past { participations: 3, sums_since: Some(4), unfinished: 1, attempts: 2 };
    assert_eq!(policy.judge_past(&past), Ok(()));
    assert_eq!(policy.judge_past(&Past { sums_since: None, ..past }), Ok(()));
    let beyond = [
        Past { unfinished: 2, ..past },
        Past { attempts: 3, ..past },
        Past { participations: 4, ..past },
        Past { sums_since: Some(3), ..past },
    ];
    for past in beyond {
        assert!(policy.judge_past(&past).is_err(), "{past:?}");
    }
}

#[test]
fn a_cohort_that_is_small_or_strange_is_refused() {
    let id = |number| NodeId([number; 32]);
    let members: BTreeSet<NodeId> = (0..5).map(id).collect();
    let familiar = BTreeSet::from([id(0), id(1), id(9)]);
    let judge = |change: fn(&mut Policy)| {
        let mut policy = policy();
        change(&mut policy);
        policy.judge_cohort(&members, id(0), &familiar)
    };
    assert_eq!(judge(|policy| policy.cohort_min = 5), Ok(()));
    let small = judge(|policy| policy.cohort_min = 6).unwrap_err();
    assert_eq!(small, Refusal::Cohort { asked: 5, limit: 6 });
    assert_eq!(judge(|policy| policy.familiar_min = 1), Ok(()));
    let strange = judge(|policy| policy.familiar_min = 2).unwrap_err();
    assert_eq!(strange, Refusal::Familiar { asked: 1, limit: 2 }, "oneself does not count");
    assert_eq!(small.would_do(1e-6).unwrap(), "`cohort_min = 5` under [privacy.limits] would do");
}
