//! A peer that speaks libp2p but not our protocol: it sends whatever bytes a test hands it.

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder,
    identity::Keypair,
    noise,
    request_response::{self as exchange, Message, ProtocolSupport},
    swarm::SwarmEvent,
    tcp, yamux,
};

#[derive(Clone)]
pub struct RawCodec;

impl exchange::Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<S>(&mut self, _: &StreamProtocol, io: &mut S) -> io::Result<Vec<u8>>
    where
        S: AsyncRead + Unpin + Send,
    {
        read_all(io).await
    }

    async fn read_response<S>(&mut self, _: &StreamProtocol, io: &mut S) -> io::Result<Vec<u8>>
    where
        S: AsyncRead + Unpin + Send,
    {
        read_all(io).await
    }

    async fn write_request<S>(
        &mut self,
        _: &StreamProtocol,
        io: &mut S,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        S: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }

    async fn write_response<S>(
        &mut self,
        _: &StreamProtocol,
        io: &mut S,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        S: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }
}

async fn read_all<S: AsyncRead + Unpin + Send>(io: &mut S) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

pub struct Raw(Swarm<exchange::Behaviour<RawCodec>>);

impl Raw {
    pub fn new(seed: u8) -> Self {
        let keys = Keypair::ed25519_from_bytes([seed; 32]).unwrap();
        let protocol = StreamProtocol::new("/murmuration/exchange/2");
        let behaviour = exchange::Behaviour::with_codec(
            RawCodec,
            [(protocol, ProtocolSupport::Full)],
            exchange::Config::default(),
        );
        let swarm = SwarmBuilder::with_existing_identity(keys)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| behaviour)
            .unwrap()
            .with_swarm_config(|config| {
                config.with_idle_connection_timeout(Duration::from_secs(60))
            })
            .build();
        Self(swarm)
    }

    /// Connects to whoever listens there.
    pub async fn dial(&mut self, address: &str) -> PeerId {
        self.0.dial(address.parse::<Multiaddr>().unwrap()).unwrap();
        loop {
            if let SwarmEvent::ConnectionEstablished { peer_id, .. } = self.0.next().await.unwrap()
            {
                return peer_id;
            }
        }
    }

    pub async fn listen(&mut self) -> String {
        self.0.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = self.0.next().await.unwrap() {
                return address.to_string();
            }
        }
    }

    /// Sends these bytes as a request; the bytes of the answer, or how it failed.
    pub async fn ask(&mut self, peer: &PeerId, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        self.0.behaviour_mut().send_request(peer, bytes);
        loop {
            match self.0.next().await.unwrap() {
                SwarmEvent::Behaviour(exchange::Event::Message {
                    message: Message::Response { response, .. },
                    ..
                }) => return Ok(response),
                SwarmEvent::Behaviour(exchange::Event::OutboundFailure { error, .. }) => {
                    return Err(error.to_string());
                }
                _ => {}
            }
        }
    }

    /// Begins to send, and is gone before it ends: no goodbye, the socket is just closed.
    pub async fn vanish_while_sending(mut self, peer: &PeerId, bytes: Vec<u8>) {
        self.0.behaviour_mut().send_request(peer, bytes);
        let for_a_moment = async { while self.0.next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_millis(300), for_a_moment).await;
    }

    /// Answers every request with these bytes.
    pub async fn answer_all(mut self, bytes: Vec<u8>) {
        while let Some(event) = self.0.next().await {
            if let SwarmEvent::Behaviour(exchange::Event::Message {
                message: Message::Request { channel, .. },
                ..
            }) = event
            {
                let _ = self.0.behaviour_mut().send_response(channel, bytes.clone());
            }
        }
    }
}
