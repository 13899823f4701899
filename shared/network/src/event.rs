//! What the network tells the program.

use std::{collections::VecDeque, fmt};

use tokio::sync::{mpsc, oneshot};
use wire::{Gossip, Request, Response};

use crate::{error::RequestError, identity::PeerKey, rejection::Rejection};

/// Something that happened.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "events are moved one by one, and most are requests")]
pub enum Event {
    /// A peer asks something that it may ask.
    Request {
        /// Who asks: the key is proved.
        from: PeerKey,
        /// What it asks.
        request: Request,
        /// Takes the answer.
        reply: Reply,
    },
    /// Gossip that the validator accepted.
    Gossip {
        /// Who published it: the key is proved.
        from: PeerKey,
        /// What it says.
        message: Gossip,
    },
    /// There is a connection to a member, or to the coordinator.
    Connected(PeerKey),
    /// There is no more connection to a member, or to the coordinator.
    Disconnected(PeerKey),
    /// A peer did something wrong. Dropped, but counted, where the program is behind with its
    /// events.
    Rejected {
        /// Who.
        from: PeerKey,
        /// What.
        why: Rejection,
    },
}

/// Takes the answer to one request. Dropped without an answer, it answers
/// [`wire::Refusal::Busy`].
pub struct Reply(oneshot::Sender<Vec<u8>>);

impl Reply {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Vec<u8>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Hands over the answer. A peer that is gone by now does not get it: it asks again.
    ///
    /// # Errors
    /// [`RequestError::TooLarge`]: the peer is answered [`wire::Refusal::Busy`] then.
    pub fn send(self, response: Response) -> Result<(), RequestError> {
        let bytes = wire::encode(&response);
        let (length, limit) = (bytes.len(), Response::LIMIT);
        if length > limit {
            return Err(RequestError::TooLarge { length, limit });
        }
        let _gone = self.0.send(bytes);
        Ok(())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply(..)")
    }
}

/// The events of a network, in their order.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` once the network is shut down and all events were taken.
    ///
    /// # Cancel safety
    /// Cancel safe: no event is lost.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// The network's side of [`Events`]: it never waits for the program.
pub(crate) struct Mailbox {
    sender: mpsc::Sender<Event>,
    links: VecDeque<(PeerKey, Link)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Up,
    Down,
}

impl Mailbox {
    pub(crate) fn new(capacity: usize) -> (Self, Events) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self { sender, links: VecDeque::new() }, Events(receiver))
    }

    /// Tells an event that may be dropped; says whether there was room.
    pub(crate) fn offer(&mut self, event: Event) -> bool {
        self.links.is_empty() && self.sender.try_send(event).is_ok()
    }

    /// Tells that a link is there; kept until there is room.
    pub(crate) fn connected(&mut self, key: PeerKey) {
        self.tell(key, Link::Up);
    }

    /// Tells that a link is gone; kept until there is room.
    pub(crate) fn disconnected(&mut self, key: PeerKey) {
        self.tell(key, Link::Down);
    }

    /// At most two entries of one peer wait: a third would undo the second, so both go.
    fn tell(&mut self, key: PeerKey, link: Link) {
        let waiting = self.links.iter().filter(|(other, _)| *other == key).count();
        let last = self.links.iter().rposition(|(other, _)| *other == key);
        match last {
            Some(last) if waiting == 2 => drop(self.links.remove(last)),
            _ => self.links.push_back((key, link)),
        }
        self.post();
    }

    fn post(&mut self) {
        while let Some((key, link)) = self.links.front().copied() {
            match self.sender.try_send(link.event(key)) {
                Err(mpsc::error::TrySendError::Full(_)) => return,
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => self.links.pop_front(),
            };
        }
    }

    /// Whether links wait to be told.
    pub(crate) fn is_behind(&self) -> bool {
        !self.links.is_empty()
    }

    /// Waits for room, and tells the links that waited.
    pub(crate) async fn catch_up(&mut self) {
        match self.sender.reserve().await {
            Ok(permit) => {
                if let Some((key, link)) = self.links.pop_front() {
                    permit.send(link.event(key));
                }
            }
            Err(_closed) => self.links.clear(),
        }
    }
}

impl Link {
    fn event(self, key: PeerKey) -> Event {
        match self {
            Self::Up => Event::Connected(key),
            Self::Down => Event::Disconnected(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerKey = PeerKey([1; 32]);

    #[tokio::test]
    async fn links_are_told_late_but_told() {
        let (mut mailbox, mut events) = Mailbox::new(1);
        mailbox.connected(PEER);
        mailbox.disconnected(PEER);
        assert!(mailbox.is_behind());
        let rejected = || Event::Rejected { from: PEER, why: Rejection::NotMine };
        assert!(!mailbox.offer(rejected()));
        assert!(matches!(events.next().await, Some(Event::Connected(PEER))));
        assert!(!mailbox.offer(rejected()), "it would overtake the link");
        mailbox.catch_up().await;
        assert!(matches!(events.next().await, Some(Event::Disconnected(PEER))));
        assert!(mailbox.offer(rejected()));
    }

    #[tokio::test]
    async fn a_flapping_link_takes_two_places_at_most() {
        let (mut mailbox, mut events) = Mailbox::new(1);
        mailbox.connected(PEER);
        for _ in 0..100 {
            mailbox.disconnected(PEER);
            mailbox.connected(PEER);
        }
        assert_eq!(mailbox.links.len(), 2);
        assert!(matches!(events.next().await, Some(Event::Connected(PEER))));
        mailbox.catch_up().await;
        assert!(matches!(events.next().await, Some(Event::Disconnected(PEER))));
        mailbox.catch_up().await;
        assert!(matches!(events.next().await, Some(Event::Connected(PEER))));
    }

    #[tokio::test]
    async fn a_link_that_is_there_in_the_end_is_told() {
        let (mut mailbox, mut events) = Mailbox::new(1);
        assert!(mailbox.offer(Event::Rejected { from: PEER, why: Rejection::NotMine }));
        mailbox.connected(PEER);
        for _ in 0..100 {
            mailbox.disconnected(PEER);
            mailbox.connected(PEER);
        }
        assert_eq!(mailbox.links, [(PEER, Link::Up)]);
        events.next().await;
        mailbox.catch_up().await;
        assert!(matches!(events.next().await, Some(Event::Connected(PEER))));
    }
}
