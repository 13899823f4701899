//! Who may keep a connection: the first thing every new connection is shown to.
//!
//! A coordinator takes members, and a few guests for a short time so that they can enrol. A node
//! takes its coordinator and members. A peer has one connection: a second one means that the
//! first is dead on the peer's side (a phone that changed networks), so the first is closed and
//! the peer dials once more. (Two at once would let libp2p send requests into the dead one.)

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::FutureExt;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
    },
};
use thiserror::Error;
use tokio::time::{Instant, Sleep};
use wire::NodeId;

use crate::{
    identity::PeerKey,
    limits::Limits,
    rejection::Rejection,
    standing::{Side, Standing},
    traffic::Meters,
};

/// Why a connection was not taken.
#[derive(Debug, Error)]
pub(crate) enum Denied {
    #[error(transparent)]
    Rejected(Rejection),
    #[error("a second connection of one peer: the first is closed, and the peer may come again")]
    Second,
    #[error("the coordinator never dials, and a node dials its coordinator alone")]
    Dialled,
}

/// Decides about connections, and closes them.
pub(crate) struct Gate {
    side: Side,
    members: BTreeSet<NodeId>,
    meters: Meters,
    guests: usize,
    guest_time: Duration,
    open: BTreeMap<ConnectionId, Open>,
    to_close: VecDeque<(PeerId, ConnectionId)>,
    alarm: Pin<Box<Sleep>>,
}

struct Open {
    peer: PeerId,
    key: PeerKey,
    since: Instant,
    closing: bool,
}

impl Gate {
    pub(crate) fn new(
        side: Side,
        members: BTreeSet<NodeId>,
        limits: &Limits,
        meters: Meters,
    ) -> Self {
        let guest_time = Duration::from_millis(limits.guest_ms);
        Self {
            side,
            members,
            meters,
            guests: limits.guests as usize,
            guest_time,
            open: BTreeMap::new(),
            to_close: VecDeque::new(),
            alarm: Box::pin(tokio::time::sleep(guest_time)),
        }
    }

    pub(crate) fn side(&self) -> Side {
        self.side
    }

    pub(crate) fn standing(&self, key: PeerKey) -> Standing {
        Standing::of(key, self.side, &self.members)
    }

    /// Whom there is a connection to, guests too.
    pub(crate) fn connected(&self) -> BTreeMap<PeerKey, PeerId> {
        let live = self.open.values().filter(|open| !open.closing);
        live.map(|open| (open.key, open.peer)).collect()
    }

    /// Replaces the members, and closes the connections of those who no longer are.
    pub(crate) fn set_members(&mut self, members: BTreeSet<NodeId>) {
        let before = std::mem::replace(&mut self.members, members);
        let ids: Vec<_> = self.open.keys().copied().collect();
        for id in ids {
            let (key, peer) = (self.open[&id].key, self.open[&id].peer);
            let was = Standing::of(key, self.side, &before);
            let is = self.standing(key);
            self.meters.set_guest(&peer, is.is_guest());
            if is.is_guest() && !was.is_guest() {
                self.close(id);
            }
        }
        for gone in before.difference(&self.members) {
            if let Some(peer) = PeerKey::from(*gone).peer_id() {
                self.meters.set_guest(&peer, true);
            }
        }
    }

    fn close(&mut self, id: ConnectionId) {
        if let Some(open) = self.open.get_mut(&id).filter(|open| !open.closing) {
            open.closing = true;
            self.to_close.push_back((open.peer, id));
        }
    }

    fn admit(&mut self, peer: &PeerId) -> Result<(), Denied> {
        let key = PeerKey::of(peer).ok_or(Denied::Rejected(Rejection::ForeignKey))?;
        let standing = self.standing(key);
        if standing.is_guest() && self.side != Side::Coordinator {
            return Err(Denied::Rejected(Rejection::Stranger));
        }
        let first: Vec<_> =
            self.of(peer).filter(|(_, open)| !open.closing).map(|(id, _)| id).collect();
        if !first.is_empty() {
            first.into_iter().for_each(|id| self.close(id));
            return Err(Denied::Second);
        }
        if standing.is_guest() && self.guests_now() >= self.guests {
            return Err(Denied::Rejected(Rejection::TooManyGuests));
        }
        self.meters.set_guest(peer, standing.is_guest());
        Ok(())
    }

    fn of(&self, peer: &PeerId) -> impl Iterator<Item = (ConnectionId, &Open)> {
        self.open.iter().filter(move |(_, open)| open.peer == *peer).map(|(id, open)| (*id, open))
    }

    fn guests_now(&self) -> usize {
        self.open.values().filter(|open| self.standing(open.key).is_guest()).count()
    }

    fn overdue(&self) -> Vec<ConnectionId> {
        let is_overdue = |open: &Open| {
            self.standing(open.key).is_guest() && open.since.elapsed() >= self.guest_time
        };
        self.open.iter().filter(|(_, open)| is_overdue(open)).map(|(id, _)| *id).collect()
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(&peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let standing = PeerKey::of(&peer).map(|key| self.standing(key));
        if standing != Some(Standing::Coordinator) {
            return Err(ConnectionDenied::new(Denied::Dialled));
        }
        self.meters.set_guest(&peer, false);
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionEstablished(new) => {
                let Some(key) = PeerKey::of(&new.peer_id) else { return };
                let (peer, since) = (new.peer_id, Instant::now());
                self.open.insert(new.connection_id, Open { peer, key, since, closing: false });
            }
            FromSwarm::ConnectionClosed(old) => {
                self.open.remove(&old.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        while self.alarm.poll_unpin(cx).is_ready() {
            self.overdue().into_iter().for_each(|id| self.close(id));
            self.alarm.as_mut().reset(Instant::now() + self.guest_time / 8);
        }
        match self.to_close.pop_front() {
            Some((peer_id, id)) => Poll::Ready(ToSwarm::CloseConnection {
                peer_id,
                connection: CloseConnection::One(id),
            }),
            None => Poll::Pending,
        }
    }
}
