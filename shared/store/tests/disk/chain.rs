//! The chain on disk: verified again whenever it is opened.

use ed25519_dalek::SigningKey;
use store::{ChainFile, Log, StoreError};
use version::{Chain, ChainError};
use wire::{
    AbortReason, AdapterKind, AdapterSpec, Checked, CoordinatorId, Genesis, Header, ModelHash,
    Outcome, StateHash, encode,
};

fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn genesis() -> Genesis {
    Genesis {
        name: "a swarm".into(),
        coordinator: CoordinatorId(key().verifying_key().to_bytes()),
        base: ModelHash([2; 32]),
        adapter: AdapterSpec {
            kind: AdapterKind::Lora,
            rank: 1,
            alpha: 1,
            targets: vec![],
            seed: [0; 32],
        },
        dimension: 6,
        initial: StateHash([0; 32]),
    }
}

fn aborted(chain: &Chain) -> Checked<Header> {
    let header = Header {
        task: chain.task(),
        index: chain.next_index(),
        round: chain.last_round().next(),
        version: chain.version(),
        parent: chain.head(),
        outcome: Outcome::Aborted { reason: AbortReason::TooFewShares },
    };
    Checked::sign(header, &key())
}

#[test]
fn headers_come_back_as_a_verified_chain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain");
    let (mut file, mut chain, _) = ChainFile::open(&path, genesis()).unwrap();
    for _ in 0..3 {
        let header = aborted(&chain);
        chain.extend(header.signed()).unwrap();
        file.append(&header).unwrap();
    }
    let (_, again, torn) = ChainFile::open(&path, genesis()).unwrap();
    assert_eq!((again.head(), again.next_index(), torn), (chain.head(), 4, None));
}

#[test]
fn a_torn_header_can_be_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain");
    let (mut file, chain, _) = ChainFile::open(&path, genesis()).unwrap();
    file.append(&aborted(&chain)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 7]).unwrap();
    let (mut file, chain, torn) = ChainFile::open(&path, genesis()).unwrap();
    assert_eq!((torn.unwrap().at, chain.next_index()), (8, 1));
    file.cut_torn_tail().unwrap();
    file.append(&aborted(&chain)).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn what_does_not_follow_is_named_by_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain");
    let header = encode(aborted(&Chain::new(genesis())).signed());
    let (mut log, ..) = Log::open(&path).unwrap();
    log.append(&header).unwrap();
    log.append(&header).unwrap();
    let error = ChainFile::open(&path, genesis()).unwrap_err();
    let known = Some(ChainError::Known { index: 1 });
    assert!(matches!(error, StoreError::Chain { record: 2, source, .. } if source == known));

    let other = folder.path().join("other");
    Log::open(&other).unwrap().0.append(b"no header").unwrap();
    let error = ChainFile::open(&other, genesis()).unwrap_err();
    assert!(matches!(error, StoreError::Chain { record: 1, source: None, .. }), "{error}");
}
