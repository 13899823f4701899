//! Answers to nodes that ask for what is on the disk: headers, states, slices.

use network::Reply;
use store::StoreError;
use version::Chain;
use wire::{ContentHash, RecordHash, Refusal, Response, StateHash, TaskId};

use crate::records::{Records, read_record};

/// Room for what surrounds the headers in an answer.
const MARGIN: usize = 64;

/// Sends an answer; one that nobody waits for any more is no fault.
pub(super) fn answer(reply: Reply, response: Response) {
    if let Err(error) = reply.send(response) {
        tracing::warn!(%error, "an answer could not be sent");
    }
}

/// The chain's headers from a place on, as many as fit one answer.
pub(super) fn headers(chain: &Chain, task: TaskId, from: u64) -> Response {
    if task != chain.task() {
        return Response::Refused(Refusal::NotFound);
    }
    let mut room = Response::LIMIT - MARGIN;
    let fitting = chain.from(from).iter().take_while(|header| {
        let length = wire::encode(*header).len();
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    });
    Response::Headers(fitting.cloned().collect())
}

/// Where a version's state is.
pub(super) fn state(records: &Records, state: StateHash) -> anyhow::Result<Response> {
    Ok(match records.place(state)? {
        Some((content, length)) => Response::State { content, length },
        None => Response::Refused(Refusal::NotFound),
    })
}

/// Reads the evidence of a step beside the loop, and answers with it.
pub(super) fn record(records: &Records, hash: RecordHash, reply: Reply) {
    let file = records.record_file(hash);
    tokio::task::spawn_blocking(move || {
        let response = match read_record(&file, hash) {
            Ok(Some(record)) => Response::Record(Box::new(record)),
            Ok(None) => Response::Refused(Refusal::NotFound),
            Err(error) => {
                tracing::error!("a record cannot be served: {error:#}");
                Response::Refused(Refusal::Busy)
            }
        };
        answer(reply, response);
    });
}

/// Reads a slice beside the loop, and answers with it.
pub(super) fn slice(records: &Records, content: ContentHash, offset: u64, reply: Reply) {
    let states = records.states();
    tokio::task::spawn_blocking(move || {
        let response = match states.slice(content, offset) {
            Ok(Some(bytes)) => Response::Slice(bytes),
            Ok(None) | Err(StoreError::SliceOffset { .. }) => Response::Refused(Refusal::NotFound),
            Err(error) => {
                tracing::error!(%error, "a state cannot be served");
                Response::Refused(Refusal::NotFound)
            }
        };
        answer(reply, response);
    });
}
