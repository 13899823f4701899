//! The program's side of the network: [`start`] and [`Handle`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use libp2p::{
    Multiaddr, Swarm,
    core::transport::{ListenerId, TransportError},
    swarm,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{Gossip, NodeId, Request, Response};

use crate::{
    behaviour::Behaviour,
    config::{NetworkConfig, Role, parse_addresses},
    error::{NetworkError, RequestError},
    event::{Events, Mailbox},
    event_loop::{Command, Dialer, EventLoop, Judging, Parts, Question},
    gossip::topic,
    identity::{PeerKey, keypair},
    limits::Limits,
    rejection::Counts,
    standing::Side,
    traffic::{Meters, TrafficReport},
    transport::transport,
};

/// Sends, and asks. Clones share one network; when the last is dropped, it shuts down.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    key: PeerKey,
    exchange: Duration,
    commands: mpsc::Sender<Command>,
    meters: Meters,
    counts: Counts,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Starts a network on the current tokio runtime.
///
/// # Errors
/// What [`NetworkError`] lists: addresses, limits and keys are checked before anything runs.
pub fn start(config: NetworkConfig) -> Result<(Handle, Events), NetworkError> {
    config.limits.check()?;
    tokio::runtime::Handle::try_current().map_err(|_| NetworkError::NoRuntime)?;
    let keys = keypair(&config.secret);
    let key = PeerKey::of(&keys.public().to_peer_id()).expect("the key pair is an Ed25519 one");
    let (side, dialer) = side(config.role, &config.limits)?;
    let listen = parse_addresses(&config.listen)?;
    let limits = config.limits;

    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let (meters, counts) = (Meters::new(limits.guest_bytes), Counts::default());
    let topic = topic(config.task);
    let behaviour = Behaviour::new(&keys, side, config.members, &topic, &limits, &meters);
    let mut swarm = Swarm::new(
        transport(&keys, &limits, &meters),
        behaviour,
        keys.public().to_peer_id(),
        swarm::Config::with_executor(Tracked(tasks.clone())).with_idle_connection_timeout(IDLE),
    );
    let listeners = listen_on(&mut swarm, listen)?;

    let (commands, receiver) = mpsc::channel(COMMANDS);
    let (mailbox, events) = Mailbox::new(limits.events);
    let judging = Judging::new(config.validator, tasks.clone());
    let parts = Parts {
        topic,
        commands: receiver,
        stop: stop.clone(),
        mailbox,
        counts: counts.clone(),
        dialer,
        judging,
        listeners,
    };
    tasks.spawn(EventLoop::new(swarm, parts, &limits).run());
    tasks.close();
    let exchange = limits.exchange();
    let shared = Shared { key, exchange, commands, meters, counts, stop, tasks };
    Ok((Handle(Arc::new(shared)), events))
}

fn side(role: Role, limits: &Limits) -> Result<(Side, Option<Dialer>), NetworkError> {
    match role {
        Role::Coordinator => Ok((Side::Coordinator, None)),
        Role::Node { coordinator, addresses } => {
            let coordinator = PeerKey::from(coordinator);
            let peer = coordinator.peer_id().ok_or(NetworkError::CoordinatorKey)?;
            let addresses = parse_addresses(&addresses)?;
            if addresses.is_empty() {
                return Err(NetworkError::NoCoordinatorAddress);
            }
            let dialer = Dialer::new(peer, addresses, limits);
            Ok((Side::Node { coordinator }, Some(dialer)))
        }
    }
}

fn listen_on(
    swarm: &mut Swarm<Behaviour>,
    addresses: Vec<Multiaddr>,
) -> Result<Vec<ListenerId>, NetworkError> {
    let listen = |address: Multiaddr| {
        swarm.listen_on(address.clone()).map_err(|error| match error {
            TransportError::Other(source) => {
                NetworkError::Listen { address: address.to_string(), source }
            }
            TransportError::MultiaddrNotSupported(address) => {
                NetworkError::Address { address: address.to_string() }
            }
        })
    };
    addresses.into_iter().map(listen).collect()
}

impl Handle {
    /// This peer's own key.
    pub fn key(&self) -> PeerKey {
        self.0.key
    }

