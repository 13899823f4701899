//! Everybody at once.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::Barrier;
use wire::{Request, Response, ToCoordinator};

use crate::support::*;

const NODES: u8 = 64;
const LENGTH: usize = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_contributions_at_one_instant_all_arrive() {
    let mut coordinator = coordinator(1..=NODES);
    let addresses = coordinator.handle.listen_addresses().await;
    let together = Arc::new(Barrier::new(usize::from(NODES)));
    let nodes: Vec<_> = (1..=NODES)
        .map(|seed| {
            let (addresses, together) = (addresses.clone(), Arc::clone(&together));
            tokio::spawn(async move {
                let mut node = begin(node_config(seed, addresses));
                node.until("the coordinator", connected_to(key(COORDINATOR))).await;
                let request = contribute(seed, LENGTH);
                together.wait().await;
                (node.handle.request(key(COORDINATOR), request.clone()).await, node)
            })
        })
        .collect();

    let mut arrived = BTreeSet::new();
    while arrived.len() < usize::from(NODES) {
        let (from, request) = coordinator.answer_next(Response::Accepted).await;
        let Request::ToCoordinator(ToCoordinator::Contribution(signed)) = request else {
            panic!("{request:?} was not sent");
        };
        let contribution = signed.check(from.into()).unwrap();
        assert_eq!(contribution.values.len(), LENGTH);
        assert!(arrived.insert(from), "{from:?} arrived twice");
    }
    for node in nodes {
        let (answer, _node) = within("an answer", node).await.unwrap();
        assert_eq!(answer, Ok(Response::Accepted));
    }
    assert!(coordinator.handle.rejections().is_empty(), "{:?}", coordinator.handle.rejections());
}
