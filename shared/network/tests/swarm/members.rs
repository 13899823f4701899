//! Members only: who is let in, who is answered, who is cut.

use network::{Event, NetworkConfig, Rejection, RequestError, Role};
use wire::{Refusal, Request, Response};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_may_enrol_and_nothing_else_until_it_is_a_member() {
    let mut coordinator = coordinator([2]);
    let guest = connected_node(1, &coordinator).await;
    assert!(coordinator.handle.connected().await.is_empty());
    for request in [hello(), contribute(1, 100), Request::Headers { task: TASK, from: 1 }] {
        let answer =
            within("a refusal", guest.handle.request(key(COORDINATOR), request.clone())).await;
        assert_eq!(answer, Err(RequestError::Refused(Refusal::NotAMember)));
    }
    assert_eq!(coordinator.handle.rejections()["not_a_member"], 3);

    let ask = guest.handle.request(key(COORDINATOR), enrol(1));
    let handle = coordinator.handle.clone();
    let answer = async {
        let reply = coordinator.until("the enrolment", |event| match event {
            Event::Request { from, request: Request::Enrol(_), reply } => {
                assert_eq!(from, key(1));
                Some(reply)
            }
            Event::Request { request, .. } => panic!("{request:?} of a guest was let through"),
            Event::Rejected { from, why } => {
                assert_eq!((from, why), (key(1), Rejection::NotAMember));
                None
            }
            _ => None,
        });
        let reply = reply.await;
        handle.set_members(members([1, 2])).await;
        reply.send(Response::Accepted).unwrap();
    };
    let (response, ()) = within("the answer", async { tokio::join!(ask, answer) }).await;
    assert_eq!(response, Ok(Response::Accepted));

    coordinator.until("the new member", connected_to(key(1))).await;
    let coordinator = coordinator.accept_all();
    for request in [hello(), contribute(1, 300_000)] {
        let answer =
            within("an answer", guest.handle.request(key(COORDINATOR), request.clone())).await;
        assert_eq!(answer, Ok(Response::Accepted));
    }
    assert_eq!(coordinator.connected().await, [key(1)].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_is_sent_away_after_its_time() {
    let mut config = coordinator_config([2]);
    config.limits.guest_ms = 1_000;
    let coordinator = begin(config);
    let mut member = connected_node(2, &coordinator).await;
    let mut guest = connected_node(1, &coordinator).await;
    guest.until("the end of its time", disconnected_from(key(COORDINATOR))).await;
    let coordinator = coordinator.accept_all();
    let answer = member.handle.request(key(COORDINATOR), hello());
    assert_eq!(within("the member's answer", answer).await, Ok(Response::Accepted));
    drop(coordinator);
    member.until("the coordinator's end", |_| Some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_sends_much_is_cut() {
    let coordinator = coordinator([2]);
    let mut guest = connected_node(1, &coordinator).await;
    let answer = guest.handle.request(key(COORDINATOR), contribute(1, 2_000_000));
    assert_eq!(within("the cut", answer).await, Err(RequestError::Interrupted));
    guest.until("the end", disconnected_from(key(COORDINATOR))).await;
    let counted = async {
        while !coordinator.handle.rejections().contains_key("guest_bytes") {
            tokio::task::yield_now().await;
        }
    };
    within("the count", counted).await;
    let received = coordinator.handle.traffic().total.bytes_received;
    assert!(received < 1_000_000, "{received} bytes of a guest were read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_have_few_places_and_members_keep_theirs() {
    let mut config = coordinator_config([9]);
    config.limits.guests = 2;
    let mut coordinator = begin(config);
    let _guests = [connected_node(1, &coordinator).await, connected_node(2, &coordinator).await];
    let _third = node(3, &coordinator).await;
    let rejected = |event| match event {
        Event::Rejected { from, why: Rejection::TooManyGuests } => Some(from),
        _ => None,
    };
    assert_eq!(coordinator.until("a full house", rejected).await, key(3));
    let member = connected_node(9, &coordinator).await;
    coordinator.until("the member", connected_to(key(9))).await;
    let _coordinator = coordinator.accept_all();
    let answer = member.handle.request(key(COORDINATOR), hello());
    assert_eq!(within("the member's answer", answer).await, Ok(Response::Accepted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_member_is_disconnected_and_not_heard_again() {
    let mut coordinator = coordinator([1, 2]);
    let mut removed = connected_node(1, &coordinator).await;
    let mut stays = connected_node(2, &coordinator).await;
    coordinator.until("the first", connected_to(key(1))).await;
    coordinator.handle.set_members(members([2])).await;
    coordinator.until("its end", disconnected_from(key(1))).await;
    removed.until("its end", disconnected_from(key(COORDINATOR))).await;
    removed.until("its return as a guest", connected_to(key(COORDINATOR))).await;
    let answer = removed.handle.request(key(COORDINATOR), hello());
    let refused = Err(RequestError::Refused(Refusal::NotAMember));
    assert_eq!(within("a refusal", answer).await, refused);
    let _coordinator = coordinator.accept_all();
    let answer = stays.handle.request(key(COORDINATOR), hello());
    assert_eq!(within("the other's answer", answer).await, Ok(Response::Accepted));
    stays.handle.shut_down().await;
    stays.until("its own end", disconnected_from(key(COORDINATOR))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_coordinator_may_order_a_node() {
    let coordinator = coordinator([1, 2]);
    let config = node_config(1, coordinator.handle.listen_addresses().await);
    let mut node = begin(NetworkConfig { listen: vec!["127.0.0.1:0".into()], ..config });
    node.until("the coordinator", connected_to(key(COORDINATOR))).await;
    let addresses = node.handle.listen_addresses().await;

    // Members and strangers that take the node for their coordinator.
    let role = Role::Node { coordinator: key(1).into(), addresses };
    let mut member = begin(config_of(2, &role));
    member.until("the node", connected_to(key(1))).await;
    for request in [to_node(), hello(), enrol(2)] {
        let answer = within("a refusal", member.handle.request(key(1), request.clone())).await;
        assert_eq!(answer, Err(RequestError::Refused(Refusal::NotMine)));
    }
    let _stranger = begin(config_of(150, &role));
    let rejected = |event| match event {
        Event::Rejected { from, why: Rejection::Stranger } => Some(from),
        Event::Request { request, .. } => panic!("{request:?} was let through"),
        _ => None,
    };
    assert_eq!(node.until("the stranger", rejected).await, key(150));

    // The coordinator itself may order, and nothing but that.
    let answer = coordinator.handle.request(key(1), hello());
    assert_eq!(within("a refusal", answer).await, Err(RequestError::Refused(Refusal::NotMine)));
    let _node = node.accept_all();
    let answer = coordinator.handle.request(key(1), to_node());
    assert_eq!(within("the order", answer).await, Ok(Response::Accepted));
}

fn config_of(seed: u8, role: &Role) -> NetworkConfig {
    config(seed, role.clone())
}
