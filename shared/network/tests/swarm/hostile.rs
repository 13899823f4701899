//! Bytes that are not messages, from peers that are members all the same.

use network::{Event, Rejection, RequestError};
use wire::{DecodeError, Request, Response};

use crate::{raw::Raw, support::*};

const HOSTILE: u8 = 66;

fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes(), body].concat()
}

/// What to send, and what is to be counted.
fn attacks() -> Vec<(Vec<u8>, Rejection)> {
    let good = wire::encode(&hello());
    let mut trailing = good.clone();
    trailing.push(0);
    let mut garbage = vec![0x5a; 5_000];
    garbage[0] = wire::WIRE_VERSION;
    let huge = u32::MAX as usize;
    let limit = Request::LIMIT;
    let mut just_above = (limit as u32 + 1).to_be_bytes().to_vec();
    just_above.extend(vec![1; 100_000]);
    vec![
        (vec![0xff; 64], Rejection::Oversized { length: huge, limit }),
        (just_above, Rejection::Oversized { length: limit + 1, limit }),
        (Vec::new(), Rejection::Truncated { received: 0, length: 4 }),
        (frame(&good)[..20].to_vec(), Rejection::Truncated { received: 16, length: good.len() }),
        (frame(&trailing), Rejection::Undecodable(DecodeError::NotCanonical)),
        (frame(&garbage), Rejection::Undecodable(DecodeError::Malformed)),
        (frame(&[77, 1, 2]), Rejection::Undecodable(DecodeError::Version { found: 77 })),
        (frame(&[]), Rejection::Undecodable(DecodeError::Empty)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attack_is_refused_and_counted_while_another_peer_goes_on() {
    let mut coordinator = coordinator([1, HOSTILE]);
    let address = coordinator.handle.listen_addresses().await.remove(0);
    let node = connected_node(1, &coordinator).await;
    let mut counts = std::collections::BTreeMap::<_, u64>::new();
    for (bytes, expected) in attacks() {
        let mut hostile = Raw::new(HOSTILE);
        let peer = within("a connection", hostile.dial(&address)).await;
        let answered = within("no answer", hostile.ask(&peer, bytes)).await;
        assert!(answered.as_ref().is_ok_and(Vec::is_empty) || answered.is_err(), "{answered:?}");
        let told = coordinator.until("the rejection", |event| match event {
            Event::Rejected { from, why } => Some((from, why)),
            Event::Request { request, .. } => panic!("taken for {request:?}"),
            _ => None,
        });
        assert_eq!(told.await, (key(HOSTILE), expected));
        *counts.entry(expected.kind()).or_default() += 1;

        let ask = node.handle.request(key(COORDINATOR), hello());
        let answer = coordinator.answer_next(Response::Accepted);
        let (response, asked) = within("the answer", async { tokio::join!(ask, answer) }).await;
        assert_eq!((response, asked.0), (Ok(Response::Accepted), key(1)));
        // Gone before the next one comes, so that it is not a second connection.
        drop(hostile);
        coordinator.gone(key(HOSTILE)).await;
    }
    assert_eq!(coordinator.handle.rejections(), counts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_never_a_finished_message() {
    let mut coordinator = coordinator([1, HOSTILE]);
    let address = coordinator.handle.listen_addresses().await.remove(0);
    let whole = frame(&wire::encode(&contribute(HOSTILE, 200_000)));
    for kept in [3, 4, 5, 100_000, whole.len() - 1] {
        let mut hostile = Raw::new(HOSTILE);
        let peer = within("a connection", hostile.dial(&address)).await;
        hostile.vanish_while_sending(&peer, whole[..kept].to_vec()).await;
        coordinator.gone(key(HOSTILE)).await;
    }
    // The whole of it is taken, so the cut ones failed for being cut.
    let mut honest = Raw::new(HOSTILE);
    let peer = within("a connection", honest.dial(&address)).await;
    let answer = coordinator.answer_next(Response::Accepted);
    let ask = honest.ask(&peer, whole);
    let (response, asked) = within("the answer", async { tokio::join!(ask, answer) }).await;
    assert!(asked == (key(HOSTILE), contribute(HOSTILE, 200_000)));
    assert_eq!(response.unwrap(), frame(&wire::encode(&Response::Accepted)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_answers_with_rubbish_is_not_believed() {
    let limit = Response::LIMIT;
    let long = (limit as u32 + 1).to_be_bytes().to_vec();
    let good = frame(&wire::encode(&Response::Accepted));
    for (bytes, error, why) in [
        (frame(&[9; 30]), RequestError::BadAnswer, "undecodable"),
        (long, RequestError::BadAnswer, "oversized"),
        (good[..good.len() - 1].to_vec(), RequestError::Interrupted, "truncated"),
    ] {
        let mut hostile = Raw::new(COORDINATOR);
        let address = within("an address", hostile.listen()).await;
        let hostile = tokio::spawn(hostile.answer_all(bytes));
        let mut node = begin(node_config(1, vec![address]));
        node.until("the coordinator", connected_to(key(COORDINATOR))).await;
        let answer = within("an error", node.handle.request(key(COORDINATOR), hello())).await;
        assert_eq!(answer, Err(error));
        assert_eq!(node.handle.rejections(), [(why, 1)].into());
        hostile.abort();
    }
}
