//! TCP → Noise (who is it) → Yamux (many streams in one connection) → counted.

use std::time::Duration;

use libp2p::{
    PeerId, Transport,
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    dns,
    identity::Keypair,
    noise, tcp, yamux,
};

use crate::{
    limits::Limits,
    traffic::{Metered, Meters},
};

pub(crate) fn transport(
    keys: &Keypair,
    limits: &Limits,
    meters: &Meters,
) -> Boxed<(PeerId, StreamMuxerBox)> {
    let noise = noise::Config::new(keys).expect("an Ed25519 key can sign a Noise key");
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(STREAMS);
    let meters = meters.clone();
    let metered = move |(peer, muxer), _| {
        let metered = Metered::new(muxer, &peer, &meters);
        (peer, StreamMuxerBox::new(metered))
    };
    sockets()
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux)
        .timeout(Duration::from_millis(limits.handshake_ms))
        .boxed()
        .map(metered)
        .boxed()
}

/// TCP, with names looked up where this machine says how.
fn sockets() -> Boxed<tcp::tokio::TcpStream> {
    let tcp = || tcp::tokio::Transport::new(tcp::Config::default());
    match dns::tokio::Transport::system(tcp()) {
        Ok(named) => named.boxed(),
        Err(error) => {
            tracing::warn!(%error, "names cannot be looked up here: addresses must be numbers");
            tcp().boxed()
        }
    }
}

/// Streams of one connection at once: a few for gossip and pings beside those for requests.
const STREAMS: usize = 128;
