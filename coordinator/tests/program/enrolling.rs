//! Invites, members and what they may ask, over the real network.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use ed25519_dalek::SigningKey;
use network::{Event, Events, Handle, Limits, NetworkConfig, PeerKey, RequestError, Role, Verdict};
use version::State;
use wire::{
    Checked, ContentHash, Enrol, Invite, NodeId, Refusal, Request, Response, Signed, TaskId,
};
use zeroize::Zeroizing;

use crate::support::{Swarm, error_of, until};

/// A node's end of the network: it speaks, and decides nothing.
struct Peer {
    key: SigningKey,
    coordinator: PeerKey,
    network: Handle,
    events: Events,
}

impl Peer {
    async fn connected(seed: u8, invite: &Invite) -> Self {
        let (network, events) = network::start(NetworkConfig {
            secret: Zeroizing::new([seed; 32]),
            role: Role::Node {
                coordinator: invite.coordinator,
                addresses: invite.addresses.clone(),
            },
            task: invite.task,
            members: BTreeSet::new(),
            listen: Vec::new(),
            limits: Limits::default(),
            validator: Arc::new(|_| Verdict::Ignore),
        })
        .unwrap();
        let key = SigningKey::from_bytes(&[seed; 32]);
        let mut peer = Self { key, coordinator: invite.coordinator.into(), network, events };
        peer.until(|event| matches!(event, Event::Connected(_))).await;
        peer
    }

    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) {
        let search =
            async { while !wanted(&self.events.next().await.expect("the network runs")) {} };
        tokio::time::timeout(Duration::from_secs(60), search).await.expect("it comes");
    }

    fn id(&self) -> NodeId {
        NodeId(self.key.verifying_key().to_bytes())
    }

    async fn ask(&self, request: Request) -> Result<Response, RequestError> {
        self.network.request(self.coordinator, request).await
    }

    fn signed(&self, invite: &Invite) -> Signed<Enrol> {
        let enrol = Enrol { task: invite.task, secret: invite.secret };
        Checked::sign(enrol, &self.key).signed().clone()
    }

    async fn enrol(&self, invite: &Invite) -> Result<Response, RequestError> {
        self.ask(Request::Enrol(self.signed(invite))).await
    }
}

fn refused(answer: Result<Response, RequestError>, why: Refusal) {
    assert_eq!(answer, Err(RequestError::Refused(why)));
}

