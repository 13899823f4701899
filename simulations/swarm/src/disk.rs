//! What survives a crash: the made disks of the programs.
//!
//! A disk keeps what it has synced. A record replaces the one before at once, or not at all; only the
//! append to the ledger can be torn.

use std::collections::BTreeMap;

use privacy::{EntryKind, SavedState, read_ledger};
use protocol::{
    coordinator, node,
    node::{journal::Journal, memory::Memory},
};
use wire::{
    ContentHash, Header, LedgerHead, NodeId, RecordHash, RoundRecord, Signed, StateHash, TaskId,
    Transcript,
};

/// What a node has on its disk.
#[derive(Clone, Default)]
pub struct NodeDisk {
    /// The ledger file.
    pub ledger: Vec<u8>,
    /// The present or last round.
    pub journal: Option<Journal>,
    /// What is remembered of earlier rounds.
    pub memory: Option<Memory>,
    /// The chain.
    pub headers: Vec<Signed<Header>>,
    /// Headers of other histories.
    pub forks: Vec<Signed<Header>>,
    /// The last state that is known of the chain's versions.
    pub state: Option<Vec<u8>>,
}

impl NodeDisk {
    /// Makes a record durable.
    pub fn keep(&mut self, record: node::Record) {
        match record {
            node::Record::Round(journal) => self.journal = Some(journal),
            node::Record::Memory(memory) => self.memory = Some(memory),
            node::Record::Fork(header) => self.forks.push(header),
            node::Record::Ledger(bytes) => self.ledger.extend_from_slice(bytes.as_ref()),
            node::Record::Chain { headers, record: _, state } => {
                self.headers.extend(headers);
                if let Some(state) = state {
                    self.state = Some(state);
                }
            }
        }
    }

    /// Writes the first `kept` bytes of an entry, and no more.
    pub fn tear(&mut self, entry: &[u8], kept: usize) {
        self.ledger.extend_from_slice(&entry[..kept]);
    }

    /// What the journal proves about a torn last entry: a contribution is persisted before its entry and
    /// sent after it, so one that no whole entry names was not sent, and the torn entry is its own.
    pub fn saved_state(&self, node: NodeId, task: TaskId) -> SavedState {
        let unknown = SavedState::Unknown { task: Some(task) };
        let contribution = self.journal.as_ref().and_then(Journal::contribution);
        let (Some(contribution), Ok(reading)) = (contribution, read_ledger(&self.ledger, node))
        else {
            return unknown;
        };
        let hash: ContentHash = contribution.hash();
        let named = reading.entries.iter().any(|entry| {
            matches!(&entry.kind, EntryKind::Charged { contribution, .. } if *contribution == hash)
        });
        if named { unknown } else { SavedState::NothingSent }
    }
}

/// What the coordinator has on its disk.
#[derive(Default)]
pub struct CoordinatorDisk {
    /// The chain.
    pub headers: Vec<Signed<Header>>,
    /// Every version's state, by its hash.
    pub states: BTreeMap<StateHash, Vec<u8>>,
    /// The evidence of every sum, by its hash.
    pub records: BTreeMap<RecordHash, RoundRecord>,
    /// The round that is going on.
    pub round: Option<Transcript>,
    /// The rounds that are over.
    pub finished: Vec<Transcript>,
    /// The highest ledger heads seen.
    pub heads: Vec<Signed<LedgerHead>>,
}

impl CoordinatorDisk {
    /// Makes a record durable.
    pub fn keep(&mut self, record: coordinator::Record) {
        use coordinator::Record;
        match record {
            Record::Round(transcript) => self.round = Some(*transcript),
            Record::Heads(heads) => self.heads = heads,
            Record::Step { header, record, state } => {
                self.records.extend(record.map(|record| (record.hash(), *record)));
                self.headers.push(header);
                if let Some(state) = state {
                    self.keep_state(state);
                }
            }
            Record::Finished(transcript) => {
                self.round = None;
                self.finished.push(*transcript);
            }
        }
    }

    /// Keeps a version's state under its hash.
    pub fn keep_state(&mut self, bytes: Vec<u8>) {
        let state = version::State::decode(&bytes).expect("a state that the machine made decodes");
        self.states.insert(state.hash(), bytes);
    }
}
