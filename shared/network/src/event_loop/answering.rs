//! Requests of other peers: their answers come from the program when it is ready.

use std::collections::BTreeSet;

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use libp2p::request_response::{self, InboundRequestId, ResponseChannel};
use tokio::{sync::oneshot, time::Instant};
use wire::{Refusal, Response};

use crate::codec::{Codec, Parcel};

type Channel = ResponseChannel<Parcel<Response>>;

/// An answer that can be sent.
pub(crate) struct Ready {
    id: InboundRequestId,
    channel: Channel,
    bytes: Vec<u8>,
}

/// All requests that were not answered yet, or whose answer is being written. There are no more
/// of them than connections have streams.
#[derive(Default)]
pub(crate) struct Answering {
    waiting: FuturesUnordered<BoxFuture<'static, Ready>>,
    writing: BTreeSet<InboundRequestId>,
    written: Option<Instant>,
}

impl Answering {
    /// Waits for the program's answer; a dropped [`crate::Reply`] is a busy program.
    pub(crate) fn wait(
        &mut self,
        id: InboundRequestId,
        channel: Channel,
        answer: oneshot::Receiver<Vec<u8>>,
    ) {
        self.waiting.push(Box::pin(async move {
            let bytes = answer.await.unwrap_or_else(|_| refusal(Refusal::Busy));
            Ready { id, channel, bytes }
        }));
    }

    /// The next answer that can be sent; pending for ever while no request waits.
    pub(crate) async fn ready(&mut self) -> Ready {
        match self.waiting.next().await {
            Some(ready) => ready,
            None => std::future::pending().await,
        }
    }

    /// An answer that can be sent at once, if there is one.
    pub(crate) fn take_ready(&mut self) -> Option<Ready> {
        self.waiting.next().now_or_never().flatten()
    }

    pub(crate) fn send(
        &mut self,
        Ready { id, channel, bytes }: Ready,
        exchange: &mut request_response::Behaviour<Codec>,
    ) {
        if exchange.send_response(channel, Parcel::Sealed(bytes)).is_ok() {
            self.writing.insert(id);
        }
    }

    pub(crate) fn refuse(
        &mut self,
        id: InboundRequestId,
        channel: Channel,
        why: Refusal,
        exchange: &mut request_response::Behaviour<Codec>,
    ) {
        self.send(Ready { id, channel, bytes: refusal(why) }, exchange);
    }

    /// An answer was written, or will not be.
    pub(crate) fn on_written(&mut self, id: InboundRequestId) {
        if self.writing.remove(&id) {
            self.written = Some(Instant::now());
        }
    }

    /// When the last answer was written.
    pub(crate) fn last_written(&self) -> Option<Instant> {
        self.written
    }

    /// Whether answers that the program gave are still being written.
    pub(crate) fn is_writing(&self) -> bool {
        !self.writing.is_empty()
    }
}

fn refusal(why: Refusal) -> Vec<u8> {
    wire::encode(&Response::Refused(why))
}
