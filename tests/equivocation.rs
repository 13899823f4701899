//! A coordinator that keeps silent about what it knows: what members tell each other shows a restored ledger, two
//! ledgers of one node and a second history all the same. The victim is a real program; the coordinator and one other
//! member are played with their own keys, over the real network.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use ed25519_dalek::SigningKey;
use network::{Event, Events, Handle, NetworkConfig, PeerKey, Role, Verdict};
use privacy::{EntryKind, PenaltyReason, read_ledger};
use wire::{
    AbortReason, Checked, Gossip, Header, LedgerHash, LedgerHead, NodeId, Outcome, Request,
    Response, Round, RoundResult, Signed, ToCoordinator, ToNode,
};

use crate::support::{
    evidence::{genesis, node_chain},
    process::LOOK,
    swarm::{Shape, Swarm},
};

const NODES: usize = 5;
/// The node whose ledger is restored, and who is told another history.
const VICTIM: usize = 0;
/// The member that tells what it has seen.
const MEMBER: usize = 1;
/// Whose ledger exists twice.
const TWICE: usize = 2;

/// Some heartbeats of gossip, one a second: a new peer has its place in the mesh after the next.
const HEARTBEATS: Duration = Duration::from_secs(4);

#[test]
fn what_members_tell_each_other_shows_what_a_coordinator_hides() {
    let mut swarm = Swarm::start(Shape::brisk(NODES));
    swarm.wait_for_version(3);
    swarm.kill_coordinator();
    (0..NODES).for_each(|node| swarm.kill_node(node));
    let later = restore_yesterdays_ledger(&swarm);
    let entries = swarm.ledger(VICTIM).entries.len();
    let chain = node_chain(&swarm, VICTIM);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (stage, coordinator_key) = (runtime.block_on(Stage::set(&swarm)), coordinator_key(&swarm));
    swarm.start_node(VICTIM);

    let told = [
        Gossip::LedgerHead(later),
        Gossip::LedgerHead(some_head(&swarm, TWICE, 1)),
        Gossip::LedgerHead(some_head(&swarm, TWICE, 2)),
        Gossip::Head(other_history(&chain, &coordinator_key)),
    ];
    runtime.block_on(stage.until_heard_by(swarm.node_id(VICTIM)));
    let _telling = runtime.spawn(tell(stage.member.clone(), told.to_vec()));
    swarm.wait("evidence of everything that was told", |swarm| {
        let status = swarm.status(VICTIM)?;
        let said = |what: &str| status.events.iter().any(|event| event.contains(what));
        let all = said("two ledgers of one length") && said("restored from a backup");
        (all && status.forks.len() == 1).then_some(())
    });
    let ledger = swarm.ledger(VICTIM).entries;
    let penalty = PenaltyReason::RestoredBackup { from: 2, to: 2, seen: ledger_hash(&told[0]) };
    assert_eq!(ledger.len(), entries + 1, "charged once, however often it was told");
    assert_eq!(ledger.last().unwrap().kind, EntryKind::Penalty(penalty));

    // What the victim itself tells: its new head to everybody, the head of its chain when that grows, and the
    // contradiction to the coordinator, who is the one that can reach its owner.
    let next = next_header(&chain, &coordinator_key);
    let result = RoundResult { header: next.clone(), record: None };
    runtime.block_on(stage.say(swarm.node_id(VICTIM), ToNode::Result(result)));
    let own = swarm.node_id(VICTIM);
    let is_own = |gossip: &Gossip| match gossip {
        Gossip::LedgerHead(head) => head.check(own).is_ok_and(|head| head.sequence == 3),
        _ => false,
    };
    swarm.wait("the victim's gossip", |_| {
        let heard = stage.heard.lock().unwrap();
        let header = heard.contains(&Gossip::Head(next.clone()));
        (header && heard.iter().any(is_own)).then_some(())
    });
    swarm.wait("the contradiction on its way to its owner", |_| {
        let asked = stage.asked.lock().unwrap();
        asked.iter().any(|head| head.claimed_signer() == swarm.node_id(TWICE)).then_some(())
    });
    swarm.stop();
    runtime.block_on(stage.clear());
}

/// Cuts the victim's ledger after its first entry, as a backup of the day before would; gives the head after the
/// second, as the victim has shown it.
fn restore_yesterdays_ledger(swarm: &Swarm) -> Signed<LedgerHead> {
    let (file, node) = (swarm.node_folder(VICTIM).join("ledger"), swarm.node_id(VICTIM));
    let bytes = fs::read(&file).unwrap();
    let entries = read_ledger(&bytes, node).unwrap().entries;
    assert!(entries.len() >= 2, "two rounds were charged");
    let holds_one = |length: &usize| {
        read_ledger(&bytes[..*length], node)
            .is_ok_and(|read| read.entries.len() == 1 && read.torn.is_none())
    };
    let length = (1..bytes.len()).find(holds_one).expect("an entry ends somewhere");
    fs::write(&file, &bytes[..length]).unwrap();
    let (task, head) = (genesis(swarm).task(), entries[1].hash);
    let head = LedgerHead { task, sequence: 2, head };
    Checked::sign(head, &node_key(swarm, VICTIM)).signed().clone()
}

