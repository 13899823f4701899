//! Somebody with the coordinator's own key, on its own address, asks a real node for more than its owner allows.

use std::{sync::Arc, time::Duration};

use ed25519_dalek::SigningKey;
use network::{Event, NetworkConfig, PeerKey, Role, Verdict};
use wire::{Checked, Plan, Refusal, Request, Response, Round, Signed, ToNode};

use crate::support::{
    evidence::{genesis, node_chain, transcripts},
    process::answer,
    swarm::{Shape, Swarm},
};

const NODES: usize = 5;
/// The node that is lied to.
const VICTIM: usize = 0;

#[test]
fn a_coordinator_that_asks_for_too_much_is_refused_and_the_owner_is_told() {
    let mut swarm = Swarm::start(Shape::of(NODES));
    swarm.wait_for_version(1);
    swarm.kill_coordinator();
    for other in 1..NODES {
        swarm.kill_node(other);
    }
    let charges = swarm.ledger(VICTIM).entries.len();
    let honest = next_plan(&swarm);
    let key = coordinator_key(&swarm);
    let lie = |ahead: u64, change: fn(&mut Plan)| {
        let mut plan = Plan { round: Round(honest.round.0 + ahead), ..honest.clone() };
        change(&mut plan);
        Checked::sign(plan, &key).signed().clone()
    };
    let lies = [
        (lie(1, |plan| plan.recipe.steps = 1_000_000), "1000000 training steps"),
        (lie(2, |plan| plan.cohort.corrupt_denominator = 1_000), "1/1000 of the roster"),
        (lie(3, |plan| plan.base.0[0] ^= 1), "base model"),
    ];
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for (plan, why) in &lies {
        runtime.block_on(say(&swarm, &key, plan));
        swarm.wait(&format!("a refusal because of {why}"), |swarm| {
            swarm.status(VICTIM)?.refused.filter(|refused| refused.why.contains(why))
        });
    }
    swarm.stop();
    assert_eq!(swarm.ledger(VICTIM).entries.len(), charges, "nothing was charged");
    let told = answer(swarm.node_command(VICTIM).arg("budget"));
    let refused = told["refused"].as_array().expect("a list");
    let last: Vec<_> = refused.iter().rev().take(3).rev().collect();
    assert!(last[0]["would_do"].as_str().unwrap().contains("steps_max = 1000000"), "{told}");
    assert!(last[1]["would_do"].as_str().unwrap().contains("corrupt_min = \"1/1000\""), "{told}");
    assert!(last[2]["would_do"].is_null(), "no number would do: {told}");
}

/// A plan as honest as the last one, on top of what the victim holds for history.
fn next_plan(swarm: &Swarm) -> Plan {
    let (chain, transcripts) = (node_chain(swarm, VICTIM), transcripts(swarm));
    let (last, transcript) = transcripts.last_key_value().expect("a round is over");
    let plan = transcript.rest.plan.check(genesis(swarm).coordinator).unwrap().into_value();
    // Beyond every round that was begun when the coordinator was killed.
    let round = Round(last.0 + 100);
    Plan { round, head: chain.head(), version: chain.version(), ..plan }
}

fn coordinator_key(swarm: &Swarm) -> SigningKey {
    let file = swarm.coordinator_folder().join("coordinator.key");
    SigningKey::from_bytes(&store::keyfile::load_key(&file).unwrap())
}

/// Takes the coordinator's place until the victim has heard the plan.
async fn say(swarm: &Swarm, key: &SigningKey, plan: &Signed<Plan>) {
    let (network, mut events) = network::start(NetworkConfig {
        secret: key.to_bytes().into(),
        role: Role::Coordinator,
        task: genesis(swarm).task(),
        members: (0..NODES).map(|number| swarm.node_id(number)).collect(),
        listen: vec![swarm.coordinator_address()],
        limits: network::Limits::default(),
        validator: Arc::new(|_| Verdict::Accept),
    })
    .unwrap();
    let victim = PeerKey(swarm.node_id(VICTIM).0);
    let said = async {
        while let Some(event) = events.next().await {
            match event {
                Event::Connected(peer) if peer == victim => {
                    let plan = Request::ToNode(ToNode::Plan(plan.clone()));
                    if network.request(victim, plan).await.is_ok() {
                        return;
                    }
                }
                Event::Request { reply, .. } => {
                    let _ = reply.send(Response::Refused(Refusal::NotMine));
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(100), said).await.expect("the victim comes back");
    network.shut_down().await;
}
