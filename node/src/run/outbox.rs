//! Messages to the coordinator, one after the other: the machine's order is kept on the way.

use std::time::Duration;

use network::{Handle, PeerKey, RequestError};
use tokio::sync::mpsc;
use wire::{Request, ToCoordinator};

/// Messages that may wait.
const WAITING: usize = 64;
/// How often one message is tried over one connection.
const ATTEMPTS: u32 = 3;

/// Where the event loop puts messages.
pub(super) struct Outbox(mpsc::Sender<ToCoordinator>);

impl Outbox {
    /// Starts the task that sends; it ends when the outbox is dropped.
    pub fn start(network: Handle, coordinator: PeerKey) -> Self {
        let (sender, mut receiver) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            while let Some(message) = receiver.recv().await {
                send(&network, coordinator, message).await;
            }
        });
        Self(sender)
    }

    /// Queues a message. If the queue is full, it is dropped: the coordinator asks again.
    pub fn push(&self, message: ToCoordinator) {
        if self.0.try_send(message).is_err() {
            tracing::warn!("too many messages wait for the coordinator; one was dropped");
        }
    }
}

/// A message that does not arrive is not sent for ever: after a reconnection the coordinator asks
/// again, and the machine answers with the same bytes.
async fn send(network: &Handle, coordinator: PeerKey, message: ToCoordinator) {
    let request = Request::ToCoordinator(message);
    for attempt in 1..=ATTEMPTS {
        match network.request(coordinator, request.clone()).await {
            Ok(_) => return,
            Err(error @ (RequestError::Unreachable | RequestError::ShutDown)) => {
                tracing::debug!(%error, "not sent: the coordinator will ask again");
                return;
            }
            Err(error) => tracing::debug!(%error, attempt, "not sent yet"),
        }
        tokio::time::sleep(Duration::from_millis(200 * u64::from(attempt))).await;
    }
}