    /// Sends a request over the connection that there is, and waits for its answer. The
    /// coordinator never dials a node, and a node is always about to dial its coordinator, so a
    /// peer without a connection is [`RequestError::Unreachable`] at once.
    ///
    /// # Errors
    /// All of [`RequestError`]; [`Response::Refused`] comes as [`RequestError::Refused`].
    ///
    /// # Cancel safety
    /// If it is dropped, the answer is lost; the peer may have got the request or not.
    pub async fn request(&self, to: PeerKey, request: Request) -> Result<Response, RequestError> {
        let bytes = within(wire::encode(&request), Request::LIMIT)?;
        let (answer, answered) = oneshot::channel();
        let question = Question { bytes, answer };
        let exchange = async {
            self.tell(Command::Ask { to, question }).await?;
            answered.await.unwrap_or(Err(RequestError::ShutDown))
        };
        tokio::time::timeout(self.0.exchange, exchange).await.unwrap_or(Err(RequestError::TimedOut))
    }

    /// Tells all members who are connected, through the others. Nobody being there is no error,
    /// nor is telling the same bytes twice within a minute (the second time nothing is sent).
    ///
    /// # Errors
    /// [`RequestError::TooLarge`] above [`Gossip::LIMIT`], [`RequestError::Busy`] where all
    /// queues are full, [`RequestError::ShutDown`].
    ///
    /// # Cancel safety
    /// If it is dropped, the message may be published or not.
    pub async fn publish(&self, message: Gossip) -> Result<(), RequestError> {
        let bytes = within(wire::encode(&message), Gossip::LIMIT)?;
        let (done, published) = oneshot::channel();
        self.tell(Command::Publish { bytes, done }).await?;
        published.await.unwrap_or(Err(RequestError::ShutDown))
    }

    /// Replaces the members. Connections of those who no longer are members are closed; a
    /// connected guest who now is one is heard from here on.
    ///
    /// # Cancel safety
    /// If it is dropped, the members may be replaced or not.
    pub async fn set_members(&self, members: BTreeSet<NodeId>) {
        self.ask(|done| Command::SetMembers { members, done }).await;
    }

    /// Closes the connection to a peer; a node dials its coordinator again.
    ///
    /// # Cancel safety
    /// If it is dropped, the connection may be closed or not.
    pub async fn disconnect(&self, peer: PeerKey) {
        self.ask(|done| Command::Disconnect { peer, done }).await;
    }

    /// Where this peer listens, as multiaddresses; the real ports where 0 was asked for.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn listen_addresses(&self) -> Vec<String> {
        let addresses = self.ask(Command::ListenAddresses).await.unwrap_or_default();
        addresses.iter().map(ToString::to_string).collect()
    }

    /// The members, or the coordinator, that there is a connection to.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connected(&self) -> BTreeSet<PeerKey> {
        self.ask(Command::Connected).await.unwrap_or_default()
    }

    /// Bytes of all streams since the start; see [`TrafficReport`] for what is counted.
    pub fn traffic(&self) -> TrafficReport {
        self.0.meters.report()
    }

    /// How many rejections of each kind there were ([`crate::Rejection::kind`]).
    pub fn rejections(&self) -> BTreeMap<&'static str, u64> {
        self.0.counts.read()
    }

    /// Shuts the network down, and returns when no task and no socket of it is left. Answers
    /// that were given already are still written, for at most two seconds; whoever does not get
    /// one asks again.
    ///
    /// # Cancel safety
    /// If it is dropped, the network shuts down all the same.
    pub async fn shut_down(&self) {
        self.0.stop.cancel();
        self.0.tasks.wait().await;
    }

    async fn tell(&self, command: Command) -> Result<(), RequestError> {
        self.0.commands.send(command).await.map_err(|_| RequestError::ShutDown)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (done, answer) = oneshot::channel();
        self.tell(command(done)).await.ok()?;
        answer.await.ok()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({:?})", self.0.key)
    }
}

fn within(bytes: Vec<u8>, limit: usize) -> Result<Vec<u8>, RequestError> {
    match bytes.len() {
        length if length > limit => Err(RequestError::TooLarge { length, limit }),
        _ => Ok(bytes),
    }
}

/// Runs libp2p's tasks so that [`Handle::shut_down`] can wait for them.
struct Tracked(TaskTracker);

impl swarm::Executor for Tracked {
    fn exec(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.0.spawn(task);
    }
}

/// Commands that wait for the loop; more wait in the callers.
const COMMANDS: usize = 64;

/// Pings find dead connections; a silent one is kept, since a round may train for hours.
const IDLE: Duration = Duration::from_secs(24 * 3600);
