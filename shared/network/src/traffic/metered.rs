//! A connection whose streams are counted, and which is cut where a guest sends too much.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{AsyncRead, AsyncWrite, FutureExt};
use libp2p::{
    PeerId,
    core::{
        StreamMuxer,
        muxing::{StreamMuxerBox, StreamMuxerEvent, SubstreamBox},
    },
};
use thiserror::Error;
use tokio::time::Sleep;

use super::{Meter, Meters};

/// A guest sent more bytes than a guest may.
#[derive(Debug, Error)]
#[error("more bytes than a peer may send that is not a member")]
pub(crate) struct GuestBytes;

/// A connection that is counted.
pub(crate) struct Metered {
    inner: StreamMuxerBox,
    gauge: Arc<Gauge>,
    closing: Option<Pin<Box<Sleep>>>,
}

/// What one connection adds to.
struct Gauge {
    meters: Meters,
    peer: Arc<Meter>,
    received: AtomicU64,
}

impl Metered {
    pub(crate) fn new(inner: StreamMuxerBox, peer: &PeerId, meters: &Meters) -> Self {
        let (peer, meters) = (meters.of(peer), meters.clone());
        let gauge = Arc::new(Gauge { meters, peer, received: AtomicU64::new(0) });
        Self { inner, gauge, closing: None }
    }

    fn stream(&self, inner: SubstreamBox) -> MeteredStream {
        MeteredStream { inner, gauge: Arc::clone(&self.gauge) }
    }
}

impl Gauge {
    fn sent(&self, bytes: usize) {
        self.peer.sent.fetch_add(bytes as u64, Relaxed);
        self.meters.0.total.sent.fetch_add(bytes as u64, Relaxed);
    }

    fn received(&self, bytes: usize) -> io::Result<()> {
        self.peer.received.fetch_add(bytes as u64, Relaxed);
        self.meters.0.total.received.fetch_add(bytes as u64, Relaxed);
        self.received.fetch_add(bytes as u64, Relaxed);
        self.check()
    }

    fn check(&self) -> io::Result<()> {
        let allowance = self.meters.0.guest_bytes;
        if self.peer.is_guest() && self.received.load(Relaxed) > allowance {
            return Err(io::Error::other(GuestBytes));
        }
        Ok(())
    }
}

impl StreamMuxer for Metered {
    type Substream = MeteredStream;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<MeteredStream>> {
        self.gauge.check()?;
        let stream = ready!(Pin::new(&mut self.inner).poll_inbound(cx))?;
        Poll::Ready(Ok(self.stream(stream)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<MeteredStream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_outbound(cx))?;
        Poll::Ready(Ok(self.stream(stream)))
    }

    /// Closes within [`CLOSE_WITHIN`], also when the other end has fallen silent: swarm waits for
    /// this before it forgets a connection.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(result) = Pin::new(&mut self.inner).poll_close(cx) {
            return Poll::Ready(result);
        }
        let limit = || Box::pin(tokio::time::sleep(CLOSE_WITHIN));
        self.closing.get_or_insert_with(limit).poll_unpin(cx).map(Ok)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        self.gauge.check()?;
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// A stream that is counted.
pub(crate) struct MeteredStream {
    inner: SubstreamBox,
    gauge: Arc<Gauge>,
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.inner).poll_read(cx, bytes))?;
        self.gauge.received(count)?;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        self.gauge.sent(count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

const CLOSE_WITHIN: Duration = Duration::from_secs(5);
