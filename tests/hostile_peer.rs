//! A member that lies, a stranger, and a used invite: each is refused, counted, and the round of the others goes on.

use std::{
    io::Write as _,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use ed25519_dalek::SigningKey;
use network::{Event, Events, Handle, NetworkConfig, PeerKey, RequestError, Role, Verdict};
use wire::{
    Advertise, Agreement, Checked, ClosedHash, Consistency, Contribution, Enrol, Invite,
    LedgerHash, LedgerHead, NodeId, Plan, PlanHash, Refusal, Request, Response, Reveal, Round,
    Signable, Signed, SurvivorsHash, TaskId, ToCoordinator, ToNode,
};
use zeroize::Zeroizing;

use crate::support::{
    evidence::{
        assert_contributions_are_charged_once, assert_one_history, coordinator_chain, issued,
    },
    process::try_answer,
    swarm::{Shape, Swarm},
};

const NODES: usize = 5;

#[test]
fn a_lying_member_is_counted_and_the_others_go_on() {
    let mut swarm = Swarm::start(Shape::of(NODES));
    let invite: Invite = swarm.invites(1)[0].parse().unwrap();
    let liar = Liar::start(invite);
    let counted = |swarm: &Swarm, kind: &str| {
        swarm.coordinator_status()["rejections"][kind].as_u64().unwrap_or(0)
    };
    for kind in ["Signed", "OtherRound", "OtherTerms", "OutOfPhase"] {
        swarm.wait(&format!("rejections of the kind {kind}"), |swarm| {
            (counted(swarm, kind) > 0).then_some(())
        });
    }
    swarm.wait_for_version(swarm.version() + 2);
    liar.stop();
    swarm.stop();
    assert!(issued(&coordinator_chain(&swarm)).len() >= 2);
    assert_one_history(&swarm, NODES);
    assert_contributions_are_charged_once(&swarm, NODES);
}

#[test]
fn strangers_and_used_invites_are_refused() {
    // The one node joins with the one invite; nobody runs a round.
    let swarm = Swarm::found(Shape { nodes: 1, ..Shape::of(NODES) });
    let [invite]: [String; 1] = swarm.invites(1).try_into().unwrap();
    let parsed: Invite = invite.parse().unwrap();
    noise(&parsed);

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let asked = runtime.block_on(async {
        let (network, mut events) = connect(&parsed, &SigningKey::from_bytes(&[66; 32])).await;
        let asked =
            network.request(PeerKey(parsed.coordinator.0), Request::Hello(parsed.task)).await;
        network.shut_down().await;
        while events.next().await.is_some() {}
        asked
    });
    assert_eq!(asked, Err(RequestError::Refused(Refusal::NotAMember)));

    assert!(runtime.block_on(enrol(&parsed, &SigningKey::from_bytes(&[67; 32]))).is_ok());
    let second = runtime.block_on(enrol(&parsed, &SigningKey::from_bytes(&[68; 32])));
    assert_eq!(second, Err(RequestError::Refused(Refusal::InvalidInvite)));
    // A person meets the same in words, with the fix.
    swarm.init_node(1);
    let said = try_answer(swarm.node_command(1).args(["join", &invite])).unwrap_err();
    assert!(said.contains("already used") && said.contains("ask for a new one"), "{said}");
}

/// Bytes that are no protocol at all, from somebody who does not even shake hands.
fn noise(invite: &Invite) {
    let address = invite.addresses[0].replace("/ip4/", "").replace("/tcp/", ":");
    let mut stream = TcpStream::connect(address).unwrap();
    // The coordinator may close the connection in the middle of it.
    let _ = stream.write_all(&[0xa5; 10_000]);
}

async fn connect(invite: &Invite, key: &SigningKey) -> (Handle, Events) {
    let (network, mut events) = network::start(NetworkConfig {
        secret: Zeroizing::new(key.to_bytes()),
        role: Role::Node { coordinator: invite.coordinator, addresses: invite.addresses.clone() },
        task: invite.task,
        members: Default::default(),
        listen: Vec::new(),
        limits: network::Limits::default(),
        validator: Arc::new(|_| Verdict::Accept),
    })
    .unwrap();
    while !matches!(events.next().await, Some(Event::Connected(_))) {}
    (network, events)
}

async fn enrol(invite: &Invite, key: &SigningKey) -> Result<(), RequestError> {
    let (network, _events) = connect(invite, key).await;
    let enrol =
        Checked::sign(Enrol { task: invite.task, secret: invite.secret }, key).signed().clone();
    let answer = network.request(PeerKey(invite.coordinator.0), Request::Enrol(enrol)).await;
    network.shut_down().await;
    answer.map(drop)
}

/// A member that answers every plan with everything that is wrong.
struct Liar {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Liar {
    fn start(invite: Invite) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(lie(&invite, &told));
        });
        Self { stop, thread }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the liar has no fault of its own");
    }
}

