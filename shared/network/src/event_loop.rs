//! The one task that owns the swarm: it moves messages between libp2p, the program and the
//! tables of what is under way, and never waits for any of them.

mod answering;
mod asking;
mod dialing;
mod farewell;
mod judging;
mod swarm_events;

use std::collections::BTreeSet;

use futures::StreamExt;
use libp2p::{
    Multiaddr, Swarm,
    core::transport::ListenerId,
    gossipsub::{IdentTopic, PublishError},
    swarm::SwarmEvent,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use wire::NodeId;

pub(crate) use asking::Question;
pub(crate) use dialing::Dialer;
pub(crate) use judging::Judging;

use crate::{
    behaviour::{Behaviour, BehaviourEvent},
    error::RequestError,
    event::{Event, Mailbox},
    gossip::{GUEST_SCORE, Judged},
    identity::PeerKey,
    limits::Limits,
    rejection::{Counts, Rejection},
    standing::Standing,
};
use answering::{Answering, Ready};
use asking::Asking;
use judging::Origin;

/// What the program wants.
pub(crate) enum Command {
    Ask { to: PeerKey, question: Question },
    Publish { bytes: Vec<u8>, done: oneshot::Sender<Result<(), RequestError>> },
    SetMembers { members: BTreeSet<NodeId>, done: oneshot::Sender<()> },
    Disconnect { peer: PeerKey, done: oneshot::Sender<()> },
    ListenAddresses(oneshot::Sender<Vec<Multiaddr>>),
    Connected(oneshot::Sender<BTreeSet<PeerKey>>),
}

pub(crate) struct EventLoop {
    swarm: Swarm<Behaviour>,
    topic: IdentTopic,
    commands: mpsc::Receiver<Command>,
    stop: CancellationToken,
    mailbox: Mailbox,
    counts: Counts,
    dialer: Option<Dialer>,
    asking: Asking,
    answering: Answering,
    judging: Judging,
    /// Peers that the program was told to be connected.
    told: BTreeSet<PeerKey>,
    /// Listeners that have no address yet.
    unnamed: Vec<ListenerId>,
}

/// What the loop can wake up for.
enum Wake {
    Stop,
    Command(Option<Command>),
    Swarm(Box<SwarmEvent<BehaviourEvent>>),
    Answer(Ready),
    Judged(Origin, Judged),
    Told,
    Dial,
}

/// What the loop is made of, apart from the swarm.
pub(crate) struct Parts {
    pub(crate) topic: IdentTopic,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) stop: CancellationToken,
    pub(crate) mailbox: Mailbox,
    pub(crate) counts: Counts,
    pub(crate) dialer: Option<Dialer>,
    pub(crate) judging: Judging,
    pub(crate) listeners: Vec<ListenerId>,
}

impl EventLoop {
    pub(crate) fn new(swarm: Swarm<Behaviour>, parts: Parts, limits: &Limits) -> Self {
        Self {
            swarm,
            topic: parts.topic,
            commands: parts.commands,
            stop: parts.stop,
            mailbox: parts.mailbox,
            counts: parts.counts,
            dialer: parts.dialer,
            asking: Asking::new(limits),
            answering: Answering::default(),
            judging: parts.judging,
            told: BTreeSet::new(),
            unnamed: parts.listeners,
        }
    }

    /// Runs until it is told to stop or no handle is left, then says farewell.
    pub(crate) async fn run(mut self) {
        let named = async {
            while !self.unnamed.is_empty() {
                let event = self.swarm.select_next_some().await;
                self.on_swarm_event(event);
            }
        };
        if timeout(NAMED_WITHIN, named).await.is_err() {
            tracing::warn!("a listener has no address yet");
        }
        loop {
            match self.wake().await {
                Wake::Stop | Wake::Command(None) => break,
                Wake::Command(Some(command)) => self.on_command(command),
                Wake::Swarm(event) => self.on_swarm_event(*event),
                Wake::Answer(ready) => {
                    self.answering.send(ready, &mut self.swarm.behaviour_mut().exchange);
                }
                Wake::Judged(origin, judged) => self.on_judged(origin, judged),
                Wake::Told => {}
                Wake::Dial => self.dial(),
            }
        }
        self.farewell().await;
    }

