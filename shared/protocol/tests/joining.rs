//! What a node fetches when it knows nothing yet: all headers first, then one state by its hash.

use ed25519_dalek::SigningKey;
use privacy::{Ledger, SavedState};
use protocol::{
    Node, Policy, Preset, Time,
    coordinator::coordinator_id,
    node::{Effect, Event, Input, NodeStart},
};
use version::{Chain, State};
use wire::{
    AbortReason, AdapterKind, AdapterSpec, Checked, Genesis, Header, ModelHash, Outcome, Projection,
    Round, Signed, VersionNumber,
};

fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn initial() -> State {
    State::initial(vec![0.0; 8])
}

fn genesis() -> Genesis {
    Genesis {
        name: "test".to_owned(),
        coordinator: coordinator_id(&key()),
        base: ModelHash([1; 32]),
        adapter: AdapterSpec {
            kind: AdapterKind::FfaLora,
            rank: 4,
            alpha: 8,
            targets: vec![Projection::Q],
            seed: [2; 32],
        },
        dimension: 8,
        initial: initial().hash(),
    }
}

/// Two steps: an abort, and a rollback to version 0, which makes version 1.
fn history() -> (Chain, Vec<Signed<Header>>) {
    let mut chain = Chain::new(genesis());
    let outcomes = [
        (0, Outcome::Aborted { reason: AbortReason::Interrupted }),
        (1, Outcome::RolledBack { to: VersionNumber(0), state: initial().hash() }),
    ];
    for (version, outcome) in outcomes {
        let header = Header {
            task: chain.task(),
            index: chain.next_index(),
            round: Round(1),
            version: VersionNumber(version),
            parent: chain.head(),
            outcome,
        };
        let header = Checked::sign(header, &key());
        chain.extend(header.signed()).expect("it follows");
    }
    let headers = chain.headers().to_vec();
    (chain, headers)
}

fn joining(effects: &mut Vec<Effect>) -> Node {
    let key = SigningKey::from_bytes(&[6; 32]);
    let policy = Policy::preset(Preset::Default).expect("a preset");
    let saved = SavedState::Unknown { task: None };
    let (ledger, _) =
        Ledger::open(&[], key.clone(), policy.limits(), saved, 0).expect("an empty ledger");
    let start = NodeStart {
        key,
        policy,
        ledger,
        chain: Chain::new(genesis()),
        state: None,
        journal: None,
        has_conversations: true,
    };
    Node::start(start, effects)
}

/// What is fetched, and what is told.
fn seen(effects: Vec<Effect>) -> Vec<String> {
    let name = |effect| match effect {
        Effect::FetchHeaders { from } => Some(format!("headers from {from}")),
        Effect::FetchState(hash) => Some(format!("state {hash}")),
        Effect::FetchRecord(_) => Some("a record".to_owned()),
        Effect::Report(event) => Some(format!("{event:?}")),
        _ => None,
    };
    effects.into_iter().filter_map(name).collect()
}

#[test]
fn whoever_joins_takes_all_headers_then_the_newest_version_by_its_hash_and_says_so() {
    let (chain, headers) = history();
    let mut effects = Vec::new();
    let mut node = joining(&mut effects);
    let mut tell = |input| {
        let mut effects = Vec::new();
        node.handle(input, Time(1), &mut effects);
        seen(effects)
    };
    assert_eq!(seen(effects), ["headers from 1"]);
    // A page of headers may not be the last.
    assert_eq!(tell(Input::Headers(headers)), ["headers from 3"]);
    assert_eq!(tell(Input::Headers(Vec::new())), [format!("state {}", chain.state())]);
    let adopted = Event::AdoptedByHash { version: VersionNumber(1) };
    assert_eq!(tell(Input::State(initial().encode())), [format!("{adopted:?}")]);
    // From here on nothing is taken by its hash, and nothing is missing.
    assert_eq!(tell(Input::State(initial().encode())), [""; 0]);
    assert_eq!(tell(Input::Headers(Vec::new())), [""; 0]);
}
