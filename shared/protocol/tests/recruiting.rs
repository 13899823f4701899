//! How a round ends that has enough nodes and no threshold.

use ed25519_dalek::SigningKey;
use grid::{Modulus, Q32};
use protocol::{
    Coordinator, Time,
    coordinator::{Conduct, CoordinatorStart, Effect, Event, Input, Settings, coordinator_id},
};
use secagg::EphemeralSecrets;
use version::{Chain, State};
use wire::{
    AbortReason, AdapterKind, AdapterSpec, Advertise, Checked, CohortTerms, Genesis, LedgerHash,
    LedgerHead, ModelHash, NodeId, Plan, Precision, Projection, Recipe, ServerOptimizer,
    ServerRule, Signed, ToCoordinator, ToNode, TrainingOptimizer, Windows,
};

const ONE_Q32: u64 = 1 << 32;
const DIMENSION: usize = 64;

fn genesis(key: &SigningKey) -> Genesis {
    Genesis {
        name: "test".to_owned(),
        coordinator: coordinator_id(key),
        base: ModelHash([1; 32]),
        adapter: AdapterSpec {
            kind: AdapterKind::FfaLora,
            rank: 4,
            alpha: 8,
            targets: vec![Projection::Q],
            seed: [2; 32],
        },
        dimension: DIMENSION as u32,
        initial: State::initial(vec![0.0; DIMENSION]).hash(),
    }
}

/// Three of ten may drop out: of 64 they may, of 4 that would be two, and one at most is tolerated.
fn settings() -> Settings {
    let (clip, modulus) = (Q32::from_raw(ONE_Q32), Modulus::new(20).expect("a modulus"));
    let (scale, noise) =
        Settings::noise_for(clip, Q32::from_raw(ONE_Q32), 3, modulus, DIMENSION).expect("room");
    Settings {
        clip_q32: clip.raw(),
        scale_q32: scale.raw(),
        modulus_bits: 20,
        noise,
        cohort: CohortTerms {
            survivors_min: 4,
            corrupt_numerator: 1,
            corrupt_denominator: 10,
            dropout_numerator: 3,
            dropout_denominator: 10,
        },
        windows: Windows {
            train_ms: 1000,
            advertise_ms: 1000,
            shares_ms: 1000,
            consistency_ms: 1000,
            contribute_ms: 1000,
            survivors_ms: 1000,
            reveal_ms: 1000,
        },
        recipe: Recipe {
            steps: 1,
            batch: 1,
            sequence: 8,
            optimizer: TrainingOptimizer::Sgd { momentum_q32: 0 },
            learning_rate_q32: ONE_Q32,
            precision: Precision::F32,
        },
        server: ServerOptimizer { rule: ServerRule::FedAvg, learning_rate_q32: ONE_Q32 },
        gate_tolerance_q32: 0,
    }
}

fn advertise(plan: &Signed<Plan>, number: u8) -> (NodeId, ToCoordinator) {
    advertise_with(plan, number, (0, 0))
}

/// A head of a node's ledger: so many entries, and a hash.
fn head(number: u8, (sequence, hash): (u64, u8)) -> Signed<LedgerHead> {
    let key = SigningKey::from_bytes(&[5; 32]);
    let task = genesis(&key).task();
    let head = LedgerHead { task, sequence, head: LedgerHash([hash; 32]) };
    Checked::sign(head, &SigningKey::from_bytes(&[number; 32])).signed().clone()
}

fn advertise_with(plan: &Signed<Plan>, number: u8, ledger: (u64, u8)) -> (NodeId, ToCoordinator) {
    let key = SigningKey::from_bytes(&[number; 32]);
    let plan = plan.check(plan.claimed_signer()).expect("the coordinator's plan");
    let mut rng =
        <rand_chacha::ChaCha20Rng as rand_chacha::rand_core::SeedableRng>::from_seed([number; 32]);
    let public = EphemeralSecrets::generate(&mut rng).public();
    let advertise = Advertise {
        task: plan.task,
        round: plan.round,
        plan: plan.hash(),
        mask_key: *public.mask_key.as_bytes(),
        seal_key: *public.seal_key.as_bytes(),
        seed_commitment: public.seed_commitment,
        ledger: head(number, ledger),
    };
    let advertise = Checked::sign(advertise, &key);
    (advertise.signer(), ToCoordinator::Advertise(advertise.signed().clone()))
}

/// A machine that has seen these ledger heads, and the plan that it has just offered.
fn begun(heads: Vec<Signed<LedgerHead>>) -> (Coordinator, Signed<Plan>) {
    let (key, mut settings) = (SigningKey::from_bytes(&[5; 32]), settings());
    settings.cohort.dropout_numerator = 1;
    let start = CoordinatorStart {
        key: key.clone(),
        settings,
        chain: Chain::new(genesis(&key)),
        state: State::initial(vec![0.0; DIMENSION]),
        base_loss_micro: 1,
        round: None,
        heads,
        conduct: Conduct::default(),
    };
    let mut effects = Vec::new();
    let mut machine = Coordinator::start(start, Time(0), &mut effects);
    for number in 1..=9 {
        let node = NodeId(SigningKey::from_bytes(&[number; 32]).verifying_key().to_bytes());
        machine.handle(Input::Connected(node), Time(0), &mut effects);
    }
    machine.handle(Input::Begin { rotation_seed: [3; 32] }, Time(0), &mut effects);
    let plan = effects.drain(..).find_map(|effect| match effect {
        Effect::Send { message: ToNode::Plan(plan), .. } => Some(plan),
        _ => None,
    });
    (machine, plan.expect("a plan is offered"))
}

