//! One history: what extends the chain, and every way in which a header does not.

use super::terms::adapter;
use ed25519_dalek::SigningKey;
use version::{Chain, ChainError};
use wire::{
    AbortReason, Checked, CoordinatorId, GateResult, Genesis, Header, HeaderHash, ModelHash,
    Outcome, RecordHash, Round, Signed, SignedError, StateHash, TaskId, VersionNumber,
};

fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn genesis() -> Genesis {
    Genesis {
        name: "a swarm".into(),
        coordinator: CoordinatorId(key().verifying_key().to_bytes()),
        base: ModelHash([2; 32]),
        adapter: adapter(),
        dimension: 6,
        initial: StateHash([0; 32]),
    }
}

fn gate(loss_micro: u64) -> GateResult {
    GateResult { loss_micro, limit_micro: 100 }
}

fn issued(state: u8, loss_micro: u64) -> Outcome {
    let (record, state) = (RecordHash([state; 32]), StateHash([state; 32]));
    Outcome::Issued { record, state, gate: gate(loss_micro) }
}

fn refused(loss_micro: u64) -> Outcome {
    let (record, candidate) = (RecordHash([77; 32]), StateHash([77; 32]));
    Outcome::Refused { record, candidate, gate: gate(loss_micro) }
}

fn aborted() -> Outcome {
    Outcome::Aborted { reason: AbortReason::TooFewShares }
}

fn rolled_back(to: u64, state: u8) -> Outcome {
    Outcome::RolledBack { to: VersionNumber(to), state: StateHash([state; 32]) }
}

/// The header that follows, with the counters that the outcome asks for.
fn next(chain: &Chain, outcome: Outcome) -> Header {
    let (round, version) = match outcome {
        Outcome::Issued { .. } => (chain.last_round().next(), chain.version().next()),
        Outcome::RolledBack { .. } => (chain.last_round(), chain.version().next()),
        _ => (chain.last_round().next(), chain.version()),
    };
    let (task, index, parent) = (chain.task(), chain.next_index(), chain.head());
    Header { task, index, round, version, parent, outcome }
}

fn sign(header: Header) -> Signed<Header> {
    Checked::sign(header, &key()).signed().clone()
}

fn extend(chain: &mut Chain, outcome: Outcome) -> HeaderHash {
    let header = next(chain, outcome);
    chain.extend(&sign(header)).unwrap().hash()
}

/// Issued 1, refused, aborted, issued 2, rolled back to 1 (as 3), issued 4.
fn history() -> Chain {
    let mut chain = Chain::new(genesis());
    for outcome in
        [issued(1, 90), refused(101), aborted(), issued(2, 50), rolled_back(1, 1), issued(4, 95)]
    {
        extend(&mut chain, outcome);
    }
    chain
}

#[test]
fn a_history_is_followed() {
    let chain = history();
    assert_eq!((chain.next_index(), chain.last_round()), (7, Round(5)));
    assert_eq!((chain.version(), chain.state()), (VersionNumber(4), StateHash([4; 32])));
    let states = [(0, Some(0)), (1, Some(1)), (2, Some(2)), (3, Some(1)), (4, Some(4)), (5, None)];
    for (version, state) in states {
        let state = state.map(|byte| StateHash([byte; 32]));
        assert_eq!(chain.state_of(VersionNumber(version)), state);
    }
    assert_eq!(chain.headers().len(), 6);
    assert_eq!(chain.from(0).len(), 6);
    assert_eq!(chain.from(1).len(), 6);
    assert_eq!(chain.from(6), &chain.headers()[5..]);
    assert!(chain.from(7).is_empty() && chain.from(u64::MAX).is_empty());
    assert!(chain.contains(chain.head()) && chain.contains(chain.genesis().head()));
    assert!(!chain.contains(HeaderHash([1; 32])));
}

#[test]
fn kept_headers_make_the_same_chain_again() {
    let chain = history();
    let mut again = Chain::new(genesis());
    chain.headers().iter().for_each(|header| drop(again.extend(header).unwrap()));
    assert_eq!((again.head(), again.state()), (chain.head(), chain.state()));
}

#[test]
fn the_best_loss_is_that_of_the_newest_versions_own_line() {
    let mut chain = Chain::new(genesis());
    let mut after = |outcome| {
        extend(&mut chain, outcome);
        chain.best_loss_micro()
    };
    assert_eq!(after(aborted()), None);
    assert_eq!(after(issued(1, 90)), Some(90));
    assert_eq!(after(issued(2, 50)), Some(50));
    assert_eq!(after(issued(3, 60)), Some(50));
    assert_eq!(after(refused(101)), Some(50));
    assert_eq!(after(rolled_back(1, 1)), Some(90));
    assert_eq!(after(issued(5, 70)), Some(70));
    assert_eq!(after(rolled_back(4, 1)), Some(90));
    assert_eq!(after(rolled_back(2, 2)), Some(50));
    assert_eq!(after(rolled_back(0, 0)), None);
}

