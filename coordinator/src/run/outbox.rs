//! One queue for each present node: the machine's order is kept on the way, and a slow node holds
//! up nobody else.

use std::{collections::BTreeMap, time::Duration};

use network::{Handle, PeerKey, RequestError};
use tokio::{sync::mpsc, task::JoinHandle};
use wire::{NodeId, Refusal, Request, ToNode};

/// Messages that may wait for one node. More are dropped: the node is asked again when it comes
/// back.
const WAITING: usize = 64;
/// How often one message is tried where a node is only busy.
const ATTEMPTS: u32 = 5;
/// The first pause between two tries; it grows by itself each time.
const PAUSE: Duration = Duration::from_millis(200);

/// All outboxes.
pub(super) struct Outboxes {
    network: Handle,
    open: BTreeMap<NodeId, Outbox>,
}

struct Outbox {
    messages: mpsc::Sender<ToNode>,
    task: JoinHandle<()>,
}

impl Outboxes {
    pub fn new(network: Handle) -> Self {
        Self { network, open: BTreeMap::new() }
    }

    /// A node has come, or come back: what waited for it over an older connection is dropped.
    pub fn open(&mut self, node: NodeId) {
        self.close(node);
        let (messages, receiver) = mpsc::channel(WAITING);
        let task = tokio::spawn(send_all(self.network.clone(), node.into(), receiver));
        self.open.insert(node, Outbox { messages, task });
    }

    /// A node has gone.
    pub fn close(&mut self, node: NodeId) {
        if let Some(outbox) = self.open.remove(&node) {
            outbox.task.abort();
        }
    }

    /// Queues a message to a present node.
    pub fn push(&self, node: NodeId, message: ToNode) {
        let Some(outbox) = self.open.get(&node) else { return };
        if outbox.messages.try_send(message).is_err() {
            tracing::warn!(node = %node.short(), "too many messages wait for this node; one was dropped");
        }
    }

    /// Queues a message to everybody present.
    pub fn push_all(&self, message: &ToNode) {
        self.open.keys().for_each(|&node| self.push(node, message.clone()));
    }

    /// Ends when all that waits has been sent or given up.
    pub async fn drain(&mut self) {
        for (_, Outbox { messages, task }) in std::mem::take(&mut self.open) {
            drop(messages);
            // Aborted tasks have nothing more to send.
            let _ = task.await;
        }
    }
}

/// After the first message that does not arrive, those behind it are dropped as well: the machine
/// asks again, from the right place, when the node says hello.
async fn send_all(network: Handle, peer: PeerKey, mut messages: mpsc::Receiver<ToNode>) {
    while let Some(message) = messages.recv().await {
        if let Err(error) = send(&network, peer, message).await {
            tracing::debug!(?peer, %error, "not sent: the node is asked again when it is back");
            messages.close();
            while messages.recv().await.is_some() {}
        }
    }
}

async fn send(network: &Handle, peer: PeerKey, message: ToNode) -> Result<(), RequestError> {
    let request = Request::ToNode(message);
    let mut attempt = 1;
    loop {
        match network.request(peer, request.clone()).await {
            Err(RequestError::Busy | RequestError::Refused(Refusal::Busy))
                if attempt < ATTEMPTS =>
            {
                tokio::time::sleep(PAUSE * attempt).await;
                attempt += 1;
            }
            answer => return answer.map(drop),
        }
    }
}
