//! Coordinators and nodes for the tests. Every wait has the same generous end, so that a test
//! fails rather than hangs, and never because a machine is slow.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use ed25519_dalek::SigningKey;
use network::{Event, Events, Handle, Limits, NetworkConfig, PeerKey, Reply, Role, Verdict, start};
use wire::{
    Checked, ClosedHash, Contribution, Enrol, Gossip, LedgerHash, LedgerHead, NodeId, Request,
    Response, Round, Signable, Signed, TaskId, ToCoordinator, ToNode,
};
use zeroize::Zeroizing;

pub const TASK: TaskId = TaskId([42; 32]);
pub const COORDINATOR: u8 = 200;

/// Waits, but not for ever.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(120), future).await {
        Ok(value) => value,
        Err(_) => panic!("waited too long for {what}"),
    }
}

pub fn signer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn key(seed: u8) -> PeerKey {
    PeerKey(signer(seed).verifying_key().to_bytes())
}

pub fn members(seeds: impl IntoIterator<Item = u8>) -> BTreeSet<NodeId> {
    seeds.into_iter().map(|seed| key(seed).into()).collect()
}

pub struct Peer {
    pub handle: Handle,
    pub events: Events,
}

pub fn config(seed: u8, role: Role) -> NetworkConfig {
    NetworkConfig {
        secret: Zeroizing::new([seed; 32]),
        role,
        task: TASK,
        members: BTreeSet::new(),
        listen: Vec::new(),
        limits: Limits::default(),
        validator: Arc::new(validate),
    }
}

pub fn begin(config: NetworkConfig) -> Peer {
    let (handle, events) = start(config).unwrap();
    Peer { handle, events }
}

/// A coordinator on a free port, with these members.
pub fn coordinator(seeds: impl IntoIterator<Item = u8>) -> Peer {
    begin(coordinator_config(seeds))
}

pub fn coordinator_config(seeds: impl IntoIterator<Item = u8>) -> NetworkConfig {
    NetworkConfig {
        members: members(seeds),
        listen: vec!["127.0.0.1:0".into()],
        ..config(COORDINATOR, Role::Coordinator)
    }
}

pub fn node_config(seed: u8, addresses: Vec<String>) -> NetworkConfig {
    let coordinator = key(COORDINATOR).into();
    let role = Role::Node { coordinator, addresses };
    NetworkConfig { members: members(0..100), ..config(seed, role) }
}

/// A node without a listening address.
pub async fn node(seed: u8, coordinator: &Peer) -> Peer {
    begin(node_config(seed, coordinator.handle.listen_addresses().await))
}

/// A node that is connected.
pub async fn connected_node(seed: u8, coordinator: &Peer) -> Peer {
    let mut node = node(seed, coordinator).await;
    node.until("a connection", connected_to(key(COORDINATOR))).await;
    node
}

impl Peer {
    /// Takes events until one is wanted.
    pub async fn until<T>(&mut self, what: &str, wanted: impl Fn(Event) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.next().await.expect("the network runs");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        within(what, search).await
    }

    /// Waits for the next request.
    pub async fn next_request(&mut self) -> (PeerKey, Request, Reply) {
        self.until("a request", |event| match event {
            Event::Request { from, request, reply } => Some((from, request, reply)),
            _ => None,
        })
        .await
    }

    /// Answers the next request, and says what it was.
    pub async fn answer_next(&mut self, response: Response) -> (PeerKey, Request) {
        let (from, request, reply) = self.next_request().await;
        reply.send(response).unwrap();
        (from, request)
    }

    /// Waits until there is no connection to a member.
    pub async fn gone(&self, peer: PeerKey) {
        let gone = async {
            while self.handle.connected().await.contains(&peer) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within("the end of a connection", gone).await;
    }

    /// Accepts every request from here on.
    pub fn accept_all(mut self) -> Handle {
        let handle = self.handle.clone();
        tokio::spawn(async move {
            while let Some(event) = self.events.next().await {
                if let Event::Request { reply, .. } = event {
                    reply.send(Response::Accepted).unwrap();
                }
            }
        });
        handle
    }
}

pub fn connected_to(peer: PeerKey) -> impl Fn(Event) -> Option<()> {
    move |event| matches!(event, Event::Connected(from) if from == peer).then_some(())
}

pub fn disconnected_from(peer: PeerKey) -> impl Fn(Event) -> Option<()> {
    move |event| matches!(event, Event::Disconnected(from) if from == peer).then_some(())
}

pub fn hello() -> Request {
    Request::Hello(TASK)
}

pub fn sign<T: Signable>(seed: u8, message: T) -> Signed<T> {
    Checked::sign(message, &signer(seed)).signed().clone()
}

pub fn enrol(seed: u8) -> Request {
    Request::Enrol(sign(seed, Enrol { task: TASK, secret: [1; 32] }))
}

pub fn contribution(seed: u8, length: usize) -> Signed<Contribution> {
    let (round, closed) = (Round(1), ClosedHash([0; 32]));
    sign(seed, Contribution { task: TASK, round, closed, values: vec![seed; length] })
}

pub fn contribute(seed: u8, length: usize) -> Request {
    Request::ToCoordinator(ToCoordinator::Contribution(contribution(seed, length)))
}

pub fn head(seed: u8, sequence: u64) -> Signed<LedgerHead> {
    sign(seed, LedgerHead { task: TASK, sequence, head: LedgerHash([0; 32]) })
}

pub fn to_node() -> Request {
    Request::ToNode(ToNode::LaterHead(head(COORDINATOR, 1)))
}

/// The sequence number that [`validate`] ignores.
pub const STALE: u64 = 999;

fn validate(message: &Gossip) -> Verdict {
    let Gossip::LedgerHead(signed) = message else { return Verdict::Ignore };
    match signed.check(signed.claimed_signer()) {
        Ok(head) if head.sequence == STALE => Verdict::Ignore,
        Ok(_) => Verdict::Accept,
        Err(_) => Verdict::Reject,
    }
}