async fn lie(invite: &Invite, stop: &AtomicBool) {
    let key = SigningKey::from_bytes(&[99; 32]);
    enrol(invite, &key).await.expect("a fresh invite enrols");
    let (network, mut events) = connect(invite, &key).await;
    let coordinator = PeerKey(invite.coordinator.0);
    // The connection it enrolled by may still be closing: like every member, it asks again.
    while network.request(coordinator, Request::Hello(invite.task)).await.is_err() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    while !stop.load(Ordering::Relaxed) {
        let event = tokio::time::timeout(Duration::from_millis(200), events.next()).await;
        let Ok(Some(Event::Request { request, reply, .. })) = event else { continue };
        let _ = reply.send(Response::Accepted);
        if let Request::ToNode(ToNode::Plan(plan)) = request {
            for wrong in lies(&plan, invite, &key) {
                // Refused, cut off or taken and rejected: whatever the answer, the next lie follows.
                let _ = network.request(coordinator, Request::ToCoordinator(wrong)).await;
            }
        }
    }
    network.shut_down().await;
}

/// Wrong phase, wrong round, wrong task, wrong signer, broken signature, unknown plan, too long, and one thing twice.
fn lies(plan: &Signed<Plan>, invite: &Invite, key: &SigningKey) -> Vec<ToCoordinator> {
    let round = plan.check(invite.coordinator).expect("the coordinator's plan is signed").round;
    let task = invite.task;
    let (other, closed) = (SigningKey::from_bytes(&[98; 32]), ClosedHash([7; 32]));
    let contribution =
        |round, length| Contribution { task, round, closed, values: vec![0x5a; length] };
    let early = ToCoordinator::Contribution(sign(contribution(round, 2000), key));
    vec![
        ToCoordinator::Agreement(sign(agreement(task, Round(0)), key)),
        ToCoordinator::Agreement(sign(agreement(task, Round(round.0 + 1000)), key)),
        ToCoordinator::Advertise(sign(advertise(task, round, key), &other)),
        ToCoordinator::Advertise(broken(&sign(advertise(task, round, key), key))),
        ToCoordinator::Agreement(sign(agreement(TaskId([8; 32]), round), key)),
        ToCoordinator::Consistency(sign(Consistency { task, round, closed }, key)),
        ToCoordinator::Reveal(sign(
            Reveal { task, round, survivors: SurvivorsHash([9; 32]), shares: vec![] },
            key,
        )),
        ToCoordinator::Contribution(sign(contribution(round, Contribution::LIMIT + 1), key)),
        ToCoordinator::Advertise(sign(advertise(task, Round(0), key), key)),
        ToCoordinator::Advertise(sign(advertise(task, round, key), key)),
        early.clone(),
        early,
    ]
}

fn sign<T: Signable>(value: T, key: &SigningKey) -> Signed<T> {
    Checked::sign(value, key).signed().clone()
}

fn agreement(task: TaskId, round: Round) -> Agreement {
    Agreement { task, round, survivors: SurvivorsHash([9; 32]) }
}

/// The same message with the last bit of its signature turned.
fn broken<T: Signable>(signed: &Signed<T>) -> Signed<T> {
    let mut bytes = wire::encode(signed);
    *bytes.last_mut().expect("a signature is not empty") ^= 1;
    wire::decode(&bytes, bytes.len()).expect("a wrong signature has the same form")
}

/// For a plan that nobody signed, with keys that are none.
fn advertise(task: TaskId, round: Round, key: &SigningKey) -> Advertise {
    let node = NodeId(key.verifying_key().to_bytes());
    let head = LedgerHead { task, sequence: 0, head: LedgerHash(node.0) };
    Advertise {
        task,
        round,
        plan: PlanHash([1; 32]),
        mask_key: [0; 32],
        seal_key: [0; 32],
        seed_commitment: [0; 32],
        ledger: sign(head, key),
    }
}
