//! What this process has open: its sockets, read from /proc, and its tasks. One test alone in
//! one process, so that nobody else's sockets are seen.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeSet, fs, sync::Arc, time::Duration};

use network::{Event, Events, Handle, Limits, NetworkConfig, PeerKey, Role, Verdict, start};
use wire::{Gossip, LedgerHash, LedgerHead, Request, Response, TaskId, ToNode};
use zeroize::Zeroizing;

const TASK: TaskId = TaskId([1; 32]);

#[test]
fn a_node_without_a_listening_address_takes_full_part_and_nothing_is_left() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let scenario = tokio::spawn(full_part());
        let ended = tokio::time::timeout(Duration::from_secs(180), scenario).await;
        ended.expect("the scenario ends in time").unwrap();
        // The scenario's own task, and those it waited for, take a moment to leave the list.
        let tasks = tokio::runtime::Handle::current().metrics();
        let gone = async {
            while tasks.num_alive_tasks() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.expect("no task is left");
    });
    assert_eq!(listening_ports(), BTreeSet::new());
    assert_eq!(sockets_of_this_process(), BTreeSet::new());
}

async fn full_part() {
    let (coordinator, coordinator_events) = begin(1, Role::Coordinator, &["127.0.0.1:0"]);
    let addresses = coordinator.listen_addresses().await;
    let port: u16 = addresses[0].rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(listening_ports(), [port].into());

    let role = Role::Node { coordinator: coordinator.key().into(), addresses };
    let (node, mut node_events) = begin(2, role, &[]);
    assert!(node.listen_addresses().await.is_empty());
    loop {
        if let Event::Connected(peer) = node_events.next().await.unwrap() {
            assert_eq!(peer, coordinator.key());
            break;
        }
    }
    let coordinator_side = tokio::spawn(accept(coordinator_events, node.key()));
    let node_side = tokio::spawn(accept(node_events, coordinator.key()));

    // It asks, is asked, tells and is told.
    let hello = Request::Hello(TASK);
    assert_eq!(node.request(coordinator.key(), hello).await, Ok(Response::Accepted));
    let order = Request::ToNode(ToNode::LaterHead(head(1, 1)));
    assert_eq!(coordinator.request(node.key(), order).await, Ok(Response::Accepted));
    for sequence in 0.. {
        node.publish(Gossip::LedgerHead(head(2, sequence))).await.unwrap();
        coordinator.publish(Gossip::LedgerHead(head(1, sequence))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        if coordinator_side.is_finished() && node_side.is_finished() {
            break;
        }
    }
    assert_eq!(listening_ports(), [port].into(), "only the coordinator listens");
    let (coordinator_events, node_events) =
        (coordinator_side.await.unwrap(), node_side.await.unwrap());

    node.shut_down().await;
    coordinator.shut_down().await;
    assert_eq!(listening_ports(), BTreeSet::new());
    for mut events in [coordinator_events, node_events] {
        while events.next().await.is_some() {}
    }
}

/// Accepts one request, and waits for gossip of that author.
async fn accept(mut events: Events, author: PeerKey) -> Events {
    let (mut asked, mut told) = (false, false);
    while !(asked && told) {
        match events.next().await.unwrap() {
            Event::Request { reply, .. } => {
                reply.send(Response::Accepted).unwrap();
                asked = true;
            }
            Event::Gossip { from, .. } => told |= from == author,
            _ => {}
        }
    }
    events
}

fn begin(seed: u8, role: Role, listen: &[&str]) -> (Handle, Events) {
    let key = |seed: u8| ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
    start(NetworkConfig {
        secret: Zeroizing::new([seed; 32]),
        role,
        task: TASK,
        members: [key(2).to_bytes().into()].into(),
        listen: listen.iter().map(|&address| address.to_owned()).collect(),
        limits: Limits::default(),
        validator: Arc::new(|_| Verdict::Accept),
    })
    .unwrap()
}

fn head(seed: u8, sequence: u64) -> wire::Signed<LedgerHead> {
    let head = LedgerHead { task: TASK, sequence, head: LedgerHash([0; 32]) };
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    wire::Checked::sign(head, &key).signed().clone()
}

/// The TCP ports that this process listens on.
fn listening_ports() -> BTreeSet<u16> {
    const LISTEN: &str = "0A";
    let mine = sockets_of_this_process();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let rows = tables.iter().flatten().flat_map(|table| table.lines().skip(1));
    rows.filter_map(|row| {
        let columns: Vec<_> = row.split_whitespace().collect();
        let inode: u64 = columns[9].parse().unwrap();
        let port = columns[1].rsplit(':').next().unwrap();
        (columns[3] == LISTEN && mine.contains(&inode))
            .then(|| u16::from_str_radix(port, 16).unwrap())
    })
    .collect()
}

/// The inodes of TCP sockets of this process.
fn sockets_of_this_process() -> BTreeSet<u64> {
    let links = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()?.to_str().map(str::to_owned));
    let mine: BTreeSet<u64> = links
        .filter_map(|link| link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let rows = tables.iter().flatten().flat_map(|table| table.lines().skip(1));
    let tcp: BTreeSet<u64> =
        rows.filter_map(|row| row.split_whitespace().nth(9)?.parse().ok()).collect();
    mine.intersection(&tcp).copied().collect()
}
