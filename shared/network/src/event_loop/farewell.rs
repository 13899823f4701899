//! The end: answers that were given are written, connections are closed, and then the swarm,
//! with all its sockets, is dropped.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::{timeout, timeout_at};

use super::EventLoop;

impl EventLoop {
    pub(super) async fn farewell(mut self) {
        self.commands.close();
        self.dialer = None;
        self.asking.shut_down();
        let exchange = &mut self.swarm.behaviour_mut().exchange;
        while let Some(ready) = self.answering.take_ready() {
            self.answering.send(ready, exchange);
        }
        let written = async {
            while self.answering.is_writing() {
                let event = self.swarm.select_next_some().await;
                self.on_swarm_event(event);
            }
        };
        if timeout(AT_MOST, written).await.is_err() {
            tracing::info!("some answers could not be delivered before the end");
        }
        if let Some(written) = self.answering.last_written() {
            let _lingered = timeout_at(written + LINGER, self.keep_running()).await;
        }
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _already_gone = self.swarm.disconnect_peer_id(peer);
        }
        let closed = async {
            while self.swarm.network_info().num_peers() > 0 {
                let event = self.swarm.select_next_some().await;
                self.on_swarm_event(event);
            }
        };
        if timeout(AT_MOST, closed).await.is_err() {
            tracing::info!("some connections did not close in time, and are cut");
        }
    }

    async fn keep_running(&mut self) {
        loop {
            let event = self.swarm.select_next_some().await;
            self.on_swarm_event(event);
        }
    }
}

const AT_MOST: Duration = Duration::from_secs(2);

/// From writing an answer to closing its connection: a peer whose connection is closed drops
/// what it has received and not yet read.
const LINGER: Duration = Duration::from_millis(500);
