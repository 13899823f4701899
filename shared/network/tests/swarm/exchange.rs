//! Requests and answers between well-behaved peers.

use std::time::Duration;

use network::{NetworkConfig, RequestError};
use wire::{ContentHash, Refusal, Request, Response};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_ask_over_the_connection_that_the_node_opened() {
    let mut coordinator = coordinator([1]);
    let mut node = node(1, &coordinator).await;
    node.until("the coordinator", connected_to(key(COORDINATOR))).await;
    coordinator.until("the node", connected_to(key(1))).await;
    assert_eq!(coordinator.handle.connected().await, [key(1)].into());
    assert_eq!(node.handle.connected().await, [key(COORDINATOR)].into());

    let slice = Request::Slice { content: ContentHash([5; 32]), offset: 0 };
    let ask = node.handle.request(key(COORDINATOR), slice.clone());
    let answer = coordinator.answer_next(Response::Slice(vec![9; 1 << 20]));
    let (response, asked) = within("the answer", async { tokio::join!(ask, answer) }).await;
    assert_eq!(asked, (key(1), slice));
    assert!(matches!(response, Ok(Response::Slice(bytes)) if bytes == vec![9; 1 << 20]));

    let ask = coordinator.handle.request(key(1), to_node());
    let answer = node.answer_next(Response::Accepted);
    let (response, asked) = within("the answer", async { tokio::join!(ask, answer) }).await;
    assert_eq!(asked, (key(COORDINATOR), to_node()));
    assert_eq!(response, Ok(Response::Accepted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_are_counted_per_peer_and_in_total() {
    const LENGTH: usize = 300_000;
    let coordinator = coordinator([1]);
    let node = connected_node(1, &coordinator).await;
    let coordinator = coordinator.accept_all();
    let answer = node.handle.request(key(COORDINATOR), contribute(1, LENGTH));
    assert_eq!(within("the answer", answer).await, Ok(Response::Accepted));

    let (sent, received) = (node.handle.traffic(), coordinator.traffic());
    let up = sent.peers[&key(COORDINATOR)].bytes_sent;
    let arrived = received.peers[&key(1)].bytes_received;
    assert!(up > LENGTH as u64 && arrived > LENGTH as u64, "{up} sent, {arrived} received");
    assert!(up < LENGTH as u64 + 5_000, "{up} bytes for {LENGTH}");
    assert!(sent.total.bytes_sent >= up && received.total.bytes_received >= arrived);
    let down = sent.peers[&key(COORDINATOR)].bytes_received;
    assert!(down > 0 && down < 5_000, "{down} bytes of an answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_come_as_errors_and_a_dropped_reply_is_busy() {
    let mut coordinator = coordinator([1]);
    let node = connected_node(1, &coordinator).await;
    let ask = node.handle.request(key(COORDINATOR), hello());
    let answer = coordinator.answer_next(Response::Refused(Refusal::NotFound));
    let (response, _) = within("the answer", async { tokio::join!(ask, answer) }).await;
    assert_eq!(response, Err(RequestError::Refused(Refusal::NotFound)));

    let ask = node.handle.request(key(COORDINATOR), hello());
    let drop_it = async { drop(coordinator.next_request().await) };
    let (response, ()) = within("the answer", async { tokio::join!(ask, drop_it) }).await;
    assert_eq!(response, Err(RequestError::Refused(Refusal::Busy)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_coordinator_never_dials() {
    let coordinator = coordinator([1]);
    let answer = coordinator.handle.request(key(1), to_node());
    assert_eq!(within("the answer", answer).await, Err(RequestError::Unreachable));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_long_is_not_sent() {
    let mut coordinator = coordinator([1]);
    let node = connected_node(1, &coordinator).await;
    let answer = node.handle.request(key(COORDINATOR), contribute(1, Request::LIMIT));
    let error = within("the answer", answer).await.unwrap_err();
    assert!(matches!(error, RequestError::TooLarge { limit: Request::LIMIT, .. }), "{error:?}");

    let ask = node.handle.request(key(COORDINATOR), hello());
    let answer = async {
        let (_, _, reply) = coordinator.next_request().await;
        reply.send(Response::Slice(vec![0; Response::LIMIT + 1]))
    };
    let (response, sent) = within("the answer", async { tokio::join!(ask, answer) }).await;
    assert!(matches!(sent, Err(RequestError::TooLarge { limit: Response::LIMIT, .. })));
    assert_eq!(response, Err(RequestError::Refused(Refusal::Busy)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_is_given_up_and_a_long_queue_is_refused() {
    let mut coordinator = coordinator([1]);
    let mut config = node_config(1, coordinator.handle.listen_addresses().await);
    (config.limits.requests, config.limits.waiting) = (1, 1);
    config.limits.exchange_ms = 3_000;
    let mut node = begin(config);
    node.until("the coordinator", connected_to(key(COORDINATOR))).await;

    let first = {
        let handle = node.handle.clone();
        tokio::spawn(async move { handle.request(key(COORDINATOR), hello()).await })
    };
    let _never_answered = coordinator.next_request().await;
    let second = {
        let handle = node.handle.clone();
        tokio::spawn(async move { handle.request(key(COORDINATOR), hello()).await })
    };
    let third = async {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let answer = node.handle.request(key(COORDINATOR), hello()).await;
            if answer == Err(RequestError::Busy) {
                return;
            }
        }
    };
    within("a full queue", third).await;
    assert_eq!(within("the first", first).await.unwrap(), Err(RequestError::TimedOut));
    assert_eq!(within("the second", second).await.unwrap(), Err(RequestError::TimedOut));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_given_survives_shutting_down() {
    let mut coordinator = coordinator([1]);
    let node = connected_node(1, &coordinator).await;
    let ask = node.handle.request(key(COORDINATOR), hello());
    let answer = async {
        coordinator.answer_next(Response::Accepted).await;
        coordinator.handle.shut_down().await;
    };
    let (response, ()) = within("the answer", async { tokio::join!(ask, answer) }).await;
    assert_eq!(response, Ok(Response::Accepted));
    let after = coordinator.handle.request(key(1), to_node());
    assert_eq!(within("the end", after).await, Err(RequestError::ShutDown));
    while within("the last events", coordinator.events.next()).await.is_some() {}
}

#[tokio::test]
async fn a_wrong_start_says_what_to_do() {
    let start = |config: NetworkConfig| network::start(config).unwrap_err().to_string();
    let message = start(NetworkConfig { listen: vec!["4001".into()], ..coordinator_config([]) });
    assert!(message.contains("write host:port"), "{message}");
    let message = start(node_config(1, Vec::new()));
    assert!(message.contains("ask for an invite"), "{message}");
    let mut config = coordinator_config([]);
    config.limits.events = 0;
    assert!(start(config).contains("limit events is 0"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = vec![taken.local_addr().unwrap().to_string()];
    let message = start(NetworkConfig { listen, ..coordinator_config([]) });
    assert!(message.contains("choose another address or port"), "{message}");
    let udp = vec!["/ip4/127.0.0.1/udp/0".into()];
    let message = start(NetworkConfig { listen: udp, ..coordinator_config([]) });
    assert!(message.contains("write host:port"), "{message}");
}
