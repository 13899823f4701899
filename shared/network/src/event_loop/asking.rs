//! Requests of this side: a few under way to each peer, the others in a queue of its own.

use std::collections::{BTreeMap, VecDeque};

use libp2p::{
    PeerId,
    request_response::{self, OutboundFailure, OutboundRequestId},
};
use tokio::sync::oneshot;
use wire::Response;

use crate::{
    codec::{Codec, Parcel},
    error::RequestError,
    limits::Limits,
    rejection::Rejection,
};

pub(crate) type Answer = Result<Response, RequestError>;

/// A request that waits for its turn.
pub(crate) struct Question {
    pub(crate) bytes: Vec<u8>,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// All requests that have no answer yet.
pub(crate) struct Asking {
    lanes: BTreeMap<PeerId, Lane>,
    under_way: BTreeMap<OutboundRequestId, (PeerId, oneshot::Sender<Answer>)>,
    at_once: usize,
    waiting: usize,
}

#[derive(Default)]
struct Lane {
    under_way: usize,
    waiting: VecDeque<Question>,
}

impl Asking {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            lanes: BTreeMap::new(),
            under_way: BTreeMap::new(),
            at_once: limits.requests,
            waiting: limits.waiting,
        }
    }

    /// Sends a request, now or when it is its turn.
    pub(crate) fn ask(
        &mut self,
        peer: PeerId,
        question: Question,
        exchange: &mut request_response::Behaviour<Codec>,
    ) {
        // libp2p would dial a peer that it has no connection to.
        if !exchange.is_connected(&peer) {
            question.refuse(RequestError::Unreachable);
            return;
        }
        let lane = self.lanes.entry(peer).or_default();
        if lane.waiting.len() >= self.waiting {
            question.refuse(RequestError::Busy);
            return;
        }
        lane.waiting.push_back(question);
        self.send(peer, exchange);
    }

    fn send(&mut self, peer: PeerId, exchange: &mut request_response::Behaviour<Codec>) {
        let Some(lane) = self.lanes.get_mut(&peer) else { return };
        while lane.under_way < self.at_once
            && let Some(Question { bytes, answer }) = lane.waiting.pop_front()
        {
            if answer.is_closed() {
                continue;
            }
            if !exchange.is_connected(&peer) {
                Question { bytes, answer }.refuse(RequestError::Unreachable);
                continue;
            }
            let id = exchange.send_request(&peer, Parcel::Sealed(bytes));
            self.under_way.insert(id, (peer, answer));
            lane.under_way += 1;
        }
        if lane.under_way == 0 && lane.waiting.is_empty() {
            self.lanes.remove(&peer);
        }
    }

    /// An answer came, or will not come; the next request of that peer is sent.
    pub(crate) fn on_answer(
        &mut self,
        id: OutboundRequestId,
        answer: Answer,
        exchange: &mut request_response::Behaviour<Codec>,
    ) {
        let Some((peer, sender)) = self.under_way.remove(&id) else { return };
        let _given_up = sender.send(answer);
        if let Some(lane) = self.lanes.get_mut(&peer) {
            lane.under_way -= 1;
        }
        self.send(peer, exchange);
    }

    /// The last connection to a peer is gone: what waits was never sent.
    pub(crate) fn on_disconnected(&mut self, peer: &PeerId) {
        if let Some(lane) = self.lanes.get_mut(peer) {
            let waiting = std::mem::take(&mut lane.waiting);
            waiting.into_iter().for_each(|question| question.refuse(RequestError::Unreachable));
        }
    }

    /// Nothing more will be answered.
    pub(crate) fn shut_down(&mut self) {
        for (_, sender) in std::mem::take(&mut self.under_way).into_values() {
            let _given_up = sender.send(Err(RequestError::ShutDown));
        }
        for question in std::mem::take(&mut self.lanes).into_values().flat_map(|lane| lane.waiting)
        {
            question.refuse(RequestError::ShutDown);
        }
    }
}

impl Question {
    pub(crate) fn refuse(self, why: RequestError) {
        let _given_up = self.answer.send(Err(why));
    }
}

/// What an answer's parcel means to the one who asked, and what is counted.
pub(crate) fn open(parcel: Parcel<Response>) -> (Answer, Option<Rejection>) {
    match parcel {
        Parcel::Opened(Response::Refused(why)) => (Err(RequestError::Refused(why)), None),
        Parcel::Opened(response) => (Ok(response), None),
        // The peer closed the stream, or lost the connection, before it answered.
        Parcel::Faulty(Rejection::Truncated { received: 0, length: 4 }) => {
            (Err(RequestError::Interrupted), None)
        }
        Parcel::Faulty(why @ Rejection::Truncated { .. }) => {
            (Err(RequestError::Interrupted), Some(why))
        }
        Parcel::Faulty(why @ Rejection::Stalled { .. }) => (Err(RequestError::TimedOut), Some(why)),
        Parcel::Faulty(why) => (Err(RequestError::BadAnswer), Some(why)),
        Parcel::Sealed(_) => unreachable!("a reader never returns what is to be sent"),
    }
}

/// What a failed exchange means to the one who asked.
pub(crate) fn failure(error: &OutboundFailure) -> RequestError {
    match error {
        OutboundFailure::DialFailure => RequestError::Unreachable,
        OutboundFailure::Timeout => RequestError::TimedOut,
        OutboundFailure::ConnectionClosed => RequestError::Interrupted,
        OutboundFailure::UnsupportedProtocols => RequestError::BadAnswer,
        OutboundFailure::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            RequestError::TimedOut
        }
        OutboundFailure::Io(_) => RequestError::Interrupted,
    }
}