fn invites(swarm: &Swarm, arguments: &[&str]) -> Vec<Invite> {
    let mut command = vec!["invite"];
    command.extend(arguments);
    let strings = swarm.json(&command);
    strings.as_array().unwrap().iter().map(|text| text.as_str().unwrap().parse().unwrap()).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn an_invite_enrols_one_node_once() {
    let swarm = Swarm::initialised();
    let running = swarm.run(&[]);
    let [first, second]: [Invite; 2] = invites(&swarm, &["--count", "2"]).try_into().unwrap();
    runtime().block_on(async {
        let ada = Peer::connected(1, &first).await;
        refused(ada.ask(Request::Hello(first.task)).await, Refusal::NotAMember);
        let made_up = Invite { secret: [7; 32], ..first.clone() };
        refused(ada.enrol(&made_up).await, Refusal::InvalidInvite);
        let Ok(Response::Task { genesis, members }) = ada.enrol(&first).await else {
            panic!("she is welcome")
        };
        assert_eq!(genesis.task(), first.task);
        let list = members.check(first.coordinator).unwrap();
        assert_eq!((list.revision, &list.members), (1, &vec![ada.id()]));
        let again = ada.enrol(&first).await.unwrap();
        assert_eq!(again, Response::Task { genesis, members }, "asking again changes nothing");

        let bob = Peer::connected(2, &first).await;
        refused(bob.enrol(&first).await, Refusal::InvalidInvite);
        let stolen = Request::Enrol(ada.signed(&second));
        refused(bob.ask(stolen).await, Refusal::InvalidInvite);
        let elsewhere = Invite { task: TaskId([9; 32]), ..second.clone() };
        refused(bob.enrol(&elsewhere).await, Refusal::NotFound);
        assert!(matches!(bob.enrol(&second).await, Ok(Response::Task { .. })));
    });
    assert_eq!(running.stop(), Some(0));
    let running = swarm.run(&[]);
    assert_eq!(swarm.json(&["status"])["status"]["members"], 2, "members survive a restart");
    runtime().block_on(async {
        let [third]: [Invite; 1] = invites(&swarm, &[]).try_into().unwrap();
        let addresses = third.addresses;
        let eve = Peer::connected(3, &Invite { addresses, ..first.clone() }).await;
        refused(eve.enrol(&first).await, Refusal::InvalidInvite);
    });
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn an_expired_invite_is_refused() {
    let swarm = Swarm::initialised();
    let running = swarm.run(&[]);
    let [invite]: [Invite; 1] = invites(&swarm, &["--expires-in", "1s"]).try_into().unwrap();
    until("the invite to expire", || {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        (now > invite.expires_unix).then_some(())
    });
    runtime().block_on(async {
        let ada = Peer::connected(1, &invite).await;
        refused(ada.enrol(&invite).await, Refusal::InvalidInvite);
    });
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn a_member_fetches_the_history_and_version_0() {
    let swarm = Swarm::initialised();
    swarm.json(&["rollback", "--to", "0"]);
    let running = swarm.run(&[]);
    let [invite]: [Invite; 1] = invites(&swarm, &[]).try_into().unwrap();
    let task = invite.task;
    runtime().block_on(async {
        let ada = Peer::connected(1, &invite).await;
        let Ok(Response::Task { genesis, .. }) = ada.enrol(&invite).await else {
            panic!("she is welcome")
        };
        let hello = ada.ask(Request::Hello(task)).await;
        assert!(matches!(hello, Ok(Response::Task { .. })), "{hello:?}");
        refused(ada.ask(Request::Hello(TaskId([9; 32]))).await, Refusal::NotFound);

        let Ok(Response::Headers(headers)) = ada.ask(Request::Headers { task, from: 1 }).await
        else {
            panic!("headers are given")
        };
        let mut chain = version::Chain::new(genesis);
        headers.iter().for_each(|header| drop(chain.extend(header).unwrap()));
        assert_eq!(chain.version().0, 1);
        let none = ada.ask(Request::Headers { task, from: u64::MAX }).await;
        assert_eq!(none, Ok(Response::Headers(Vec::new())));

        let Ok(Response::State { content, length }) = ada.ask(Request::State(chain.state())).await
        else {
            panic!("the state is kept")
        };
        let folder = tempfile::tempdir().unwrap();
        let contents = store::Contents::open(&folder.path().join("states")).unwrap();
        let mut assembly = contents.assemble(content, length).unwrap();
        let missing: Vec<u64> = assembly.missing().collect();
        for offset in missing {
            let Ok(Response::Slice(slice)) = ada.ask(Request::Slice { content, offset }).await
            else {
                panic!("a slice is given")
            };
            assembly.add(offset, &slice).unwrap();
        }
        assembly.finish().unwrap();
        let state = State::decode(&contents.get(content).unwrap().unwrap()).unwrap();
        assert_eq!(state.hash(), chain.state());

        refused(ada.ask(Request::Slice { content, offset: 1 }).await, Refusal::NotFound);
        let unknown = ContentHash([3; 32]);
        refused(ada.ask(Request::Slice { content: unknown, offset: 0 }).await, Refusal::NotFound);
        let record = wire::RecordHash([3; 32]);
        refused(ada.ask(Request::Record(record)).await, Refusal::NotFound);
        refused(ada.ask(Request::State(wire::StateHash([3; 32]))).await, Refusal::NotFound);
    });
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn who_is_removed_is_cut_off_and_needs_a_new_invite() {
    let swarm = Swarm::initialised();
    let running = swarm.run(&[]);
    let invite = invites(&swarm, &[]).pop().unwrap();
    runtime().block_on(async {
        let mut ada = Peer::connected(1, &invite).await;
        assert!(matches!(ada.enrol(&invite).await, Ok(Response::Task { .. })));
        assert!(matches!(ada.ask(Request::Hello(invite.task)).await, Ok(Response::Task { .. })));
        until("her to be present", || {
            let present = &swarm.json(&["status"])["status"]["present"];
            (present.as_array().unwrap().len() == 1).then_some(())
        });
        let removed = swarm.call(&["remove", &ada.id().to_string()[..12]]);
        assert!(removed.status.success(), "{}", error_of(&removed));
        ada.until(|event| matches!(event, Event::Disconnected(_))).await;
        ada.until(|event| matches!(event, Event::Connected(_))).await;
        refused(ada.ask(Request::Hello(invite.task)).await, Refusal::NotAMember);
        refused(ada.enrol(&invite).await, Refusal::InvalidInvite);
        let status = swarm.json(&["status"]);
        assert_eq!(status["status"]["members"], 0);
        let another = invites(&swarm, &[]).pop().unwrap();
        assert!(matches!(ada.enrol(&another).await, Ok(Response::Task { .. })));
    });
    assert_eq!(running.stop(), Some(0));
    let nobody = swarm.call(&["remove", "00"]);
    assert_eq!(nobody.status.code(), Some(2), "{}", error_of(&nobody));
}

#[test]
fn without_an_address_no_invite_is_made() {
    let swarm = Swarm::initialised();
    let output = swarm.call(&["invite"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(error_of(&output).contains("--address"), "{}", error_of(&output));
    let given = invites(&swarm, &["--address", "swarm.example.org:4001", "--expires-in", "12h"]);
    assert_eq!(given[0].addresses, ["swarm.example.org:4001"]);
}
