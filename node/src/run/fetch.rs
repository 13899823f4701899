//! Headers, records and states from the coordinator: every slice is verified before it is kept.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use network::{Handle, PeerKey, RequestError};
use protocol::node::Input;
use store::Contents;
use tokio::sync::mpsc;
use wire::{RecordHash, Refusal, Request, Response, StateHash, TaskId};

/// Fetches what the machine asks for, one thing at a time.
#[derive(Clone)]
pub(super) struct Fetcher {
    pub network: Handle,
    pub coordinator: PeerKey,
    pub task: TaskId,
    pub inputs: mpsc::Sender<Input>,
    pub state_limit: u64,
}

impl Fetcher {
    /// Asks for headers from a place in the chain on.
    pub fn headers(&self, from: u64) {
        let own = self.clone();
        tokio::spawn(async move {
            let request = Request::Headers { task: own.task, from };
            match own.network.request(own.coordinator, request).await {
                Ok(Response::Headers(headers)) => {
                    let _ = own.inputs.send(Input::Headers(headers)).await;
                }
                Ok(_) => tracing::warn!("the coordinator answered something else than headers"),
                Err(error) => tracing::debug!(%error, "no headers"),
            }
        });
    }

    /// Asks for the evidence of a step. Only a plain "not found" counts as gone; whatever else goes
    /// wrong is asked again after the next reconnection.
    pub fn record(&self, hash: RecordHash) {
        let own = self.clone();
        tokio::spawn(async move {
            let record = match own.network.request(own.coordinator, Request::Record(hash)).await {
                Ok(Response::Record(record)) => Some(record),
                Err(RequestError::Refused(Refusal::NotFound)) => None,
                Ok(_) => {
                    return tracing::warn!("the coordinator answered something else than a record");
                }
                Err(error) => return tracing::debug!(%error, "no record"),
            };
            let _ = own.inputs.send(Input::Record { hash, record }).await;
        });
    }

    /// Fetches the bytes of a state, slice by slice; a part that is here already is kept.
    pub fn state(&self, hash: StateHash, states: Arc<Contents>) {
        let own = self.clone();
        tokio::spawn(async move {
            match own.assemble(hash, &states).await {
                Ok(bytes) => {
                    let _ = own.inputs.send(Input::State(bytes)).await;
                }
                Err(error) => tracing::debug!(%error, "the newest version could not be fetched"),
            }
        });
    }

    async fn assemble(&self, hash: StateHash, states: &Contents) -> anyhow::Result<Vec<u8>> {
        let place = self.network.request(self.coordinator, Request::State(hash)).await?;
        let Response::State { content, length } = place else {
            bail!("the coordinator answered something else than a state");
        };
        if length > self.state_limit {
            bail!("a state of {length} bytes is larger than this task's can be");
        }
        let mut assembly = states.assemble(content, length)?;
        let missing: Vec<u64> = assembly.missing().collect();
        for offset in missing {
            let request = Request::Slice { content, offset };
            let Response::Slice(slice) = self.network.request(self.coordinator, request).await?
            else {
                bail!("the coordinator answered something else than a slice");
            };
            assembly.add(offset, &slice)?;
        }
        assembly.finish()?;
        let bytes = states.get(content)?.context("the fetched state has gone from the store")?;
        if version::State::decode(&bytes).is_ok_and(|state| state.hash() == hash) {
            return Ok(bytes);
        }
        states.remove(content)?;
        bail!("the coordinator sent another state than the chain names")
    }
}

/// The most bytes of a state: parameters and two moments, with room for its head.
pub(super) fn state_limit(dimension: u32) -> u64 {
    12 * u64::from(dimension) + 64
}
