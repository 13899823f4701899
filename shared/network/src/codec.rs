//! One message per direction of a stream: its length in 4 bytes, big-endian, then the canonical
//! bytes of [`wire::encode`].
//!
//! A reader refuses a length above the limit before it reads on, grows its memory as bytes
//! arrive, and takes an end before the length is reached for what it is: a cut connection reads
//! as a clean end of a stream, so an end alone never finishes a message. What is wrong is
//! returned as [`Parcel::Faulty`], because libp2p drops the error of a request's reader unseen.

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout, timeout_at};
use wire::{Request, Response};

use crate::{limits::Limits, rejection::Rejection};

/// 2: masks take b bits of their keystream for a coordinate (`secagg::stream`). Sums with programs that make them
/// otherwise would be noise, so they find no common protocol.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/murmuration/exchange/2");

/// A message at this end of a stream.
#[derive(Debug)]
pub(crate) enum Parcel<T> {
    /// To be sent: already encoded, and within its limit.
    Sealed(Vec<u8>),
    /// Arrived.
    Opened(T),
    /// Arrived, but it is not a message.
    Faulty(Rejection),
}

/// Reads and writes messages, within their times.
#[derive(Clone, Debug)]
pub(crate) struct Codec {
    message: Duration,
    progress: Duration,
    exchange: Duration,
}

impl Codec {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            message: Duration::from_millis(limits.message_ms),
            progress: Duration::from_millis(limits.progress_ms),
            exchange: limits.exchange(),
        }
    }

    /// Reads one message. `patience`: how long its first byte may take.
    async fn read<S, T>(&self, stream: &mut S, limit: usize, patience: Duration) -> Parcel<T>
    where
        S: AsyncRead + Unpin + Send,
        T: Serialize + DeserializeOwned,
    {
        let (progress, message) = (self.progress, self.message);
        let mut frame = Incoming { stream, patience, progress, message, deadline: None };
        let bytes = match frame.read(limit).await {
            Ok(bytes) => bytes,
            Err(rejection) => return Parcel::Faulty(rejection),
        };
        match wire::decode(&bytes, limit) {
            Ok(message) => Parcel::Opened(message),
            Err(error) => Parcel::Faulty(Rejection::Undecodable(error)),
        }
    }

    async fn write<S, T>(&self, stream: &mut S, parcel: Parcel<T>) -> io::Result<()>
    where
        S: AsyncWrite + Unpin + Send,
    {
        let Parcel::Sealed(bytes) = parcel else {
            unreachable!("only sealed parcels are handed over for sending");
        };
        let length = u32::try_from(bytes.len()).expect("limits are below 4 GiB");
        let head = length.to_be_bytes();
        let chunks = std::iter::once(&head[..]).chain(bytes.chunks(CHUNK));
        let all = async {
            for chunk in chunks {
                timeout(self.progress, stream.write_all(chunk)).await??;
            }
            io::Result::Ok(())
        };
        timeout(self.message, all).await?
    }
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Parcel<Request>;
    type Response = Parcel<Response>;

    async fn read_request<S>(&mut self, _: &StreamProtocol, io: &mut S) -> io::Result<Self::Request>
    where
        S: AsyncRead + Unpin + Send,
    {
        Ok(self.read(io, Request::LIMIT, self.progress).await)
    }

    async fn read_response<S>(
        &mut self,
        _: &StreamProtocol,
        io: &mut S,
    ) -> io::Result<Self::Response>
    where
        S: AsyncRead + Unpin + Send,
    {
        Ok(self.read(io, Response::LIMIT, self.exchange).await)
    }

    async fn write_request<S>(
        &mut self,
        _: &StreamProtocol,
        io: &mut S,
        request: Self::Request,
    ) -> io::Result<()>
    where
        S: AsyncWrite + Unpin + Send,
    {
        self.write(io, request).await
    }

    async fn write_response<S>(
        &mut self,
        _: &StreamProtocol,
        io: &mut S,
        response: Self::Response,
    ) -> io::Result<()>
    where
        S: AsyncWrite + Unpin + Send,
    {
        self.write(io, response).await
    }
}

/// A message on its way in, with its times.
struct Incoming<'a, S> {
    stream: &'a mut S,
    /// How long the next bytes may take.
    patience: Duration,
    /// How long the bytes after the first may take.
    progress: Duration,
    /// How long the whole message may take from its first byte on.
    message: Duration,
    deadline: Option<Instant>,
}

/// Why bytes stopped.
enum Stop {
    Ended,
    Stalled,
}

