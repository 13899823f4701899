//! What a node fetches when it knows nothing yet, and what it keeps of another history.

use ed25519_dalek::SigningKey;
use privacy::{Ledger, Sampler, SavedState};
use protocol::{
    Node, Policy, Preset, Time,
    coordinator::coordinator_id,
    node::{Effect, Event, Input, NodeStart, Record},
};
use version::{Chain, State};
use wire::{
    AbortReason, AdapterKind, AdapterSpec, Checked, Genesis, Header, LedgerHash, LedgerHead,
    ModelHash, Outcome, Projection, Round, Signed, ToCoordinator, VersionNumber,
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
        memory: None,
        sampler: Sampler::default(),
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

/// A header that another node tells of, and that only another history can hold.
#[test]
fn a_fork_that_is_heard_of_is_kept_once() {
    let (chain, headers) = history();
    let mut effects = Vec::new();
    let mut node = joining(&mut effects);
    node.handle(Input::Headers(headers.clone()), Time(1), &mut effects);
    let header = |index, parent| {
        let outcome = Outcome::Aborted { reason: AbortReason::TooFewShares };
        let (task, round, version) = (chain.task(), Round(9), VersionNumber(0));
        let header = Header { task, index, round, version, parent, outcome };
        Checked::sign(header, &key()).signed().clone()
    };
    let mut kept = |header: &Signed<Header>| {
        let mut effects = Vec::new();
        node.handle(Input::Header(header.clone()), Time(2), &mut effects);
        let kept = effects.iter().filter(
            |effect| matches!(effect, Effect::Persist(Record::Fork(other)) if other == header),
        );
        (kept.count(), seen(effects))
    };
    let told = |index| vec![format!("{:?}", Event::Forked { index })];
    let (second, next) = (header(1, genesis().head()), header(3, genesis().head()));
    assert_eq!(kept(&second), (1, told(1)), "another one in its place");
    assert_eq!(kept(&second), (0, Vec::new()), "once");
    assert_eq!(kept(&next), (1, told(3)), "another head before it");
    for known_or_later in [&headers[0], &header(3, chain.head()), &header(9, chain.head())] {
        assert_eq!(kept(known_or_later), (0, Vec::new()));
    }
    let forged = Checked::sign(
        second.check(second.claimed_signer()).unwrap().into_value(),
        &SigningKey::from_bytes(&[9; 32]),
    );
    assert_eq!(kept(forged.signed()), (0, Vec::new()), "somebody else's signature");
}

/// What was heard shows a ledger that was rolled back; two heads of one length are told.
#[test]
fn heads_that_are_heard_of_are_told_to_the_owner_where_they_contradict() {
    let mut node = joining(&mut Vec::new());
    let other = SigningKey::from_bytes(&[8; 32]);
    let mut tell = |task, sequence, hash| {
        let head = LedgerHead { task, sequence, head: LedgerHash([hash; 32]) };
        let head = Checked::sign(head, &other).signed().clone();
        let mut effects = Vec::new();
        node.handle(Input::LedgerHead(head), Time(1), &mut effects);
        let sent =
            effects.iter().filter(|e| matches!(e, Effect::Send(ToCoordinator::LaterHead(_))));
        (sent.count(), effects.iter().filter(|e| matches!(e, Effect::Reject(_))).count())
    };
    let task = genesis().task();
    assert_eq!(tell(task, 5, 5), (0, 0));
    assert_eq!(tell(task, 4, 4), (0, 0), "old news");
    assert_eq!(tell(task, 5, 6), (1, 0), "two ledgers of one length");
    assert_eq!(tell(wire::TaskId([7; 32]), 9, 9), (0, 1));
}

/// A restored ledger is charged for what somebody else has seen of it, by whatever way that comes: here by gossip.
#[test]
fn a_later_head_of_ones_own_that_is_heard_of_is_charged_once() {
    let mut node = joining(&mut Vec::new());
    let largest = node.policy().rho_per_round_max;
    let head = |key: u8, sequence| {
        let (task, head) = (genesis().task(), LedgerHash([3; 32]));
        let head = LedgerHead { task, sequence, head };
        Checked::sign(head, &SigningKey::from_bytes(&[key; 32])).signed().clone()
    };
    let mut tell = |head: Signed<LedgerHead>| {
        let mut effects = Vec::new();
        node.handle(Input::LedgerHead(head), Time(1), &mut effects);
        let charged = effects.iter().any(|e| matches!(e, Effect::Persist(Record::Ledger(_))));
        (charged, node.ledger().spent(genesis().task()))
    };
    assert_eq!(tell(head(9, 7)), (false, grid::Q40::ZERO), "of somebody else");
    assert_eq!(tell(head(6, 3)), (true, largest.saturating_mul(3)));
    assert_eq!(tell(head(6, 3)), (false, largest.saturating_mul(3)), "once");
    assert_eq!(tell(head(6, 4)), (true, largest.saturating_mul(4)), "the difference");
}
