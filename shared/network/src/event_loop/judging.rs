//! Gossip between its arrival and its verdict: decoding and the validator run on tokio's
//! blocking threads, a bounded number at once.

use futures::{StreamExt, stream::FuturesUnordered};
use libp2p::{PeerId, gossipsub::MessageId};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::{
    gossip::{Judged, Validator, judge},
    identity::PeerKey,
};

/// Where a message came from.
pub(crate) struct Origin {
    pub(crate) id: MessageId,
    /// Who sent it to us.
    pub(crate) forwarder: PeerId,
    /// Who published it.
    pub(crate) author: PeerKey,
}

/// Messages that are being judged.
pub(crate) struct Judging {
    validator: Validator,
    tasks: TaskTracker,
    running: FuturesUnordered<JoinHandle<(Origin, Judged)>>,
}

impl Judging {
    pub(crate) fn new(validator: Validator, tasks: TaskTracker) -> Self {
        Self { validator, tasks, running: FuturesUnordered::new() }
    }

    /// Whether so many messages are being judged that the next is to be ignored.
    pub(crate) fn is_full(&self) -> bool {
        self.running.len() >= AT_ONCE
    }

    /// Begins to judge a message.
    pub(crate) fn begin(&mut self, origin: Origin, bytes: Vec<u8>) {
        let validator = Validator::clone(&self.validator);
        let judging = move || {
            let asked = std::panic::AssertUnwindSafe(|| judge(&bytes, &validator));
            let judged = std::panic::catch_unwind(asked).unwrap_or_else(|_| {
                tracing::error!("the gossip validator panicked: its message is ignored");
                Judged::Ignored
            });
            (origin, judged)
        };
        self.running.push(self.tasks.spawn_blocking(judging));
    }

    /// The next verdict; pending for ever while nothing is judged.
    pub(crate) async fn next(&mut self) -> (Origin, Judged) {
        loop {
            match self.running.next().await {
                Some(Ok(judged)) => return judged,
                // The runtime is shutting down.
                Some(Err(_cancelled)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

/// Messages that are judged at once. More are ignored: gossip is repeated, and every message has
/// another way to its reader.
const AT_ONCE: usize = 64;