    async fn wake(&mut self) -> Wake {
        let due = self.dialer.as_ref().and_then(Dialer::due);
        tokio::select! {
            () = self.stop.cancelled() => Wake::Stop,
            command = self.commands.recv() => Wake::Command(command),
            event = self.swarm.select_next_some() => Wake::Swarm(Box::new(event)),
            ready = self.answering.ready() => Wake::Answer(ready),
            (origin, judged) = self.judging.next() => Wake::Judged(origin, judged),
            () = self.mailbox.catch_up(), if self.mailbox.is_behind() => Wake::Told,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Wake::Dial,
        }
    }

    fn on_command(&mut self, command: Command) {
        // Whoever gave up waiting does not need the answer.
        match command {
            Command::Ask { to, question } => match to.peer_id() {
                Some(peer) => {
                    self.asking.ask(peer, question, &mut self.swarm.behaviour_mut().exchange);
                }
                None => question.refuse(RequestError::Unreachable),
            },
            Command::Publish { bytes, done } => {
                let _ = done.send(self.publish(bytes));
            }
            Command::SetMembers { members, done } => {
                self.set_members(members);
                let _ = done.send(());
            }
            Command::Disconnect { peer, done } => {
                if let Some(peer) = peer.peer_id() {
                    let _not_connected = self.swarm.disconnect_peer_id(peer);
                }
                let _ = done.send(());
            }
            Command::ListenAddresses(done) => {
                let _ = done.send(self.swarm.listeners().cloned().collect());
            }
            Command::Connected(done) => {
                let _ = done.send(self.told.clone());
            }
        }
    }

    fn publish(&mut self, bytes: Vec<u8>) -> Result<(), RequestError> {
        match self.swarm.behaviour_mut().gossip.publish(self.topic.clone(), bytes) {
            // Nobody is there to hear it, or everybody has heard it: neither is a failure.
            Ok(_) | Err(PublishError::NoPeersSubscribedToTopic | PublishError::Duplicate) => Ok(()),
            Err(PublishError::AllQueuesFull(_)) => Err(RequestError::Busy),
            Err(error) => {
                tracing::error!(%error, "gossip that fits its limit was not published");
                Err(RequestError::Busy)
            }
        }
    }

    fn set_members(&mut self, members: BTreeSet<NodeId>) {
        self.swarm.behaviour_mut().gate.set_members(members);
        for (key, peer) in self.swarm.behaviour().gate.connected() {
            let standing = self.swarm.behaviour().gate.standing(key);
            self.score(&peer, standing);
            if !standing.is_guest() && self.told.insert(key) {
                self.mailbox.connected(key);
            }
        }
    }

    fn score(&mut self, peer: &libp2p::PeerId, standing: Standing) {
        let score = if standing.is_guest() { GUEST_SCORE } else { 0.0 };
        self.swarm.behaviour_mut().gossip.set_application_score(peer, score);
    }

    fn on_judged(&mut self, origin: Origin, judged: Judged) {
        let Origin { id, forwarder, author } = origin;
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.report_message_validation_result(&id, &forwarder, judged.acceptance());
        match judged {
            Judged::Accepted(message) => {
                if !self.mailbox.offer(Event::Gossip { from: author, message }) {
                    tracing::warn!("the program is behind with its events: gossip is dropped");
                }
            }
            Judged::Rejected(why) => {
                if let Some(from) = PeerKey::of(&forwarder) {
                    self.reject(from, why);
                }
            }
            Judged::Ignored => {}
        }
    }

    fn dial(&mut self) {
        let Some(dialer) = &mut self.dialer else { return };
        if let Err(error) = self.swarm.dial(dialer.dial()) {
            dialer.on_failed(&error.to_string());
        }
    }

    fn reject(&mut self, from: PeerKey, why: Rejection) {
        tracing::warn!(?from, "rejected: {why}");
        self.counts.add(&why);
        self.mailbox.offer(Event::Rejected { from, why });
    }
}

/// Listeners get their addresses within milliseconds; dialing waits for that, so that a node
/// that listens can dial from its own port.
const NAMED_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);