impl<S: AsyncRead + Unpin + Send> Incoming<'_, S> {
    async fn read(&mut self, limit: usize) -> Result<Vec<u8>, Rejection> {
        let mut head = [0; 4];
        self.fill(&mut head).await.map_err(|(stop, received)| stop.at(received, 4))?;
        let length = u32::from_be_bytes(head) as usize;
        if length > limit {
            return Err(Rejection::Oversized { length, limit });
        }
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let before = bytes.len();
            bytes.resize(length.min(before + CHUNK), 0);
            let filled = self.fill(&mut bytes[before..]).await;
            filled.map_err(|(stop, received)| stop.at(before + received, length))?;
        }
        Ok(bytes)
    }

    /// Fills the buffer, or tells why not and how much of it was filled.
    async fn fill(&mut self, buffer: &mut [u8]) -> Result<(), (Stop, usize)> {
        let mut filled = 0;
        while filled < buffer.len() {
            let now = Instant::now();
            let pause = now + self.patience;
            let until = self.deadline.map_or(pause, |deadline| deadline.min(pause));
            match timeout_at(until, self.stream.read(&mut buffer[filled..])).await {
                Ok(Ok(0) | Err(_)) => return Err((Stop::Ended, filled)),
                Ok(Ok(count)) => filled += count,
                Err(_) => return Err((Stop::Stalled, filled)),
            }
            self.patience = self.progress;
            self.deadline.get_or_insert_with(|| Instant::now() + self.message);
        }
        Ok(())
    }
}

impl Stop {
    fn at(self, received: usize, length: usize) -> Rejection {
        match self {
            Self::Ended => Rejection::Truncated { received, length },
            Self::Stalled => Rejection::Stalled { received, length },
        }
    }
}

/// How far memory runs ahead of the bytes that arrived, and how much is written at once.
const CHUNK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use futures::{StreamExt, TryStreamExt, io::Cursor};
    use wire::{DecodeError, Refusal, TaskId};

    use super::*;

    fn codec() -> Codec {
        Codec::new(&Limits { message_ms: 300, progress_ms: 100, ..Limits::default() })
    }

    async fn read(bytes: &[u8]) -> Parcel<Request> {
        codec().read(&mut Cursor::new(bytes), 64, Duration::from_secs(60)).await
    }

    fn frame(body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32).to_be_bytes(), body].concat()
    }

    fn fault(parcel: Parcel<Request>) -> Rejection {
        match parcel {
            Parcel::Faulty(rejection) => rejection,
            other => panic!("{other:?} was taken for a message"),
        }
    }

    #[tokio::test]
    async fn reads_back_what_it_wrote() {
        let mut stream = Cursor::new(Vec::new());
        let response = Response::Slice(vec![7; 3 * CHUNK + 1]);
        let sealed: Parcel<Response> = Parcel::Sealed(wire::encode(&response));
        codec().write(&mut stream, sealed).await.unwrap();
        stream.set_position(0);
        let read: Parcel<Response> =
            codec().read(&mut stream, Response::LIMIT, Duration::from_secs(60)).await;
        assert!(matches!(read, Parcel::Opened(read) if read == response));
    }

    #[tokio::test]
    async fn every_proper_prefix_is_truncated() {
        let whole = frame(&wire::encode(&Request::Hello(TaskId([1; 32]))));
        for end in 0..whole.len() {
            let rejection = fault(read(&whole[..end]).await);
            assert!(matches!(rejection, Rejection::Truncated { .. }), "{end}: {rejection:?}");
        }
        assert!(matches!(read(&whole).await, Parcel::Opened(Request::Hello(_))));
    }

    #[tokio::test]
    async fn what_is_too_long_is_not_read() {
        let mut stream = Cursor::new(frame(&[0; 65]));
        let parcel = codec().read(&mut stream, 64, Duration::from_secs(60)).await;
        assert_eq!(fault(parcel), Rejection::Oversized { length: 65, limit: 64 });
        assert_eq!(stream.position(), 4);
    }

    #[tokio::test]
    async fn what_is_no_message_is_told_apart() {
        let mut padded = wire::encode(&Request::Hello(TaskId([1; 32])));
        padded.push(0);
        for (body, why) in [
            (&[][..], DecodeError::Empty),
            (&[9, 9, 9], DecodeError::Version { found: 9 }),
            (&[1, 200, 200, 200], DecodeError::Malformed),
            (&padded, DecodeError::NotCanonical),
        ] {
            assert_eq!(fault(read(&frame(body)).await), Rejection::Undecodable(why));
        }
    }

    /// A stream of these bytes, a pause after each piece.
    fn slow(pieces: Vec<Vec<u8>>, pause: Duration) -> impl AsyncRead + Unpin + Send {
        let pieces = futures::stream::iter(pieces).then(move |piece| async move {
            tokio::time::sleep(pause).await;
            io::Result::Ok(piece)
        });
        Box::pin(pieces.chain(futures::stream::pending())).into_async_read()
    }

    #[tokio::test]
    async fn silence_ends_a_message() {
        let mut stream = slow(vec![frame(&[1; 60])[..10].to_vec()], Duration::ZERO);
        let parcel = codec().read(&mut stream, 64, Duration::from_secs(60)).await;
        assert_eq!(fault(parcel), Rejection::Stalled { received: 6, length: 60 });
    }

    #[tokio::test]
    async fn dripping_ends_a_message() {
        let drops = frame(&[1; 60]).into_iter().map(|byte| vec![byte]).collect();
        let mut stream = slow(drops, Duration::from_millis(20));
        let parcel = codec().read(&mut stream, 64, Duration::from_secs(60)).await;
        assert!(matches!(fault(parcel), Rejection::Stalled { length: 60, .. }));
    }

    #[test]
    fn every_refusal_fits() {
        assert!(wire::encode(&Response::Refused(Refusal::Busy)).len() < 8);
    }
}