fn ledger_hash(gossip: &Gossip) -> LedgerHash {
    let Gossip::LedgerHead(head) = gossip else { panic!("a ledger's head") };
    head.check(head.claimed_signer()).unwrap().head
}

/// A head of another node's ledger, nine entries long.
fn some_head(swarm: &Swarm, node: usize, hash: u8) -> Signed<LedgerHead> {
    let task = genesis(swarm).task();
    let head = LedgerHead { task, sequence: 9, head: LedgerHash([hash; 32]) };
    Checked::sign(head, &node_key(swarm, node)).signed().clone()
}

/// Another header in the place of the victim's last one.
fn other_history(chain: &version::Chain, key: &SigningKey) -> Signed<Header> {
    let last = chain.headers().last().expect("a round is over");
    let mut header = last.check(chain.genesis().coordinator).unwrap().into_value();
    header.outcome = Outcome::Aborted { reason: AbortReason::Interrupted };
    header.round = Round(header.round.0 + 1);
    Checked::sign(header, key).signed().clone()
}

/// The step after it: a round that came to nothing.
fn next_header(chain: &version::Chain, key: &SigningKey) -> Signed<Header> {
    let header = Header {
        task: chain.task(),
        index: chain.next_index(),
        round: Round(chain.last_round().0 + 100),
        version: chain.version(),
        parent: chain.head(),
        outcome: Outcome::Aborted { reason: AbortReason::Interrupted },
    };
    Checked::sign(header, key).signed().clone()
}

fn node_key(swarm: &Swarm, node: usize) -> SigningKey {
    let file = swarm.node_folder(node).join("node.key");
    SigningKey::from_bytes(&store::keyfile::load_key(&file).unwrap())
}

fn coordinator_key(swarm: &Swarm) -> SigningKey {
    let file = swarm.coordinator_folder().join("coordinator.key");
    SigningKey::from_bytes(&store::keyfile::load_key(&file).unwrap())
}

/// Again and again, as a member's first link may still be learning who listens.
async fn tell(member: Handle, all: Vec<Gossip>) {
    loop {
        for gossip in &all {
            // Ends with its network.
            if member.publish(gossip.clone()).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// The coordinator that keeps silent, and the member that talks.
struct Stage {
    coordinator: Handle,
    member: Handle,
    /// Gossip that the member has heard.
    heard: Arc<Mutex<Vec<Gossip>>>,
    /// Ledger heads that the victim has sent to the coordinator.
    asked: Arc<Mutex<Vec<Signed<LedgerHead>>>>,
}

impl Stage {
    async fn set(swarm: &Swarm) -> Self {
        let (heard, asked) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let key = coordinator_key(swarm);
        let (coordinator, events) = connect(swarm, &key, Role::Coordinator);
        tokio::spawn(keep_silent(events, asked.clone()));
        let role = Role::Node {
            coordinator: genesis(swarm).coordinator,
            addresses: coordinator.listen_addresses().await,
        };
        let (member, events) = connect(swarm, &node_key(swarm, MEMBER), role);
        tokio::spawn(listen(events, heard.clone()));
        Self { coordinator, member, heard, asked }
    }

    /// Until the coordinator passes gossip on to a node: what it was told before that, nobody sends twice.
    async fn until_heard_by(&self, node: NodeId) {
        while !self.coordinator.connected().await.contains(&PeerKey(node.0)) {
            tokio::time::sleep(LOOK).await;
        }
        tokio::time::sleep(HEARTBEATS).await;
    }

    /// Until it arrives.
    async fn say(&self, node: NodeId, message: ToNode) {
        let request = Request::ToNode(message);
        while self.coordinator.request(PeerKey(node.0), request.clone()).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn clear(self) {
        self.member.shut_down().await;
        self.coordinator.shut_down().await;
    }
}

fn connect(swarm: &Swarm, key: &SigningKey, role: Role) -> (Handle, Events) {
    let listen = match role {
        Role::Coordinator => vec![swarm.coordinator_address()],
        Role::Node { .. } => Vec::new(),
    };
    network::start(NetworkConfig {
        secret: key.to_bytes().into(),
        role,
        task: genesis(swarm).task(),
        members: (0..NODES).map(|number| swarm.node_id(number)).collect(),
        listen,
        limits: network::Limits::default(),
        validator: Arc::new(|_| Verdict::Accept),
    })
    .unwrap()
}

/// Answers nothing and passes gossip on, as every peer's network does.
async fn keep_silent(mut events: Events, asked: Arc<Mutex<Vec<Signed<LedgerHead>>>>) {
    while let Some(event) = events.next().await {
        if let Event::Request { request, reply, .. } = event {
            if let Request::ToCoordinator(ToCoordinator::LaterHead(head)) = request {
                asked.lock().unwrap().push(head);
            }
            let _ = reply.send(Response::Accepted);
        }
    }
}

async fn listen(mut events: Events, heard: Arc<Mutex<Vec<Gossip>>>) {
    while let Some(event) = events.next().await {
        if let Event::Gossip { message, .. } = event {
            heard.lock().unwrap().push(message);
        }
    }
}