/// The error of the next header after `change`; the chain must be what it was.
fn error_of(outcome: Outcome, change: impl Fn(&mut Header)) -> ChainError {
    let mut chain = history();
    let mut header = next(&chain, outcome);
    assert!(chain.check(&sign(header.clone())).is_ok(), "without the change it follows");
    change(&mut header);
    let (head, length) = (chain.head(), chain.headers().len());
    let signed = sign(header);
    let error = chain.extend(&signed).unwrap_err();
    assert_eq!(chain.check(&signed).unwrap_err(), error);
    assert_eq!((chain.head(), chain.headers().len()), (head, length));
    assert_eq!((chain.version(), chain.last_round()), (VersionNumber(4), Round(5)));
    error
}

#[test]
fn a_broken_link_is_named() {
    let index = 7;
    let error = |change: fn(&mut Header)| error_of(issued(9, 60), change);
    assert_eq!(error(|h| h.task = TaskId([0; 32])), ChainError::Task { index });
    assert_eq!(error(|h| h.parent = HeaderHash([0; 32])), ChainError::Parent { index });
    assert_eq!(error(|h| h.index = 8), ChainError::Index { expected: 7, found: 8 });
    assert_eq!(error(|h| h.index = 0), ChainError::Index { expected: 7, found: 0 });
    assert_eq!(error(|h| h.index = 3), ChainError::Fork { index: 3 });
}

#[test]
fn counters_must_follow_the_outcome() {
    let (index, last) = (7, Round(5));
    let round = |found| ChainError::Round { index, last, found: Round(found) };
    for outcome in [issued(9, 60), refused(200), aborted()] {
        assert_eq!(error_of(outcome, |h| h.round = Round(5)), round(5));
        assert_eq!(error_of(outcome, |h| h.round = Round(4)), round(4));
    }
    assert_eq!(error_of(rolled_back(1, 1), |h| h.round = Round(4)), round(4));

    let version = |expected, found| {
        let (expected, found) = (VersionNumber(expected), VersionNumber(found));
        ChainError::Version { index, expected, found }
    };
    for (outcome, expected) in
        [(issued(9, 60), 5), (rolled_back(1, 1), 5), (refused(200), 4), (aborted(), 4)]
    {
        for found in [0, 9 - expected, u64::MAX] {
            let error = error_of(outcome, |h| h.version = VersionNumber(found));
            assert_eq!(error, version(expected, found));
        }
    }
}

#[test]
fn rounds_may_be_skipped() {
    let mut chain = history();
    let mut header = next(&chain, aborted());
    header.round = Round(50);
    assert_eq!(chain.extend(&sign(header)).unwrap().round, Round(50));
}

#[test]
fn the_outcome_must_be_what_its_gate_says() {
    let (index, limit_micro) = (7, 100);
    assert_eq!(
        error_of(issued(9, 100), |h| h.outcome = issued(9, 101)),
        ChainError::IssuedButFailed { index, loss_micro: 101, limit_micro }
    );
    assert_eq!(
        error_of(refused(101), |h| h.outcome = refused(100)),
        ChainError::RefusedButPassed { index, loss_micro: 100, limit_micro }
    );
}

#[test]
fn a_rollback_restores_what_was() {
    let index = 7;
    let error = |outcome: Outcome| error_of(rolled_back(2, 2), |h| h.outcome = outcome);
    for to in [5, u64::MAX] {
        let to_version = VersionNumber(to);
        assert_eq!(error(rolled_back(to, 2)), ChainError::UnknownVersion { index, to: to_version });
    }
    let to = VersionNumber(1);
    assert_eq!(error(rolled_back(1, 2)), ChainError::RollbackState { index, to });
}

#[test]
fn only_the_coordinators_signature_counts() {
    let chain = history();
    let header = next(&chain, aborted());
    let stranger = SigningKey::from_bytes(&[8; 32]);
    let signed = Checked::sign(header, &stranger).signed().clone();
    let error = chain.check(&signed).unwrap_err();
    assert_eq!(error, ChainError::Signature(SignedError::WrongSigner));
}

#[test]
fn a_repeated_header_is_known_and_another_one_is_a_fork() {
    let chain = history();
    for (index, header) in (1..).zip(chain.headers()) {
        assert_eq!(chain.check(header).unwrap_err(), ChainError::Known { index });
    }
    let mut other = history().headers()[5].check(chain.genesis().coordinator).unwrap().into_value();
    other.outcome = issued(8, 60);
    assert_eq!(chain.check(&sign(other)).unwrap_err(), ChainError::Fork { index: 6 });
}
