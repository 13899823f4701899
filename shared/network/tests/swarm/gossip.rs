//! Gossip through the star that the coordinator is the middle of.

use std::{collections::BTreeSet, time::Duration};

use network::{Event, Rejection, RequestError};
use wire::{Gossip, LedgerHead, Signed};

use crate::support::*;

const NODES: u8 = 20;

/// Takes events until gossip comes, and says from whom and with which sequence number.
async fn next_gossip(peer: &mut Peer) -> (network::PeerKey, u64) {
    peer.until("gossip", |event| match event {
        Event::Gossip { from, message: Gossip::LedgerHead(signed) } => {
            let head = signed.check(signed.claimed_signer()).expect("only valid gossip is told");
            Some((from, head.sequence))
        }
        _ => None,
    })
    .await
}

/// Publishes rising sequence numbers until the future ends: links take a moment to learn who
/// listens.
async fn while_publishing<T>(
    peer: &network::Handle,
    seed: u8,
    until: impl Future<Output = T>,
) -> T {
    let publishing = async {
        for sequence in 1.. {
            peer.publish(Gossip::LedgerHead(head(seed, sequence))).await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        unreachable!()
    };
    tokio::select! { value = until => value, () = publishing => unreachable!() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_of_anybody_reaches_everybody() {
    let mut coordinator = coordinator(1..=NODES);
    let mut nodes = Vec::new();
    for seed in 1..=NODES {
        nodes.push(connected_node(seed, &coordinator).await);
    }
    let author = nodes[0].handle.clone();
    let heard = async {
        assert_eq!(next_gossip(&mut coordinator).await.0, key(1));
        for node in &mut nodes[1..] {
            assert_eq!(next_gossip(node).await.0, key(1));
        }
    };
    while_publishing(&author, 1, heard).await;

    let author = coordinator.handle.clone();
    let heard = async {
        for node in &mut nodes {
            while next_gossip(node).await.0 != key(COORDINATOR) {}
        }
    };
    while_publishing(&author, COORDINATOR, heard).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_and_stale_gossip_is_not_passed_on() {
    let mut coordinator = coordinator([1, 2]);
    let mut author = connected_node(1, &coordinator).await;
    let mut reader = connected_node(2, &coordinator).await;
    while_publishing(&author.handle.clone(), 1, next_gossip(&mut reader)).await;

    let publish = |head| {
        let handle = author.handle.clone();
        async move { handle.publish(Gossip::LedgerHead(head)).await.unwrap() }
    };
    publish(forged()).await;
    let rejected = |event| match event {
        Event::Rejected { from, why } => Some((from, why)),
        _ => None,
    };
    let told = coordinator.until("the rejection", rejected).await;
    assert_eq!(told, (key(1), Rejection::GossipInvalid));
    publish(head(1, STALE)).await;
    publish(head(1, 5_000)).await;
    let mut heard = BTreeSet::new();
    while heard.insert(next_gossip(&mut reader).await.1) && !heard.contains(&5_000) {}
    assert!(heard.contains(&5_000) && !heard.contains(&STALE), "{heard:?}");
    assert!(reader.handle.rejections().is_empty(), "{:?}", reader.handle.rejections());
    assert_eq!(coordinator.handle.rejections()["gossip_invalid"], 1);
    author.handle.shut_down().await;
    author.until("its end", disconnected_from(key(COORDINATOR))).await;
}

/// A head whose signature does not belong to it.
fn forged() -> Signed<LedgerHead> {
    let mut bytes = wire::encode(&head(1, 7));
    *bytes.last_mut().unwrap() ^= 1;
    wire::decode(&bytes, 1024).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_are_not_told_and_not_heard_until_they_are_members() {
    let mut coordinator = coordinator([1]);
    let mut member = connected_node(1, &coordinator).await;
    let mut guest = connected_node(2, &coordinator).await;

    // What the guest says is rejected.
    let handle = guest.handle.clone();
    let rejected = coordinator.until("a guest's gossip", |event| match event {
        Event::Rejected { from, why: Rejection::GossipNotAMember } => Some(from),
        Event::Gossip { from, .. } => panic!("{from:?} was heard"),
        _ => None,
    });
    assert_eq!(while_publishing(&handle, 2, rejected).await, key(2));

    // What the coordinator says reaches the member, and not the guest.
    let handle = coordinator.handle.clone();
    let heard = async { while next_gossip(&mut member).await.1 < 5 {} };
    while_publishing(&handle, COORDINATOR, heard).await;
    let nothing = tokio::time::timeout(Duration::from_millis(500), next_gossip(&mut guest)).await;
    assert!(nothing.is_err(), "a guest was told {nothing:?}");

    coordinator.handle.set_members(members([1, 2])).await;
    let handle = member.handle.clone();
    while_publishing(&handle, 1, async { while next_gossip(&mut guest).await.0 != key(1) {} })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telling_nobody_is_no_error_and_telling_too_much_is() {
    let coordinator = coordinator([]);
    let handle = coordinator.handle;
    assert_eq!(handle.publish(Gossip::LedgerHead(head(COORDINATOR, 1))).await, Ok(()));
    // A head cannot be that long: padded bytes of one that a liar would sign.
    let long = vec![0_u8; 2 * Gossip::LIMIT];
    let bytes = wire::encode(&([0_u8; 32], long, [0_u8; 32], [0_u8; 32]));
    let signed: Signed<LedgerHead> = wire::decode(&bytes, bytes.len()).unwrap();
    let error = handle.publish(Gossip::LedgerHead(signed)).await.unwrap_err();
    assert!(matches!(error, RequestError::TooLarge { limit: Gossip::LIMIT, .. }), "{error:?}");
}