fn tells(effects: &[Effect], node: NodeId, head: &Signed<LedgerHead>) -> bool {
    effects.iter().any(|effect| {
        matches!(effect, Effect::Send { to, message: ToNode::LaterHead(told) } if *to == node && told == head)
    })
}

fn is_refused(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Reject { .. }))
}

/// Promise 3 at the coordinator: what it has seen of a ledger is told to its owner, and a ledger that parted from it
/// advertises nothing.
#[test]
fn a_ledger_that_was_seen_otherwise_is_told_to_its_owner() {
    let seen = [head(1, (2, 7)), head(2, (3, 7)), head(3, (1, 7))];
    let (mut machine, plan) = begun(seen.to_vec());
    let mut say = |number, ledger| {
        let ((from, message), mut effects) = (advertise_with(&plan, number, ledger), Vec::new());
        machine.handle(Input::Message { from, message }, Time(1), &mut effects);
        (from, effects)
    };
    let (node, parted) = say(1, (2, 8));
    assert!(tells(&parted, node, &seen[0]) && is_refused(&parted), "another one of that length");
    let (node, same) = say(1, (2, 7));
    assert!(!tells(&same, node, &seen[0]) && !is_refused(&same), "the one that was seen");
    let (node, shorter) = say(2, (2, 9));
    assert!(tells(&shorter, node, &seen[1]) && !is_refused(&shorter), "it charges, and goes on");
    let (node, longer) = say(3, (2, 9));
    assert!(!tells(&longer, node, &seen[2]) && !is_refused(&longer));
}

/// What a member has seen of another one's ledger goes to its owner, and is kept over a restart.
#[test]
fn a_later_head_that_a_member_tells_of_is_passed_on_and_kept() {
    let (mut machine, _) = begun(vec![head(1, (2, 7))]);
    let owner = NodeId(SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes());
    let from = NodeId(SigningKey::from_bytes(&[2; 32]).verifying_key().to_bytes());
    let mut say = |from, told: &Signed<LedgerHead>| {
        let (message, mut effects) = (ToCoordinator::LaterHead(told.clone()), Vec::new());
        machine.handle(Input::Message { from, message }, Time(1), &mut effects);
        effects
    };
    let later = head(1, (9, 9));
    let effects = say(from, &later);
    assert!(tells(&effects, owner, &later));
    let kept = |effect: &Effect| matches!(effect, Effect::Persist(Record::Heads(heads)) if heads.contains(&later));
    assert!(effects.iter().any(kept));
    assert!(say(from, &later).is_empty(), "old news");
    assert!(!tells(&say(owner, &head(1, (10, 9))), owner, &head(1, (10, 9))), "it knows");
}

/// What rosters show is kept over a restart, too.
#[test]
fn the_heads_of_a_roster_are_kept() {
    let (mut machine, plan) = begun(Vec::new());
    let mut effects = Vec::new();
    for number in 1..=9 {
        let (from, message) = advertise_with(&plan, number, (u64::from(number), number));
        machine.handle(Input::Message { from, message }, Time(1), &mut effects);
    }
    machine.handle(Input::Wake, Time(10_000), &mut effects);
    let kept = effects.iter().find_map(|effect| match effect {
        Effect::Persist(Record::Heads(heads)) => Some(heads.clone()),
        _ => None,
    });
    let kept = kept.expect("they are persisted");
    assert!((1..=9).all(|number| kept.contains(&head(number, (u64::from(number), number)))));
}

#[test]
fn a_size_without_a_threshold_is_named_as_that() {
    let key = SigningKey::from_bytes(&[5; 32]);
    let start = CoordinatorStart {
        key: key.clone(),
        settings: settings(),
        chain: Chain::new(genesis(&key)),
        state: State::initial(vec![0.0; DIMENSION]),
        base_loss_micro: 1,
        round: None,
        heads: Vec::new(),
        conduct: Conduct::default(),
    };
    let mut effects = Vec::new();
    let mut machine = Coordinator::start(start, Time(0), &mut effects);
    let observer = NodeId([9; 32]);
    machine.handle(Input::Connected(observer), Time(0), &mut effects);
    machine.handle(Input::Begin { rotation_seed: [3; 32] }, Time(0), &mut effects);
    let plan = effects.drain(..).find_map(|effect| match effect {
        Effect::Send { message: ToNode::Plan(plan), .. } => Some(plan),
        _ => None,
    });
    let plan = plan.expect("a plan is offered");
    for number in 1..=4 {
        let (from, message) = advertise(&plan, number);
        machine.handle(Input::Message { from, message }, Time(1), &mut effects);
    }
    machine.handle(Input::Wake, Time(10_000), &mut effects);
    let aborted = effects.into_iter().find_map(|effect| match effect {
        Effect::Report(Event::Aborted { reason, .. }) => Some(reason),
        _ => None,
    });
    assert_eq!(aborted, Some(AbortReason::NoThreshold));
}
