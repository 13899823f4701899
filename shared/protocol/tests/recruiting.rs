//! How a coordinator takes what members say of themselves, and how a round ends that has enough nodes and no
//! threshold.

use ed25519_dalek::SigningKey;
use grid::{Modulus, Q32};
use protocol::{
    Coordinator, Time,
    coordinator::{
        Conduct, CoordinatorStart, Effect, Event, Input, Record, Settings, coordinator_id,
    },
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
    let key = SigningKey::from_bytes(&[number; 32]);
    let plan = plan.check(plan.claimed_signer()).expect("the coordinator's plan");
    let mut rng =
        <rand_chacha::ChaCha20Rng as rand_chacha::rand_core::SeedableRng>::from_seed([number; 32]);
    let public = EphemeralSecrets::generate(&mut rng).public();
    let ledger = LedgerHead { task: plan.task, sequence: 0, head: LedgerHash([0; 32]) };
    let advertise = Advertise {
        task: plan.task,
        round: plan.round,
        plan: plan.hash(),
        mask_key: *public.mask_key.as_bytes(),
        seal_key: *public.seal_key.as_bytes(),
        seed_commitment: public.seed_commitment,
        ledger: Checked::sign(ledger, &key).signed().clone(),
    };
    let advertise = Checked::sign(advertise, &key);
    (advertise.signer(), ToCoordinator::Advertise(advertise.signed().clone()))
}

fn coordinator(effects: &mut Vec<Effect>) -> Coordinator {
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
    Coordinator::start(start, Time(0), effects)
}

/// One member signs longer and longer ledgers: it must not keep the coordinator's disk busy for everybody.
#[test]
fn heads_without_end_are_remembered_and_not_each_written_down() {
    let mut effects = Vec::new();
    let mut machine = coordinator(&mut effects);
    let key = SigningKey::from_bytes(&[1; 32]);
    let (task, from) = (machine.chain().task(), NodeId(key.verifying_key().to_bytes()));
    machine.handle(Input::Connected(from), Time(0), &mut effects);
    machine.handle(Input::Begin { rotation_seed: [3; 32] }, Time(0), &mut effects);
    let plan = effects.drain(..).find_map(|effect| match effect {
        Effect::Send { message: ToNode::Plan(plan), .. } => Some(plan),
        _ => None,
    });
    for sequence in 1..=100 {
        let head = LedgerHead { task, sequence, head: LedgerHash([sequence as u8; 32]) };
        let message = ToCoordinator::LaterHead(Checked::sign(head, &key).signed().clone());
        machine.handle(Input::Message { from, message }, Time(1), &mut effects);
    }
    let written = |effect: &&Effect| matches!(effect, Effect::Persist(Record::Heads(_)));
    let written = effects.iter().filter(written).count();
    assert!((1..=8).contains(&written), "{written}");
    // The last of them is known all the same: a shorter ledger is told so.
    let (from, message) = advertise(&plan.expect("a plan is offered"), 1);
    machine.handle(Input::Message { from, message }, Time(2), &mut effects);
    let told = effects.iter().any(|effect| {
        matches!(effect, Effect::Send { message: ToNode::LaterHead(head), .. }
            if head.check(from).is_ok_and(|head| head.sequence == 100))
    });
    assert!(told);
}

#[test]
fn a_size_without_a_threshold_is_named_as_that() {
    let mut effects = Vec::new();
    let mut machine = coordinator(&mut effects);
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
