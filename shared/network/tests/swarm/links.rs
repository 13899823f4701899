//! Connections that are lost, replaced or not what they seem.

use network::{Event, NetworkConfig, Rejection, RequestError};
use wire::Response;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_finds_its_coordinator_again_after_a_restart() {
    let first = coordinator([1]);
    let addresses = first.handle.listen_addresses().await;
    let mut node = connected_node(1, &first).await;
    for _ in 0..2 {
        within("the coordinator's end", first.handle.shut_down()).await;
    }
    node.until("the loss", disconnected_from(key(COORDINATOR))).await;
    let answer = node.handle.request(key(COORDINATOR), hello());
    assert_eq!(within("no answer", answer).await, Err(RequestError::Unreachable));

    let second = begin(NetworkConfig { listen: addresses, ..coordinator_config([1]) });
    node.until("the return", connected_to(key(COORDINATOR))).await;
    let _second = second.accept_all();
    let answer = node.handle.request(key(COORDINATOR), hello());
    assert_eq!(within("the answer", answer).await, Ok(Response::Accepted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_may_start_before_its_coordinator() {
    let first = coordinator([1]);
    let addresses = first.handle.listen_addresses().await;
    within("a free port", first.handle.shut_down()).await;
    // The first address leads nowhere, so the second is tried.
    let mut known = vec!["127.0.0.1:1".to_owned()];
    known.extend(addresses.clone());
    let mut node = begin(node_config(1, known));
    assert!(node.handle.connected().await.is_empty());
    let _coordinator = begin(NetworkConfig { listen: addresses, ..coordinator_config([1]) });
    node.until("the coordinator", connected_to(key(COORDINATOR))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_with_another_key_is_not_the_coordinator() {
    let middle = NetworkConfig {
        secret: zeroize::Zeroizing::new([77; 32]),
        members: members([1]),
        ..coordinator_config([])
    };
    let mut middle = begin(middle);
    let mut node = node(1, &middle).await;
    let rejected = |event| match event {
        Event::Rejected { from, why: Rejection::WrongCoordinator } => Some(from),
        Event::Connected(_) => panic!("the man in the middle was taken for the coordinator"),
        _ => None,
    };
    assert_eq!(node.until("the rejection", rejected).await, key(77));
    assert_eq!(node.until("one more", rejected).await, key(77));
    assert!(node.handle.connected().await.is_empty());
    let answer = node.handle.request(key(77), enrol(1));
    assert_eq!(within("no answer", answer).await, Err(RequestError::Unreachable));
    within("the end", middle.handle.shut_down()).await;
    while let Some(event) = within("its events", middle.events.next()).await {
        assert!(!matches!(event, Event::Request { .. }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_connection_of_a_peer_replaces_the_first() {
    let mut coordinator = coordinator([1]);
    let mut first = connected_node(1, &coordinator).await;
    coordinator.until("the first", connected_to(key(1))).await;
    // The same device again, which the coordinator does not know to have lost the first one.
    let second = node(1, &coordinator).await;
    first.until("the end of the first", disconnected_from(key(COORDINATOR))).await;
    within("the end of the first", first.handle.shut_down()).await;
    let coordinator = coordinator.accept_all();
    let asked = async {
        while second.handle.request(key(COORDINATOR), hello()).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("an answer over the second", asked).await;
    assert_eq!(coordinator.connected().await, [key(1)].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_disconnected_comes_again() {
    let mut coordinator = coordinator([1]);
    let mut node = connected_node(1, &coordinator).await;
    coordinator.until("the node", connected_to(key(1))).await;
    coordinator.handle.disconnect(key(1)).await;
    coordinator.until("the loss", disconnected_from(key(1))).await;
    coordinator.until("the return", connected_to(key(1))).await;
    node.until("the loss", disconnected_from(key(COORDINATOR))).await;
    node.until("the return", connected_to(key(COORDINATOR))).await;
}
