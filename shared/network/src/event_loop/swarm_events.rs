//! What libp2p reports.

use std::io;

use libp2p::{
    PeerId, gossipsub, ping,
    request_response::{self, Message},
    swarm::{ConnectionError, ConnectionId, DialError, ListenError, SwarmEvent},
};
use wire::{Request, Response};

use super::{EventLoop, Origin, asking};
use crate::{
    behaviour::BehaviourEvent,
    codec::Parcel,
    event::{Event, Reply},
    gate::Denied,
    gossip::Judged,
    identity::PeerKey,
    rejection::Rejection,
    standing::{Side, Standing, admit},
    traffic::GuestBytes,
};

type ExchangeEvent = request_response::Event<Parcel<Request>, Parcel<Response>>;

impl EventLoop {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Exchange(event)) => self.on_exchange(event),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(event),
            SwarmEvent::ConnectionEstablished { peer_id, .. } => self.on_established(peer_id),
            SwarmEvent::ConnectionClosed { peer_id, num_established, cause, .. } => {
                self.on_closed(peer_id, num_established, cause);
            }
            SwarmEvent::OutgoingConnectionError { error, .. } => self.on_dial_failed(&error),
            SwarmEvent::IncomingConnectionError { peer_id, error, .. } => {
                self.on_incoming_failed(peer_id, &error);
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                tracing::info!(%address, "listening");
                self.unnamed.retain(|id| *id != listener_id);
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                tracing::warn!(?reason, "a listener was closed");
                self.unnamed.retain(|id| *id != listener_id);
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener failed for a moment");
            }
            _ => {}
        }
    }

    fn on_established(&mut self, peer: PeerId) {
        let Some(key) = PeerKey::of(&peer) else { return };
        let standing = self.swarm.behaviour().gate.standing(key);
        self.score(&peer, standing);
        if let Some(dialer) = self.dialer.as_mut().filter(|dialer| dialer.coordinator() == peer) {
            dialer.on_connected();
        }
        if standing.is_guest() {
            return;
        }
        if !self.told.insert(key) {
            // The connection before is dead, and being closed.
            self.mailbox.disconnected(key);
        }
        self.mailbox.connected(key);
    }

    fn on_closed(&mut self, peer: PeerId, remaining: u32, cause: Option<ConnectionError>) {
        let Some(key) = PeerKey::of(&peer) else { return };
        if let Some(ConnectionError::IO(error)) = &cause
            && is_guest_bytes(error)
        {
            self.reject(key, Rejection::GuestBytes);
        }
        if remaining > 0 {
            return;
        }
        self.asking.on_disconnected(&peer);
        if self.told.remove(&key) {
            self.mailbox.disconnected(key);
        }
        if let Some(dialer) = self.dialer.as_mut().filter(|dialer| dialer.coordinator() == peer) {
            let why = cause.map_or_else(|| "closed".to_owned(), |cause| cause.to_string());
            dialer.on_lost(&why);
        }
    }

    fn on_dial_failed(&mut self, error: &DialError) {
        if let DialError::WrongPeerId { obtained, .. } = error
            && let Some(from) = PeerKey::of(obtained)
        {
            self.reject(from, Rejection::WrongCoordinator);
        }
        if let Some(dialer) = &mut self.dialer {
            dialer.on_failed(&describe(error));
        }
    }

    fn on_incoming_failed(&mut self, peer: Option<PeerId>, error: &ListenError) {
        let denied = match error {
            ListenError::Denied { cause } => cause.downcast_ref::<Denied>(),
            _ => None,
        };
        match (denied, peer.and_then(|peer| PeerKey::of(&peer))) {
            (Some(Denied::Rejected(why)), Some(from)) => self.reject(from, *why),
            (Some(Denied::Rejected(why)), None) => self.counts.add(why),
            (Some(Denied::Second | Denied::Dialled), _) | (None, _) => {
                tracing::debug!(%error, "an incoming connection was not taken");
            }
        }
    }

    fn on_exchange(&mut self, event: ExchangeEvent) {
        match event {
            request_response::Event::Message { peer, connection_id, message } => {
                let Some(from) = PeerKey::of(&peer) else { return };
                self.on_message(from, connection_id, message);
            }
            request_response::Event::OutboundFailure { request_id, error, .. } => {
                let answer = Err(asking::failure(&error));
                let exchange = &mut self.swarm.behaviour_mut().exchange;
                self.asking.on_answer(request_id, answer, exchange);
            }
            request_response::Event::InboundFailure { request_id, error, peer, .. } => {
                tracing::debug!(%peer, %error, "an answer was not delivered");
                self.answering.on_written(request_id);
            }
            request_response::Event::ResponseSent { request_id, .. } => {
                self.answering.on_written(request_id);
            }
        }
    }

    fn on_message(
        &mut self,
        from: PeerKey,
        connection: ConnectionId,
        message: Message<Parcel<Request>, Parcel<Response>>,
    ) {
        match message {
            Message::Request { request_id, request, channel } => match request {
                Parcel::Opened(request) => self.on_request(from, request_id, request, channel),
                Parcel::Faulty(why) => self.on_fault(from, connection, why),
                Parcel::Sealed(_) => unreachable!("a reader never returns what is to be sent"),
            },
            Message::Response { request_id, response } => {
                let (answer, fault) = asking::open(response);
                if let Some(why) = fault {
                    self.on_fault(from, connection, why);
                }
                let exchange = &mut self.swarm.behaviour_mut().exchange;
                self.asking.on_answer(request_id, answer, exchange);
            }
        }
    }

    fn on_fault(&mut self, from: PeerKey, connection: ConnectionId, why: Rejection) {
        self.reject(from, why);
        if why.is_foreign() {
            self.swarm.close_connection(connection);
        }
    }

    fn on_request(
        &mut self,
        from: PeerKey,
        id: request_response::InboundRequestId,
        request: Request,
        channel: request_response::ResponseChannel<Parcel<Response>>,
    ) {
        let gate = &self.swarm.behaviour().gate;
        if let Err((refusal, why)) = admit(gate.side(), gate.standing(from), &request) {
            self.reject(from, why);
            let exchange = &mut self.swarm.behaviour_mut().exchange;
            self.answering.refuse(id, channel, refusal, exchange);
            return;
        }
        let (reply, answer) = Reply::new();
        self.answering.wait(id, channel, answer);
        // Where there is no room the reply is dropped here, which answers that we are busy.
        self.mailbox.offer(Event::Request { from, request, reply });
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.on_gossip_message(propagation_source, message_id, message);
            }
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                tracing::warn!(%peer_id, ?failed_messages, "gossip to a slow peer was dropped");
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                tracing::debug!(%peer_id, "a peer that speaks no gossip");
            }
            gossipsub::Event::Subscribed { .. } | gossipsub::Event::Unsubscribed { .. } => {}
        }
    }

    fn on_gossip_message(
        &mut self,
        forwarder: PeerId,
        id: gossipsub::MessageId,
        message: gossipsub::Message,
    ) {
        let author = message.source.as_ref().and_then(PeerKey::of);
        let (Some(author), Some(from)) = (author, PeerKey::of(&forwarder)) else { return };
        let origin = Origin { id, forwarder, author };
        match self.hear(from, author) {
            Hear::Judge if !self.judging.is_full() => self.judging.begin(origin, message.data),
            Hear::Judge | Hear::Ignore => self.on_judged(origin, Judged::Ignored),
            Hear::Reject => self.on_judged(origin, Judged::Rejected(Rejection::GossipNotAMember)),
        }
    }

    /// Members are heard when they forward members. The coordinator is always heard: it knows
    /// the members before its nodes do, and forwards nobody else.
    fn hear(&self, forwarder: PeerKey, author: PeerKey) -> Hear {
        let gate = &self.swarm.behaviour().gate;
        let is_coordinator = |key| match gate.side() {
            Side::Coordinator => PeerKey::of(self.swarm.local_peer_id()) == Some(key),
            Side::Node { coordinator } => coordinator == key,
        };
        match gate.standing(forwarder) {
            Standing::Guest => Hear::Reject,
            Standing::Coordinator => Hear::Judge,
            Standing::Member if is_coordinator(author) => Hear::Judge,
            Standing::Member if gate.standing(author) == Standing::Member => Hear::Judge,
            Standing::Member => Hear::Ignore,
        }
    }

    fn on_ping(&mut self, event: ping::Event) {
        let ping::Event { peer, connection, result } = event;
        match result {
            Ok(_) | Err(ping::Failure::Unsupported) => {}
            Err(error) => {
                tracing::info!(%peer, %error, "a connection is dead, and is closed");
                self.swarm.close_connection(connection);
            }
        }
    }
}

enum Hear {
    Judge,
    Ignore,
    Reject,
}

/// Whether a connection was cut by [`crate::traffic::Metered`]; libp2p wraps errors of errors.
fn is_guest_bytes(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| {
        inner.is::<GuestBytes>() || inner.downcast_ref::<io::Error>().is_some_and(is_guest_bytes)
    })
}

/// An error of dialing in one line.
fn describe(error: &DialError) -> String {
    let DialError::Transport(errors) = error else { return error.to_string() };
    let each = errors.iter().map(|(address, error)| format!("{address}: {}", innermost(error)));
    each.collect::<Vec<_>>().join("; ")
}

fn innermost(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}
